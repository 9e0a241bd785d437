//! Bytes to meaning and back: IKEv1, IKEv2, ESP, UDP encapsulation, IPv4 and IPv6 headers. It never
//! decides; it only reads and writes.
//!
//! Everything that is read may come from an attacker: readers check every length before they use
//! it, bound the number of elements of each list, and return [`Malformed`] instead of panicking.
//! What is written is our own, so writers only assert.
#![forbid(unsafe_code)]

mod error;
pub mod esp;
mod header;
pub mod ikev1;
pub mod ikev2;
pub mod ip;
mod read;
pub mod udp_encap;

pub use error::Malformed;
