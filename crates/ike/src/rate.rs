use core::time::Duration;

use timer::Instant;

/// A token bucket that holds one second's worth.
pub(crate) struct Rate {
    tokens: u32,
    refilled: Instant,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            tokens: u32::MAX,
            refilled: now,
        }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant, per_second: u32) -> bool {
        self.refill(now, per_second);
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }

    fn refill(&mut self, now: Instant, per_second: u32) {
        self.tokens = self.tokens.min(per_second);
        let passed = now.saturating_since(self.refilled);
        if passed >= Duration::from_secs(1) {
            self.tokens = per_second;
            self.refilled = now;
            return;
        }
        let earned = passed.as_nanos().saturating_mul(u128::from(per_second)) / 1_000_000_000;
        let earned = u32::try_from(earned).unwrap_or(per_second);
        // Time that has not earned a whole token stays on the account.
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(per_second);
            self.refilled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_seconds_worth_and_then_the_rate_holds() {
        let mut now = Instant::from_secs(5);
        let mut rate = Rate::new(now);
        let burst = (0..100).filter(|_| rate.take(now, 10)).count();
        assert_eq!(burst, 10);
        let mut later = 0;
        for _ in 0..3_000 {
            now += Duration::from_millis(1);
            later += usize::from(rate.take(now, 10));
        }
        assert!((29..=30).contains(&later), "{later} in three seconds");
    }

    #[test]
    fn a_rate_of_zero_never_gives() {
        let mut rate = Rate::new(Instant::ZERO);
        assert!(!rate.take(Instant::from_secs(9), 0));
    }
}
