//! Elephants: SAs that carry more than one shard can.
//!
//! The shard that owns an SA stays the only one that decides about it. When it sees the SA take most of
//! what it does ([`Scout`]), it lends the other shards copies: a *guest* opens what the owner hands it. If the
//! peer's replay window is known to be wide, it also seals what comes to it from
//! its own queue of the inner device, with sequence numbers of the pool that all draw from, and sends
//! it from its own socket. A flow stays with its queue, so it stays in order. What guests have carried
//! is added up in memory that is shared, once a batch ([`Together`]); the owner folds it into the
//! counters of its SA when it looks, [`LOOK`] later at most, and draws the consequences.

mod batch;
mod guest;
mod inbound;
mod owner;
mod relay;
mod scout;
mod together;

use core::time::Duration;

pub(crate) use guest::{Guests, is_guest};
pub(crate) use owner::Elephants;
pub use relay::Parcel;
pub(crate) use relay::Relay;
pub(crate) use scout::Scout;
pub use together::Loan;
pub(crate) use together::Together;

/// When an SA counts as more than its shard can carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ElephantPolicy {
    /// Packets a second in one direction from which on an SA that also has at least half of its shard's
    /// packets is an elephant. One whose directions together fall below half of that for some seconds is one no longer.
    pub packets_per_second: u32,
}

impl Default for ElephantPolicy {
    fn default() -> Self {
        Self {
            packets_per_second: 50_000,
        }
    }
}

/// How many packets a peer's replay window has to cover, so that numbers of several shards, which leave this
/// host a little out of order, are none too old for it.
pub(crate) const PEER_WINDOW_MIN: u32 = 1024;

/// How often the owner looks what was carried for it.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
