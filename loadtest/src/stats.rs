//! What a worker counts while it runs.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hdrhistogram::Histogram;

use crate::report::{Passage, Percentiles};

/// Numbers that are shown while the run lasts. They only grow, except `up`.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) started: u32,
    pub(crate) established: u32,
    pub(crate) up: u32,
    pub(crate) failed: u32,
    pub(crate) dead: u32,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) verified: u64,
    pub(crate) mismatched: u64,
    pub(crate) unrelated: u64,
    pub(crate) messages_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) probes_answered: u64,
    pub(crate) probes_ignored: u64,
    pub(crate) probes_sent: u64,
    pub(crate) probes_acknowledged: u64,
    pub(crate) stalled: u32,
    pub(crate) returned: u32,
    pub(crate) moves: u64,
    pub(crate) child_rekeys: u64,
    pub(crate) ike_rekeys: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.established += other.established;
        self.up += other.up;
        self.failed += other.failed;
        self.dead += other.dead;
        self.sent += other.sent;
        self.received += other.received;
        self.verified += other.verified;
        self.mismatched += other.mismatched;
        self.unrelated += other.unrelated;
        self.messages_sent += other.messages_sent;
        self.messages_received += other.messages_received;
        self.probes_answered += other.probes_answered;
        self.probes_ignored += other.probes_ignored;
        self.probes_sent += other.probes_sent;
        self.probes_acknowledged += other.probes_acknowledged;
        self.stalled += other.stalled;
        self.returned += other.returned;
        self.moves += other.moves;
        self.child_rekeys += other.child_rekeys;
        self.ike_rekeys += other.ike_rekeys;
    }
}

/// What the simulated network did to datagrams.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct NetworkCounts {
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) corrupted: u64,
    /// Lost because too many were under way.
    pub(crate) overflowed: u64,
}

/// Everything that a worker counts.
pub(crate) struct Stats {
    pub(crate) counts: Counts,
    pub(crate) network: NetworkCounts,
    /// Peers established, by class.
    pub(crate) established: Vec<u32>,
    /// Microseconds from the due return of a peer that had died to its Child SA.
    pub(crate) return_us: Histogram<u64>,
    /// Microseconds from due start to the first Child SA.
    pub(crate) setup_us: Histogram<u64>,
    /// The same for those that were due during the flood, but not in its first second, and for those that were due before or after it.
    pub(crate) flood_setup_us: Histogram<u64>,
    pub(crate) quiet_setup_us: Histogram<u64>,
    /// Forged first messages sent.
    pub(crate) flood_sent: u64,
    /// Microseconds from sending to the verified echo.
    pub(crate) echo_us: Histogram<u64>,
    /// Microseconds from due start, or return, to the first verified echo.
    pub(crate) first_packet_us: Histogram<u64>,
    /// Microseconds from the request for a rekey to the new SA.
    pub(crate) rekey_us: Histogram<u64>,
    pub(crate) during_rekey: Passage,
    pub(crate) during_failover: Passage,
    pub(crate) failures: BTreeMap<&'static str, u32>,
    pub(crate) losses: BTreeMap<&'static str, u32>,
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    pub(crate) drops: BTreeMap<&'static str, u64>,
    /// Nanoseconds of the run at which the last peer was established.
    pub(crate) last_setup_ns: u64,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            counts: Counts::default(),
            network: NetworkCounts::default(),
            established: Vec::new(),
            return_us: histogram(),
            setup_us: histogram(),
            flood_setup_us: histogram(),
            quiet_setup_us: histogram(),
            flood_sent: 0,
            echo_us: histogram(),
            first_packet_us: histogram(),
            rekey_us: histogram(),
            during_rekey: Passage::default(),
            during_failover: Passage::default(),
            failures: BTreeMap::new(),
            losses: BTreeMap::new(),
            rejected: BTreeMap::new(),
            drops: BTreeMap::new(),
            last_setup_ns: 0,
        }
    }

    /// A peer of a class is up for the first time.
    pub(crate) fn established(&mut self, class: u8) {
        *self.established_in(class) += 1;
    }

    fn established_in(&mut self, class: u8) -> &mut u32 {
        let class = usize::from(class);
        if self.established.len() <= class {
            self.established.resize(class + 1, 0);
        }
        &mut self.established[class]
    }

    /// Adds what another worker counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.network.lost += other.network.lost;
        self.network.duplicated += other.network.duplicated;
        self.network.corrupted += other.network.corrupted;
        self.network.overflowed += other.network.overflowed;
        for (class, count) in (0_u8..).zip(&other.established) {
            *self.established_in(class) += count;
        }
        add(&mut self.return_us, &other.return_us);
        add(&mut self.setup_us, &other.setup_us);
        add(&mut self.flood_setup_us, &other.flood_setup_us);
        add(&mut self.quiet_setup_us, &other.quiet_setup_us);
        self.flood_sent += other.flood_sent;
        add(&mut self.echo_us, &other.echo_us);
        add(&mut self.first_packet_us, &other.first_packet_us);
        add(&mut self.rekey_us, &other.rekey_us);
        self.during_rekey.add(other.during_rekey);
        self.during_failover.add(other.during_failover);
        add_all(&mut self.failures, &other.failures);
        add_all(&mut self.losses, &other.losses);
        add_all(&mut self.rejected, &other.rejected);
        add_all(&mut self.drops, &other.drops);
        self.last_setup_ns = self.last_setup_ns.max(other.last_setup_ns);
    }
}

fn add_all<N: Copy + Default + core::ops::AddAssign>(
    to: &mut BTreeMap<&'static str, N>,
    from: &BTreeMap<&'static str, N>,
) {
    for (label, count) in from {
        *to.entry(label).or_default() += *count;
    }
}

/// From a microsecond to ten minutes, in three digits; larger values count as the largest.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("sound bounds")
}

fn add(to: &mut Histogram<u64>, from: &Histogram<u64>) {
    to.add(from).expect("the bounds are the same");
}

/// Sums a histogram up, its values divided by `divisor`.
pub(crate) fn percentiles(histogram: &Histogram<u64>, divisor: f64) -> Percentiles {
    if histogram.is_empty() {
        return Percentiles::default();
    }
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / divisor;
    let curve = histogram.iter_quantiles(4);
    let total = histogram.len() as f64;
    let mut below = 0;
    let curve = curve.map(|step| {
        below += step.count_since_last_iteration();
        (
            step.value_iterated_to() as f64 / divisor,
            below as f64 / total,
        )
    });
    Percentiles {
        count: histogram.len(),
        mean: histogram.mean() / divisor,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: histogram.max() as f64 / divisor,
        curve: curve.collect(),
    }
}

/// Where a worker leaves its counts for whoever shows them.
#[derive(Default)]
pub(crate) struct Board(Mutex<Counts>);

impl Board {
    pub(crate) fn publish(&self, counts: &Counts) {
        if let Ok(mut board) = self.0.lock() {
            *board = *counts;
        }
    }

    pub(crate) fn read(&self) -> Counts {
        self.0.lock().map(|board| *board).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut histogram = histogram();
        for value in 1..=1_000 {
            histogram.record(value * 1_000).unwrap();
        }
        let summary = percentiles(&histogram, 1_000.0);
        assert_eq!(summary.count, 1_000);
        for (value, expected) in [
            (summary.p50, 500.0),
            (summary.p90, 900.0),
            (summary.p99, 990.0),
            (summary.max, 1_000.0),
            (summary.mean, 500.5),
        ] {
            assert!(
                (value - expected).abs() < expected / 500.0,
                "{value} {expected}"
            );
        }
        assert!(summary.curve.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert_eq!(summary.curve.last().map(|point| point.1), Some(1.0));
        assert_eq!(percentiles(&self::histogram(), 1.0), Percentiles::default());
    }
}
