//! The control interface: metrics, health and a status page over TCP; questions, commands and the
//! event stream over a unix socket. It runs on a thread of its own and never on the packet path.
//!
//! The service implements [`Headend`] and publishes to an [`EventHub`]; [`view`] is what both ends of
//! the unix socket speak, and [`Client`] the other end.
#![forbid(unsafe_code)]

mod charts;
mod client;
mod events;
mod headend;
mod history;
mod limit;
mod page;
mod routes;
mod server;
mod stream;
pub mod trace;
pub mod view;
mod watch;
mod words;

pub use charts::{Chart, Line, charts};
pub use client::{Client, ClientError, path_segment};
pub use events::EventHub;
pub use headend::{Headend, Refusal};
pub use history::History;
pub use server::{Control, Endpoints, StartError};
pub use words::octets;
