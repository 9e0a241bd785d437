use core::time::Duration;

use timer::Instant;

use super::ElephantPolicy;

/// Looks for the SA of one direction that has most of a shard's packets, at the price of a few
/// instructions a batch: the first packet of each batch votes for its SA with the weight of the batch,
/// and a majority survives (Boyer and Moore's vote). Whom the vote names is measured by the counters that
/// its SA has anyway, over the windows that follow.
pub(crate) struct Scout<K> {
    /// When this window began.
    since: Instant,
    candidate: Option<K>,
    votes: u64,
    suspect: Option<Suspect<K>>,
}

/// An SA that is measured.
struct Suspect<K> {
    key: K,
    /// What it had carried when the window began, and its shard.
    carried: u64,
    shard: u64,
    /// In how many windows in a row it was an elephant.
    times: u8,
}

const WINDOW: Duration = Duration::from_millis(100);
/// A burst of one window makes no elephant.
const TIMES: u8 = 3;

impl<K: Copy + PartialEq> Scout<K> {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            candidate: None,
            votes: 0,
            suspect: None,
        }
    }

    /// Counts a batch. Returns whether a window is over, and [`judge`](Self::judge) is due.
    #[inline]
    pub(crate) fn vote(&mut self, key: K, packets: u64, now: Instant) -> bool {
        if self.candidate == Some(key) {
            self.votes += packets;
        } else if self.votes >= packets {
            self.votes -= packets;
        } else {
            self.candidate = Some(key);
            self.votes = packets - self.votes;
        }
        now - self.since >= WINDOW
    }

    /// Ends a window: the SA that has been an elephant for long enough, if there is one. `shard` and
    /// `carried` say how many packets went through the shard and through one SA so far.
    pub(crate) fn judge(
        &mut self,
        policy: ElephantPolicy,
        now: Instant,
        shard: u64,
        carried: impl Fn(K) -> Option<u64>,
    ) -> Option<K> {
        let elapsed = now - core::mem::replace(&mut self.since, now);
        let candidate = self.candidate.take();
        self.votes = 0;
        let before = self.suspect.take();
        let key = candidate?;
        let carried = carried(key)?;
        let times = match before {
            Some(before) if before.key == key => {
                let own = carried.saturating_sub(before.carried);
                let all = shard.saturating_sub(before.shard);
                let wanted = u128::from(policy.packets_per_second) * elapsed.as_micros();
                let much = u128::from(own) * 1_000_000 >= wanted && own.saturating_mul(2) >= all;
                if much { before.times + 1 } else { 0 }
            }
            _ => 0,
        };
        if times >= TIMES {
            return Some(key);
        }
        self.suspect = Some(Suspect {
            key,
            carried,
            shard,
            times,
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: ElephantPolicy = ElephantPolicy {
        packets_per_second: 10_000,
    };

    /// Gives the scout batches of 64, one a millisecond, the SA of each by its number; returns when it named
    /// one.
    fn batches(sa: impl Fn(u64) -> u8, packets: u64) -> Option<(u64, u8)> {
        let mut scout = Scout::new(Instant::ZERO);
        let mut carried = [0_u64; 256];
        for batch in 0..2_000 {
            let now = Instant::ZERO + Duration::from_millis(batch);
            let key = sa(batch);
            carried[usize::from(key)] += packets;
            if scout.vote(key, packets, now) {
                let shard = carried.iter().sum();
                let carried = |key: u8| Some(carried[usize::from(key)]);
                if let Some(found) = scout.judge(POLICY, now, shard, carried) {
                    return Some((batch, found));
                }
            }
        }
        None
    }

    #[test]
    fn whoever_has_most_packets_for_some_windows_is_found() {
        let (batch, found) = batches(|_| 7, 64).expect("found");
        assert_eq!((batch, found), (400, 7));
        let (_, found) = batches(|batch| if batch % 5 < 3 { 7 } else { batch as u8 }, 64).unwrap();
        assert_eq!(found, 7);
    }

    #[test]
    fn nobody_is_found_where_nobody_stands_out() {
        assert_eq!(batches(|batch| batch as u8, 64), None);
        // Half of the shard's packets, but few.
        assert_eq!(batches(|_| 7, 9), None);
        // Many, but not half of the shard's.
        assert_eq!(batches(|batch| (batch % 3) as u8, 64), None);
    }

    #[test]
    fn a_burst_is_no_elephant() {
        let burst = |batch: u64| if batch % 1_000 < 250 { 7 } else { batch as u8 };
        assert_eq!(batches(burst, 64), None);
    }
}
