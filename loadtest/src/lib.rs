//! The peer generator: thousands of IKEv2 initiators in one process, each with its own source
//! address or port, identity and key, against any responder.
//!
//! It drives the same `ike` and wire rooms as the headend, in the initiator's role. A
//! [`Scenario`](scenario::Scenario) says who comes when, what they send, how they answer dead peer
//! detection and who dies; because the generator injects the deaths it knows the truth, and can
//! score the verdicts of a headend whose event stream it reads.
#![forbid(unsafe_code)]

pub mod cli;
pub mod progress;
pub mod report;
pub mod scenario;

mod run;

pub use run::run;
