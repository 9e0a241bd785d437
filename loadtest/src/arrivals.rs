use timer::Instant;

use crate::random::Lots;
use crate::scenario::{Arrival, Distribution};

/// When each peer is due to start. The times are fixed before the run, so that a slow responder
/// does not slow the arrivals down and a peer that starts late has its wait counted.
pub(crate) struct Arrivals {
    lots: Lots,
    distribution: Distribution,
    mean_gap_s: f64,
    next: u32,
    end: u32,
    at_s: f64,
}

impl Arrivals {
    pub(crate) fn new(arrival: &Arrival, peers: u32, lots: Lots) -> Self {
        Self {
            lots,
            distribution: arrival.distribution,
            mean_gap_s: 1.0 / arrival.rate_per_second,
            next: 0,
            end: peers,
            at_s: 0.0,
        }
    }

    /// The number of the next peer and when it is due; `None` after the last.
    pub(crate) fn peek(&self) -> Option<(u32, Instant)> {
        (self.next < self.end).then(|| (self.next, seconds(self.at_s)))
    }

    /// Goes on to the peer after.
    pub(crate) fn advance(&mut self) {
        self.next += 1;
        self.at_s += match self.distribution {
            Distribution::Uniform => self.mean_gap_s,
            Distribution::Poisson => -(1.0 - self.lots.share()).ln() * self.mean_gap_s,
        };
    }
}

/// The instant so many seconds after the start of the run.
pub(crate) fn seconds(seconds: f64) -> Instant {
    // A cast from floating point saturates, and a run is not that long.
    Instant::from_nanos((seconds * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(distribution: Distribution) -> Vec<(u32, Instant)> {
        let arrival = Arrival {
            rate_per_second: 100.0,
            distribution,
        };
        let mut arrivals = Arrivals::new(&arrival, 10_000, Lots::new(1, 1));
        let mut times = Vec::new();
        while let Some(next) = arrivals.peek() {
            times.push(next);
            arrivals.advance();
        }
        times
    }

    #[test]
    fn uniform_arrivals_keep_their_gap() {
        let times = times(Distribution::Uniform);
        assert_eq!(times.len(), 10_000);
        assert_eq!(times[0], (0, Instant::ZERO));
        let last = times[9_999].1.as_millis();
        assert!((99_980..=99_991).contains(&last), "{last}");
    }

    #[test]
    fn poisson_arrivals_keep_their_rate_and_order() {
        let times = times(Distribution::Poisson);
        assert!(times.is_sorted_by_key(|(_, at)| *at));
        let last = times[9_999].1.as_millis();
        assert!((95_000..105_000).contains(&last), "{last}");
    }
}
