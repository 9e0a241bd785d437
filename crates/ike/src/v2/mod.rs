//! IKEv2 (RFC 7296): one exchange a file, both roles.
//!
//! | question | file |
//! |---|---|
//! | what becomes of a first message | `front_door`, `half_open`, `cookie` |
//! | which exchange does a message belong to | `receive` |
//! | how are requests repeated and answers remembered | `window`, `timing` |
//! | how does an IKE SA begin | `ike_sa_init`, `ike_auth` |
//! | how do Child SAs and successors begin | `create_child`, `negotiation`, `install` |
//! | how do they end | `informational`, `closing` |
//! | what may the owner ask | `commands` |
//! | how are messages protected | `seal`, `open`, `reassembly`, `keymat`, `auth` |

mod algorithm;
mod auth;
mod child;
mod closing;
mod commands;
mod configuration;
mod contents;
mod cookie;
mod create_child;
mod front_door;
mod half_open;
mod identity;
mod ike_auth;
mod ike_sa_init;
mod informational;
mod install;
mod keymat;
mod lifetimes;
mod narrow;
mod nat;
mod natd;
mod negotiation;
mod offer;
mod open;
mod phase;
mod proof;
mod proposal;
mod rate;
mod reassembly;
mod receive;
mod received;
mod sa;
mod seal;
mod standing;
mod suite;
mod task;
mod timing;
#[cfg(test)]
mod vectors;
mod window;

pub use child::{ChildSa, ChildState};
pub use front_door::{FrontDoor, InitVerdict};
pub use ipsec::Selectors;
pub use nat::Nat;
pub use proof::PeerAuthenticated;
pub use received::{Probe, Received, Route, route};
pub use sa::{IkeSa, Initiation, Role};
pub use suite::{EspSuite, IkeSuite};

/// The port of UDP encapsulation (RFC 3948 §2).
const ENCAPSULATED_PORT: u16 = 4500;
