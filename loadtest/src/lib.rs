//! The peer generator: thousands of IKEv2 and IKEv1 initiators in one process, each with its own source
//! address or port, identity and key, against any responder.
//!
//! It drives the same `ike`, `esp` and `wire` rooms as the headend, in the initiator's role. A
//! [`Scenario`](scenario::Scenario) says who comes when, what they send, how they answer dead peer
//! detection and who dies; because the generator injects the deaths it knows the truth, and can
//! score the verdicts of a headend whose event stream it reads.
#![forbid(unsafe_code)]

mod arrivals;
mod certificates;
pub mod cli;
mod clock;
mod display;
mod events;
mod headend;
mod html;
mod pattern;
mod plan;
mod process;
pub mod progress;
mod random;
pub mod report;
mod run;
pub mod scenario;
mod stats;
mod text;
mod truth;
mod worker;

pub use html::render as render_html;
pub use run::run;
pub use text::render as render_text;
