use core::f64::consts::TAU;

use timer::Instant;

use crate::random::Lots;
use crate::scenario::{Arrival, Distribution, Shape};

/// When each peer is due to start. The times are fixed before the run, so that a slow responder
/// does not slow the arrivals down and a peer that starts late has its wait counted.
///
/// Arrivals are drawn as if they came evenly, one for each unit of expected arrivals; the shape then
/// says at which time so many are expected. So every shape can be had with either distribution.
pub(crate) struct Arrivals {
    lots: Lots,
    arrival: Arrival,
    next: u32,
    end: u32,
    /// How many arrivals are expected until the next one comes.
    expected: f64,
}

impl Arrivals {
    pub(crate) fn new(arrival: &Arrival, peers: u32, lots: Lots) -> Self {
        Self {
            lots,
            arrival: arrival.clone(),
            next: 0,
            end: peers,
            expected: 0.0,
        }
    }

    /// The number of the next peer and when it is due; `None` after the last.
    pub(crate) fn peek(&self) -> Option<(u32, Instant)> {
        let due = || seconds(reached_s(&self.arrival, self.expected));
        (self.next < self.end).then(|| (self.next, due()))
    }

    /// Goes on to the peer after.
    pub(crate) fn advance(&mut self) {
        self.next += 1;
        self.expected += match self.arrival.distribution {
            Distribution::Uniform => 1.0,
            Distribution::Poisson => -(1.0 - self.lots.share()).ln(),
        };
    }
}

/// The second at which so many arrivals are expected to have come.
fn reached_s(arrival: &Arrival, expected: f64) -> f64 {
    let (rate, period_s) = (arrival.rate_per_second, arrival.period_s);
    let whole = rate * period_s;
    match arrival.shape {
        Shape::Step => expected / rate,
        // The rate grows as t/period, and what has come as its integral.
        Shape::Ramp if expected < whole / 2.0 => (2.0 * expected * period_s / rate).sqrt(),
        Shape::Ramp => period_s + (expected - whole / 2.0) / rate,
        Shape::Sine => {
            let waves = (expected / whole).floor();
            waves * period_s + within_wave(expected / whole - waves) * period_s
        }
        Shape::Burst => (expected / whole).floor() * period_s,
        Shape::Storm => 0.0,
    }
}

/// The place within a wave, from 0 to 1, by which a share of its arrivals has come: the inverse of
/// `x - sin(2 pi x) / 2 pi`, found by halving, because it is flat at both ends.
fn within_wave(share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if middle - (TAU * middle).sin() / TAU < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The instant so many seconds after the start of the run.
pub(crate) fn seconds(seconds: f64) -> Instant {
    // A cast from floating point saturates, and a run is not that long.
    Instant::from_nanos((seconds * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(distribution: Distribution, shape: Shape) -> Vec<f64> {
        let arrival = Arrival {
            rate_per_second: 100.0,
            distribution,
            shape,
            period_s: 10.0,
        };
        let mut arrivals = Arrivals::new(&arrival, 10_000, Lots::new(1, 1));
        let mut times = Vec::new();
        while let Some((n, due)) = arrivals.peek() {
            assert_eq!(n as usize, times.len());
            times.push(due.as_nanos() as f64 / 1e9);
            arrivals.advance();
        }
        assert!(times.is_sorted());
        times
    }

    /// How many come in `[from, to)`.
    fn between(times: &[f64], from: f64, to: f64) -> usize {
        times.iter().filter(|at| (from..to).contains(*at)).count()
    }

    #[test]
    fn a_seed_fixes_the_schedule() {
        let times = |seed| {
            let arrival = Arrival::default();
            let mut arrivals = Arrivals::new(&arrival, 1_000, Lots::new(seed, 1));
            let mut times = Vec::new();
            while let Some((_, due)) = arrivals.peek() {
                times.push(due);
                arrivals.advance();
            }
            times
        };
        assert_eq!(times(7), times(7));
        assert_ne!(times(7), times(8));
    }

    #[test]
    fn uniform_arrivals_keep_their_gap() {
        let times = times(Distribution::Uniform, Shape::Step);
        assert_eq!(times.len(), 10_000);
        assert_eq!(times[0], 0.0);
        assert!((99.98..99.991).contains(&times[9_999]), "{}", times[9_999]);
    }

    #[test]
    fn poisson_arrivals_keep_their_rate() {
        let times = times(Distribution::Poisson, Shape::Step);
        assert!((95.0..105.0).contains(&times[9_999]), "{}", times[9_999]);
    }

    #[test]
    fn a_ramp_takes_its_period_to_reach_the_rate() {
        let times = times(Distribution::Uniform, Shape::Ramp);
        assert!((123..=127).contains(&between(&times, 0.0, 5.0)));
        assert!((498..=502).contains(&between(&times, 0.0, 10.0)));
        assert!((999..=1_001).contains(&between(&times, 20.0, 30.0)));
    }

    #[test]
    fn waves_rise_to_twice_the_rate_and_fall_to_nothing() {
        let times = times(Distribution::Uniform, Shape::Sine);
        for wave in [0.0, 30.0, 90.0] {
            assert!((998..=1_002).contains(&between(&times, wave, wave + 10.0)));
            assert!(between(&times, wave, wave + 0.5) <= 3);
            assert!((195..=201).contains(&between(&times, wave + 4.5, wave + 5.5)));
        }
    }

    #[test]
    fn bursts_and_storms_come_at_once() {
        let bursts = times(Distribution::Uniform, Shape::Burst);
        assert_eq!(between(&bursts, 0.0, 0.001), 1_000);
        assert_eq!(between(&bursts, 0.001, 10.0), 0);
        assert_eq!(between(&bursts, 10.0, 10.001), 1_000);
        let storm = times(Distribution::Poisson, Shape::Storm);
        assert_eq!(between(&storm, 0.0, 0.001), 10_000);
    }
}
