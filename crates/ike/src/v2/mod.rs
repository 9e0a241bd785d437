//! IKEv2 (RFC 7296): one exchange a file, both roles.

mod child;
mod create_child;
mod front_door;
mod nat;
mod proof;
mod received;
mod sa;
mod standing;
mod task;

pub use child::{ChildSa, ChildState, Selectors};
pub use front_door::{FrontDoor, InitVerdict};
pub use nat::Nat;
pub use proof::PeerAuthenticated;
pub use received::{Probe, Received, Route, route};
pub use sa::{IkeSa, Initiation, Role};
