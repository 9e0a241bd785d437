//! How fast something happens, lately.

use timer::Instant;

/// Whole seconds over which a rate is taken.
const SPAN: usize = 8;

/// Counts what happens, second by second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    /// By second, modulo the length: the second that is counted at present is among them.
    counts: [u32; SPAN + 1],
    /// The second that is counted at present.
    second: u64,
}

impl Meter {
    /// It happened.
    pub(crate) fn count(&mut self, now: Instant) {
        self.advance(now);
        let place = self.place(self.second);
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// How often it happened in the whole seconds before this one.
    pub(crate) fn lately(&mut self, now: Instant) -> f64 {
        self.advance(now);
        let current = self.place(self.second);
        let whole = self.counts.iter().enumerate();
        let sum: u64 = whole
            .filter(|(place, _)| *place != current)
            .map(|(_, count)| u64::from(*count))
            .sum();
        // Fewer than fit in a double, and exact.
        sum as f64 / SPAN as f64
    }

    /// Forgets the seconds in which nothing was counted.
    fn advance(&mut self, now: Instant) {
        let second = now.as_nanos() / 1_000_000_000;
        let passed = second.saturating_sub(self.second);
        for step in 1..=passed.min(self.counts.len() as u64) {
            let place = self.place(self.second + step);
            if let Some(count) = self.counts.get_mut(place) {
                *count = 0;
            }
        }
        self.second = self.second.max(second);
    }

    fn place(&self, second: u64) -> usize {
        usize::try_from(second % self.counts.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_told_and_forgotten() {
        let mut meter = Meter::default();
        for millis in (0..20_000).step_by(10) {
            meter.count(Instant::from_millis(millis));
        }
        let rate = meter.lately(Instant::from_secs(20));
        assert!((rate - 100.0).abs() < 1e-9, "{rate}");
        let half = meter.lately(Instant::from_secs(24));
        assert!((half - 50.0).abs() < 1e-9, "{half}");
        assert!(meter.lately(Instant::from_secs(40)) < 1e-9);
        assert!(meter.lately(Instant::from_secs(4_000)) < 1e-9);
    }
}
