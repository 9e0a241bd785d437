//! Fuzz targets as plain functions: cargo-fuzz calls them with what it invents (`crates/fuzz/fuzz`),
//! an ordinary test calls them with the seed corpora (`crates/fuzz/corpus`). A target panics when
//! a reader breaks a promise; that a reader itself does not panic is the first promise.
#![forbid(unsafe_code)]

mod esp_packets;
mod ike;
mod ip;
mod tunnels;

pub use esp_packets::esp_packets;
pub use ike::{ikev2_message, ikev2_payloads, udp_encap};
pub use ip::inner_packet;
pub use tunnels::tunnels;

/// A target: takes any octets, returns if every promise held. Its name is that of its corpus folder
/// and of its cargo-fuzz binary.
pub type Target = fn(&[u8]);

/// The readers of octets: cheap, so that every seed is also tried in every mutilation.
pub const READERS: &[(&str, Target)] = &[
    ("ikev2_message", ikev2_message),
    ("ikev2_payloads", ikev2_payloads),
    ("inner_packet", inner_packet),
    ("udp_encap", udp_encap),
];

/// The machines behind them: the octets say what happens to them.
pub const MACHINES: &[(&str, Target)] = &[("esp_packets", esp_packets), ("tunnels", tunnels)];
