//! IKEv2 (RFC 7296): one exchange a file, both roles.
//!
//! | question | file |
//! |---|---|
//! | what becomes of a first message | `gate`, `cookie`, `front_door` |
//! | which exchange does a message belong to | `receive` |
//! | how are requests repeated and answers remembered | `window`, `timing` |
//! | how does an IKE SA begin | `ike_sa_init`, `ike_auth` |
//! | how do Child SAs and successors begin | `create_child`, `negotiation`, `install` |
//! | how do they end | `informational`, `closing` |
//! | what may the owner ask | `commands` |
//! | how are messages protected | `seal`, `open`, `reassembly`, `keymat`, `auth` |

mod algorithm;
mod auth;
mod closing;
mod commands;
mod configuration;
mod contents;
pub(crate) mod cookie;
mod create_child;
mod front_door;
pub(crate) mod gate;
mod ike_auth;
mod ike_sa_init;
mod informational;
mod install;
mod keymat;
mod narrow;
mod natd;
mod negotiated;
mod negotiation;
mod offer;
mod open;
mod phase;
mod proposal;
pub(crate) mod puzzle;
mod reassembly;
mod receive;
mod sa;
mod seal;
mod standing;
mod suite;
mod task;
mod timing;
mod tracing;
mod window;

pub use ipsec::Selectors;
pub use sa::IkeSa;
pub use suite::{EspSuite, IkeSuite};

pub use crate::{
    ChildSa, ChildState, FrontDoor, InitVerdict, Initiation, Nat, PeerAuthenticated, Probe,
    Received, Role, Route, route,
};
