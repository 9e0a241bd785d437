//! Whether a try could have been answered.

use core::time::Duration;

use timer::Instant;

use crate::evidence::TryOutcome;

/// How the shard itself has been doing, as of this call. A silence during which we did not listen
/// says nothing about the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceHealth {
    /// When the shard last read its receive path until nothing was left.
    pub rx_serviced: Instant,
    /// How long the datagrams handled last had been waiting for us.
    pub queue_delay: Duration,
    /// Datagrams that were dropped before we could read them, counted up and wrapping.
    pub rx_drops: u32,
}

impl ServiceHealth {
    /// Nothing wrong: everything that had arrived by `now` has been read.
    #[must_use]
    pub const fn good(now: Instant) -> Self {
        Self {
            rx_serviced: now,
            queue_delay: Duration::ZERO,
            rx_drops: 0,
        }
    }

    /// Whether what arrived just before `now` has been read, and soon enough to be an answer.
    pub(crate) fn listens(&self, now: Instant, retry: Duration) -> bool {
        let slack = retry / 4;
        now - self.rx_serviced <= slack && self.queue_delay <= slack
    }

    /// What the silence after a try that left at `sent_at`, when `rx_drops_then` datagrams had been
    /// dropped, means at `now`.
    pub(crate) fn judge(
        &self,
        now: Instant,
        retry: Duration,
        sent_at: Instant,
        rx_drops_then: u32,
    ) -> TryOutcome {
        // "Well under" the time that an answer may take.
        let slack = retry / 4;
        let read_since = self.rx_serviced > sent_at && now - self.rx_serviced <= slack;
        if !read_since {
            TryOutcome::NotListening
        } else if self.queue_delay > slack {
            TryOutcome::QueueDelay
        } else if self.rx_drops != rx_drops_then {
            TryOutcome::ReceiveDrops
        } else {
            TryOutcome::Unanswered
        }
    }
}
