//! Fuzz targets as plain functions: cargo-fuzz calls them with what it invents (`crates/fuzz/fuzz`),
//! an ordinary test calls them with the seed corpora (`crates/fuzz/corpus`). A target panics when
//! a reader breaks a promise; that a reader itself does not panic is the first promise.
#![forbid(unsafe_code)]

mod ike;
mod ip;

pub use ike::{ikev2_message, ikev2_payloads, udp_encap};
pub use ip::inner_packet;

/// A target: takes any octets, returns if every promise held.
pub type Target = fn(&[u8]);

/// Every target under the name of its corpus folder and of its cargo-fuzz binary.
pub const TARGETS: &[(&str, Target)] = &[
    ("ikev2_message", ikev2_message),
    ("ikev2_payloads", ikev2_payloads),
    ("inner_packet", inner_packet),
    ("udp_encap", udp_encap),
];
