use std::sync::Arc;

use crate::SequencePool;

/// The sequence numbers of an outbound SA: each is given out once, and none after the last
/// (RFC 4303 §3.3.3: the counter never wraps while the SA lives).
#[derive(Clone, Debug)]
pub struct SequenceNumbers {
    next: u64,
    /// The last number in hand.
    last: u64,
    /// Where more come from, for an SA that several shards seal for.
    pool: Option<Arc<SequencePool>>,
}

impl SequenceNumbers {
    /// The numbers of a new SA, from 1. With `esn` they are 64 bits wide, else 32.
    #[must_use]
    pub const fn new(esn: bool) -> Self {
        let last = if esn { u64::MAX - 1 } else { u32::MAX as u64 };
        Self {
            next: 1,
            last,
            pool: None,
        }
    }

    /// One shard's share of the numbers of an SA for which several seal.
    #[must_use]
    pub const fn pooled(pool: Arc<SequencePool>) -> Self {
        Self {
            next: 1,
            last: 0,
            pool: Some(pool),
        }
    }

    /// Has other shards take numbers as well: from the pool that is returned, as this one does from
    /// now on.
    #[must_use]
    pub fn share(&mut self) -> Arc<SequencePool> {
        if let Some(pool) = &self.pool {
            return Arc::clone(pool);
        }
        // What is in hand is all that there is.
        let pool = Arc::new(SequencePool::between(self.next, self.last));
        *self = Self::pooled(Arc::clone(&pool));
        pool
    }

    /// Ends that. The other shards find the pool closed; the range that one of them has in hand is lost
    /// but for the packets of the batch that it is sealing at this moment.
    pub fn take_back(&mut self) {
        if let Some(pool) = self.pool.take() {
            *self = Self {
                next: pool.close(),
                last: pool.last(),
                pool: None,
            };
        }
    }

    /// The next number, or `None` for ever once they are used up.
    #[inline]
    pub fn take(&mut self) -> Option<u64> {
        if self.next > self.last {
            (self.next, self.last) = self.pool.as_ref()?.reserve()?;
        }
        let number = self.next;
        self.next += 1;
        Some(number)
    }

    /// Throws away what is left of a range when other shards have taken numbers since: used now, such
    /// numbers might be too old for the peer. To be called before the first packet of each batch.
    #[inline]
    pub fn refresh(&mut self) {
        if let Some(pool) = &self.pool
            && self.next <= self.last
            && pool.peek() > self.last + 1
        {
            self.next = self.last + 1;
        }
    }

    /// Passes over `count` numbers in hand. Whoever restores an SA from a record that may be stale
    /// skips as many as could have been used since: a number that is left out harms nobody, one used
    /// twice breaks the cipher.
    pub const fn skip(&mut self, count: u64) {
        let next = self.next.saturating_add(count);
        self.next = if next > self.last {
            self.last + 1
        } else {
            next
        };
    }

    /// The number that [`take`](Self::take) would give next; one past the last when those in hand are
    /// used up.
    #[must_use]
    pub const fn peek(&self) -> u64 {
        self.next
    }

    /// Whether fifteen sixteenths are used: time for a rekey, with as much left as a rekey and its
    /// retransmissions can take.
    #[inline]
    #[must_use]
    pub fn near_exhaustion(&self) -> bool {
        let (next, last) = match &self.pool {
            None => (self.next, self.last),
            Some(pool) => (pool.peek(), pool.last()),
        };
        next > last - last / 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bits_stop_before_the_wrap() {
        let mut numbers = SequenceNumbers::new(false);
        assert_eq!(numbers.take(), Some(1));
        numbers.skip(u64::from(u32::MAX) - 3);
        assert!(numbers.near_exhaustion());
        assert_eq!(numbers.take(), Some(u64::from(u32::MAX) - 1));
        assert_eq!(numbers.take(), Some(u64::from(u32::MAX)));
        assert_eq!(numbers.take(), None);
        assert_eq!(numbers.take(), None);
    }

    #[test]
    fn sixty_four_bits_pass_the_low_word() {
        let mut numbers = SequenceNumbers::new(true);
        numbers.skip(u64::from(u32::MAX) - 1);
        assert_eq!(numbers.take(), Some(u64::from(u32::MAX)));
        assert_eq!(numbers.take(), Some(1 << 32));
        assert!(!numbers.near_exhaustion());
    }

    #[test]
    fn skipping_past_the_end_ends() {
        for esn in [false, true] {
            let mut numbers = SequenceNumbers::new(esn);
            numbers.skip(u64::MAX);
            assert_eq!(numbers.take(), None);
            numbers.skip(u64::MAX);
            assert_eq!(numbers.take(), None);
        }
    }

    #[test]
    fn shares_never_meet_and_stop_together() {
        let end = u64::from(u32::MAX);
        let pool = Arc::new(SequencePool::starting_at(end - 99, false));
        let mut shares = [(); 3].map(|()| SequenceNumbers::pooled(pool.clone()));
        assert!(shares[0].near_exhaustion(), "those of all are");
        let mut seen = std::collections::BTreeSet::new();
        for round in 0.. {
            let share = &mut shares[round * 7 % 3];
            let Some(number) = share.take() else { break };
            assert!(share.near_exhaustion());
            assert!(seen.insert(number));
        }
        for share in &mut shares {
            while let Some(number) = share.take() {
                assert!(seen.insert(number));
            }
            assert_eq!(share.take(), None);
        }
        assert!(seen.into_iter().eq(end - 99..=end));
    }

    #[test]
    fn an_sa_is_shared_and_taken_back_without_a_number_twice() {
        let mut own = SequenceNumbers::new(false);
        assert_eq!(own.take(), Some(1));
        let pool = own.share();
        let mut other = SequenceNumbers::pooled(pool);
        assert_eq!((own.take(), other.take()), (Some(2), Some(18)));
        own.take_back();
        // What the other has in hand it may use in its batch, and not in the next.
        assert_eq!((other.take(), own.take()), (Some(19), Some(34)));
        other.refresh();
        assert_eq!(other.take(), None);
        assert_eq!(own.take(), Some(35));
        own.skip(u64::from(u32::MAX) - 36);
        assert_eq!((own.take(), own.take()), (Some(u64::from(u32::MAX)), None));
    }

    #[test]
    fn an_sa_that_has_no_number_left_shares_none() {
        let mut own = SequenceNumbers::new(true);
        own.skip(u64::MAX);
        let mut other = SequenceNumbers::pooled(own.share());
        assert_eq!((own.take(), other.take()), (None, None));
        own.take_back();
        assert_eq!((own.take(), other.take()), (None, None));
    }

    #[test]
    fn a_rest_is_thrown_away_only_when_others_went_on() {
        let pool = Arc::new(SequencePool::new(true));
        let mut one = SequenceNumbers::pooled(pool.clone());
        let mut other = SequenceNumbers::pooled(pool);
        assert_eq!(one.take(), Some(1));
        one.refresh();
        assert_eq!(one.take(), Some(2));
        assert_eq!(other.take(), Some(17));
        one.refresh();
        assert_eq!(one.take(), Some(33));
    }

    #[test]
    fn threads_take_each_number_once() {
        let pool = Arc::new(SequencePool::new(true));
        let taken: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    let mut share = SequenceNumbers::pooled(pool.clone());
                    scope.spawn(move || (0..10_000).filter_map(|_| share.take()).collect())
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .collect()
        });
        // Within a share they only grow, so that a flow that stays with its shard stays in order.
        assert!(taken.iter().all(|numbers| numbers.is_sorted()));
        let mut all = taken.concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 40_000);
    }
}
