//! The headend as a running thing: threads, the one clock, mailboxes, the directory that shards
//! share, the compute pool for key exchanges, sockets and the inner device.
//!
//! [`Service::start`] brings it up; everything else is asked of the [`Service`].
#![forbid(unsafe_code)]

mod backlog;
mod clock;
mod compute;
mod directory;
mod doors;
mod echo;
#[cfg(test)]
mod end_to_end;
mod entropy;
mod error;
mod events;
mod gather;
mod insides;
mod leases;
mod mailbox;
mod newcomers;
mod prefixes;
mod questions;
mod quick;
mod report;
mod resolver;
mod routes;
mod service;
mod settings;
mod sink;
mod sockets;
mod start;
mod steering;
mod stop;
mod traces;
mod worker;

pub use clock::Clock;
pub use error::{Busy, NotReady, StartError, TooManyWatchers};
pub use events::{StreamEnded, Subscription};
pub use questions::{Cursor, Page};
pub use report::{ReceiveDrops, ShardReport, SharedReport};
pub use service::Service;
pub use settings::{InnerDevice, Listen, Settings};
pub use sink::InnerDrops;
pub use traces::{TraceSubscription, Traced};
