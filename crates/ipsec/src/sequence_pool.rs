use core::sync::atomic::{AtomicU64, Ordering};

/// The sequence numbers of an outbound SA for which several shards seal: each takes short ranges, and
/// none is given out twice.
///
/// The peer's replay window bounds how far the shards may drift apart: a number that is used later
/// than a window's worth of others is refused. Therefore ranges are short, are sealed and sent within
/// one batch, and what is left of one is thrown away when others have gone on
/// ([`SequenceNumbers::refresh`](crate::SequenceNumbers::refresh)).
#[derive(Debug)]
pub struct SequencePool {
    next: AtomicU64,
    last: u64,
}

/// Numbers that are taken at once. A quarter of the smallest replay window.
pub(crate) const RANGE: u64 = 16;

/// Beyond the last number of any SA.
const CLOSED: u64 = u64::MAX;

impl SequencePool {
    /// The numbers of a new SA, from 1. With `esn` they are 64 bits wide, else 32.
    #[must_use]
    pub const fn new(esn: bool) -> Self {
        Self::starting_at(1, esn)
    }

    /// The numbers from `next` on, of an SA that has used those before.
    #[must_use]
    pub const fn starting_at(next: u64, esn: bool) -> Self {
        Self::between(next, if esn { u64::MAX - 1 } else { u32::MAX as u64 })
    }

    pub(crate) const fn between(next: u64, last: u64) -> Self {
        Self {
            next: AtomicU64::new(next),
            last,
        }
    }

    /// The next range, first and last number, or `None` for ever once they are used up.
    pub(crate) fn reserve(&self) -> Option<(u64, u64)> {
        // Which shard comes first is of no meaning, and the numbers guard no memory.
        let taken = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                (next <= self.last).then(|| next.saturating_add(RANGE).min(self.last + 1))
            });
        let first = taken.ok()?;
        Some((first, first.saturating_add(RANGE - 1).min(self.last)))
    }

    /// Gives nothing out from now on, and says which number nobody has taken. A shard that has
    /// numbers in hand uses no more of them than those of the batch that it is sealing at this moment.
    pub(crate) fn close(&self) -> u64 {
        self.next.swap(CLOSED, Ordering::Relaxed)
    }

    /// The first number that nobody has taken.
    #[must_use]
    pub fn peek(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// The last number that may be used.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }
}
