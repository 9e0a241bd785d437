use hdrhistogram::Histogram as Recorded;

/// A distribution folded into fixed buckets. Distributions with the same bounds add up.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    pub(crate) bounds: &'static [u64],
    /// Not cumulative; one more than there are bounds, the last for everything beyond.
    counts: Vec<u64>,
    /// In recorded units.
    sum: f64,
    pub(crate) recorded_per_exposed: f64,
}

impl Buckets {
    pub(crate) fn new(bounds: &'static [u64], recorded_per_exposed: f64) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len().saturating_add(1)],
            sum: 0.0,
            recorded_per_exposed,
        }
    }

    /// Folds a shard's histogram in. A recorded value counts as the largest value equivalent to it
    /// at the histogram's precision, so that a bucket never claims more than was seen below its
    /// bound.
    pub(crate) fn add(&mut self, recorded: &Recorded<u64>) {
        for value in recorded.iter_recorded() {
            let highest = value.value_iterated_to();
            let count = value.count_since_last_iteration();
            let slot = self.bounds.partition_point(|bound| *bound < highest);
            if let Some(total) = self.counts.get_mut(slot) {
                *total = total.saturating_add(count);
            }
            self.sum += recorded.median_equivalent(highest) as f64 * count as f64;
        }
    }

    /// Pairs of upper bound in exposed units (`None` for infinity) and the number of values not
    /// above it.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
        let mut running = 0_u64;
        self.counts.iter().enumerate().map(move |(slot, count)| {
            running = running.saturating_add(*count);
            let bound = self.bounds.get(slot);
            (
                bound.map(|bound| *bound as f64 / self.recorded_per_exposed),
                running,
            )
        })
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// In exposed units.
    pub(crate) fn sum(&self) -> f64 {
        self.sum / self.recorded_per_exposed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(values: &[u64]) -> Recorded<u64> {
        let mut histogram = Recorded::new_with_bounds(1, 60_000_000, 3).expect("bounds are sound");
        for value in values {
            histogram.record(*value).expect("within bounds");
        }
        histogram
    }

    #[test]
    fn values_fall_under_their_bounds_and_shards_add_up() {
        let mut buckets = Buckets::new(&[10, 100, 1_000], 1_000.0);
        buckets.add(&recorded(&[5, 10, 11, 100, 5_000]));
        buckets.add(&recorded(&[7]));
        let seen: Vec<_> = buckets.cumulative().collect();
        assert_eq!(
            seen,
            [(Some(0.01), 3), (Some(0.1), 5), (Some(1.0), 5), (None, 6)]
        );
        assert_eq!(buckets.count(), 6);
        assert!((buckets.sum() - 5.133).abs() < 0.01, "{}", buckets.sum());
    }
}
