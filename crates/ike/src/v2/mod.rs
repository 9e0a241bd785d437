//! IKEv2 (RFC 7296): one exchange a file, both roles.

mod algorithm;
mod auth;
mod child;
mod cookie;
mod create_child;
mod front_door;
mod identity;
mod keymat;
mod narrow;
mod nat;
mod natd;
mod negotiation;
mod offer;
mod open;
mod proof;
mod proposal;
mod reassembly;
mod received;
mod sa;
mod seal;
mod standing;
mod suite;
mod task;
#[cfg(test)]
mod vectors;

pub use child::{ChildSa, ChildState, Selectors};
pub use front_door::{FrontDoor, InitVerdict};
pub use nat::Nat;
pub use proof::PeerAuthenticated;
pub use received::{Probe, Received, Route, route};
pub use sa::{IkeSa, Initiation, Role};
pub use suite::{EspSuite, IkeSuite};
