//! The control interface: metrics, health and a status page over TCP; questions, commands and the
//! event stream over a unix socket. It runs on a thread of its own and never on the packet path.
//!
//! The service implements [`Headend`]; [`view`] is what both ends of the unix socket speak.
#![forbid(unsafe_code)]

mod events;
mod headend;
pub mod view;

pub use events::EventHub;
pub use headend::{Headend, Refusal};
