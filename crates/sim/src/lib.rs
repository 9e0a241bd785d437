//! Many peers and a headend on a virtual clock and a seeded network.
//!
//! [`Network`] loses, doubles, delays and reorders whatever it is given; any test can use it. A
//! [`World`] puts real shards on both ends of one: the headend's, and one that plays the initiators.
//! Every datagram that leaves a shard and every event passes the [`Invariants`]. The same seed gives
//! the same run, octet for octet.
#![forbid(unsafe_code)]

mod datagram;
mod dice;
mod directory;
mod invariants;
mod network;
mod outbox;
mod packet;
mod policy;
mod side;
mod world;

pub use datagram::Datagram;
pub use dice::{Dice, seed};
pub use directory::MemoryDirectory;
pub use invariants::{Breach, Invariants};
pub use network::{Network, Traffic, Weather};
pub use outbox::Outbox;
pub use packet::udp_packet;
pub use policy::{
    Estate, HEADEND, Lifetimes, peer_address, peer_identity, peer_index, service_address,
};
pub use side::Side;
pub use world::{End, World};
