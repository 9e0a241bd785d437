//! The Internet Key Exchange: state machines that take messages, results of computations and the
//! time, and answer with actions. They read no clock, open no socket and own no random source.
//!
//! [`v2`] speaks IKEv2 (RFC 7296) in both roles. Everything that a state machine asks of the world
//! is an [`Action`]; everything that it may know about the world is in [`Context`].
#![forbid(unsafe_code)]

mod action;
mod context;
mod job;
mod path;
mod reason;
mod settings;
pub mod trace;
pub mod v2;

pub use action::{Action, ChildInstalled, Established, HalfOpenKey};
pub use context::{Context, Host, Lease, LeaseRequest};
pub use job::{Computed, Job, JobId, Side};
pub use path::Path;
pub use reason::{ChildFailure, CloseReason, Refusal, Rejection, RemovalReason};
pub use settings::Settings;
pub use trace::Trace;
