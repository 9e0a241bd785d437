//! The Internet Key Exchange: state machines that take messages, results of computations and the
//! time, and answer with actions. They read no clock, open no socket and own no random source.
//!
//! [`v2`] speaks IKEv2 (RFC 7296) and [`v1`] IKEv1 (RFC 2409), in both roles. Everything that a state machine asks of the world
//! is an [`Action`]; everything that it may know about the world is in [`Context`].
#![forbid(unsafe_code)]

mod action;
mod allowed;
mod child;
mod context;
mod front_door;
mod half_open;
mod identity;
mod initiation;
mod job;
mod lifetimes;
mod nat;
mod negotiated;
mod path;
mod proof;
mod rate;
mod reason;
mod received;
mod role;
mod sa;
mod settings;
mod signed;
pub mod trace;
pub mod v1;
pub mod v2;
#[cfg(test)]
mod vectors;

pub use action::{Action, ChildInstalled, Established, HalfOpenKey};
pub use child::{ChildSa, ChildState};
pub use context::{Context, Host, Lease, LeaseRequest};
pub use front_door::{FrontDoor, InitVerdict};
pub use initiation::Initiation;
pub use job::{Computed, Job, JobId, Side};
pub use nat::Nat;
pub use negotiated::Negotiated;
pub use path::Path;
pub use proof::PeerAuthenticated;
pub use reason::{ChildFailure, CloseReason, Refusal, Rejection, RemovalReason};
pub use received::{Probe, Received, Route, route};
pub use role::Role;
pub use sa::{FirstVerdict, IkeSa, LivenessCheck};
pub use settings::Settings;
pub use trace::Trace;
pub use v2::gate::Gate;
