//! Bytes to meaning and back: IKEv2, ESP, UDP encapsulation, IPv4 and IPv6 headers. It never
//! decides; it only reads and writes.
#![forbid(unsafe_code)]

mod error;
pub mod ikev2;

pub use error::Malformed;
