//! Paced work: how many probes, teardowns and re-initiations a shard starts in a second.

use core::num::NonZeroU32;
use core::time::Duration;

use timer::Instant;

/// A token bucket that can promise a token of the future, so that many who find it empty are
/// spread over time and each waits once instead of asking again.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    period_nanos: u64,
    burst_nanos: u64,
    /// When the next token that nobody holds becomes valid.
    next: Instant,
}

impl TokenBucket {
    /// A full bucket that yields `per_second` tokens a second and holds at most `burst`.
    #[must_use]
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let period_nanos = 1_000_000_000 / u64::from(per_second.get());
        Self {
            period_nanos,
            burst_nanos: period_nanos.saturating_mul(u64::from(burst.get()) - 1),
            next: Instant::ZERO,
        }
    }

    /// Takes the next token. Its holder may act from the returned time on, which is not after `now`
    /// as long as the bucket is not empty.
    pub fn book(&mut self, now: Instant) -> Instant {
        let token = self.first_free(now);
        self.next = Instant::from_nanos(token.as_nanos().saturating_add(self.period_nanos));
        token
    }

    /// Takes a token if one is valid now.
    pub fn take(&mut self, now: Instant) -> bool {
        let valid = self.first_free(now) <= now;
        if valid {
            self.book(now);
        }
        valid
    }

    /// How many tokens of the future are promised.
    #[must_use]
    pub fn promised(&self, now: Instant) -> u64 {
        let nanos = (self.next - now).as_nanos() / u128::from(self.period_nanos.max(1));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    /// How long it takes until all promised tokens are valid.
    #[must_use]
    pub fn paid_off(&self, now: Instant) -> Duration {
        self.next - now
    }

    fn first_free(&self, now: Instant) -> Instant {
        let full = Instant::from_nanos(now.as_nanos().saturating_sub(self.burst_nanos));
        self.next.max(full)
    }
}

/// The rates of [`Budgets`], per shard and second. A burst is one second's worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// Tries that we send.
    pub probes_per_second: NonZeroU32,
    /// Verdicts that are carried out.
    pub kills_per_second: NonZeroU32,
    /// Initiations that follow a verdict.
    pub reinitiations_per_second: NonZeroU32,
    /// Probes that an unauthenticated hint may provoke.
    pub hints_per_second: NonZeroU32,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        let rate = |rate| NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        Self {
            probes_per_second: rate(50_000),
            kills_per_second: rate(1_000),
            reinitiations_per_second: rate(200),
            hints_per_second: rate(100),
        }
    }
}

/// The token buckets of one shard.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Tries that we send.
    pub probes: TokenBucket,
    /// Verdicts that are carried out.
    pub kills: TokenBucket,
    /// Initiations that follow a verdict; the shard takes from it for `restart` and `next-peer`.
    pub reinitiations: TokenBucket,
    /// Probes that an unauthenticated hint may provoke.
    pub hints: TokenBucket,
}

impl Budgets {
    /// Full buckets.
    #[must_use]
    pub fn new(policy: &BudgetPolicy) -> Self {
        let bucket = |rate| TokenBucket::new(rate, rate);
        Self {
            probes: bucket(policy.probes_per_second),
            kills: bucket(policy.kills_per_second),
            reinitiations: bucket(policy.reinitiations_per_second),
            hints: bucket(policy.hints_per_second),
        }
    }
}

/// How many tries may be sent again because they could not have been answered: one for every four probes
/// that begin. Whoever falls behind would otherwise ask more for it, and fall behind further.
#[derive(Clone, Debug)]
pub(crate) struct Repeats {
    /// In probes begun.
    saved: u32,
}

/// What one repetition costs, in probes begun.
const REPEAT_COST: u32 = 4;
/// As much is saved up at most, so that a passing fault is repaired at once.
const SAVED_MAX: u32 = 1_024 * REPEAT_COST;

impl Repeats {
    pub(crate) const fn new() -> Self {
        Self { saved: SAVED_MAX }
    }

    /// A probe begins.
    pub(crate) fn earn(&mut self) {
        self.saved = self.saved.saturating_add(1).min(SAVED_MAX);
    }

    /// Whether a try may be sent again.
    pub(crate) fn take(&mut self) -> bool {
        let left = self.saved.checked_sub(REPEAT_COST);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_try_is_repeated_for_every_four_probes() {
        let mut repeats = Repeats::new();
        let at_once = (0..5_000).filter(|_| repeats.take()).count();
        assert_eq!(at_once, 1_024);
        let mut more = 0;
        for _ in 0..1_000 {
            repeats.earn();
            more += u32::from(repeats.take());
        }
        assert_eq!(more, 250);
    }

    fn bucket(per_second: u32, burst: u32) -> TokenBucket {
        TokenBucket::new(
            NonZeroU32::new(per_second).expect("not zero"),
            NonZeroU32::new(burst).expect("not zero"),
        )
    }

    #[test]
    fn a_burst_passes_at_once_and_the_rest_is_spread() {
        let mut bucket = bucket(10, 3);
        let now = Instant::from_secs(5);
        let waits: Vec<_> = (0..5)
            .map(|_| (bucket.book(now) - now).as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
    }

    #[test]
    fn what_is_promised_can_be_told() {
        let mut bucket = bucket(10, 3);
        let now = Instant::from_secs(5);
        assert_eq!(
            (bucket.promised(now), bucket.paid_off(now)),
            (0, Duration::ZERO)
        );
        for _ in 0..8 {
            bucket.book(now);
        }
        // Three at once, then one every tenth of a second: the sixth is the next.
        assert_eq!(bucket.promised(now), 6);
        assert_eq!(bucket.paid_off(now), Duration::from_millis(600));
    }

    #[test]
    fn a_booked_token_is_gone_for_those_who_do_not_wait() {
        let mut bucket = bucket(10, 1);
        let now = Instant::from_secs(5);
        assert!(bucket.take(now));
        assert_eq!(bucket.book(now), Instant::from_millis(5_100));
        assert!(!bucket.take(Instant::from_millis(5_100)));
        assert!(bucket.take(Instant::from_millis(5_200)));
    }

    #[test]
    fn an_idle_bucket_saves_no_more_than_its_burst() {
        let mut bucket = bucket(1_000, 2);
        let later = Instant::from_secs(1_000);
        assert!(bucket.take(later));
        assert!(bucket.take(later));
        assert!(!bucket.take(later));
    }
}
