//! Fuzz targets as plain functions: cargo-fuzz calls them with what it invents (`crates/fuzz/fuzz`),
//! an ordinary test calls them with the seed corpora (`crates/fuzz/corpus`). A target panics when
//! a reader breaks a promise; that a reader itself does not panic is the first promise.
#![forbid(unsafe_code)]

mod certificates;
mod esp_packets;
mod esp_text;
mod ike;
mod ikev1;
mod ikev1_peer;
mod ikev1_policy;
mod ios;
mod ip;
mod operations;
mod replay_window;
mod text;
mod tunnels;

pub use certificates::certificates;
pub use esp_packets::esp_packets;
pub use esp_text::esp_text;
pub use ike::{ikev2_message, ikev2_payloads, udp_encap};
pub use ikev1::{ikev1_message, ikev1_payloads};
pub use ikev1_peer::ikev1_peer;
pub use ios::ios_text;
pub use ip::inner_packet;
pub use replay_window::replay_window;
pub use text::{identity_text, selector_text};
pub use tunnels::{ikev1_tunnels, tunnels};

/// A target: takes any octets, returns if every promise held. Its name is that of its corpus folder
/// and of its cargo-fuzz binary.
pub type Target = fn(&[u8]);

/// The readers of octets: cheap, so that every seed is also tried in every mutilation.
pub const READERS: &[(&str, Target)] = &[
    ("certificates", certificates),
    ("esp_text", esp_text),
    ("identity_text", identity_text),
    ("ikev1_message", ikev1_message),
    ("ikev1_payloads", ikev1_payloads),
    ("ikev2_message", ikev2_message),
    ("ikev2_payloads", ikev2_payloads),
    ("inner_packet", inner_packet),
    ("ios_text", ios_text),
    ("replay_window", replay_window),
    ("selector_text", selector_text),
    ("udp_encap", udp_encap),
];

/// The machines behind them: the octets say what happens to them.
pub const MACHINES: &[(&str, Target)] = &[
    ("esp_packets", esp_packets),
    ("ikev1_peer", ikev1_peer),
    ("ikev1_tunnels", ikev1_tunnels),
    ("tunnels", tunnels),
];
