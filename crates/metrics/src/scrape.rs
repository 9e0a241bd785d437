use std::collections::BTreeMap;

use hdrhistogram::Histogram as Recorded;

use crate::buckets::Buckets;
use crate::definition::{Counter, Description, Gauge, Histogram};

/// The most series that one scrape may hold. Labels come from closed lists, so that this is a guard
/// against our own mistakes; what does not fit is counted and left out.
pub const SERIES_MAX: usize = 2_000;

pub(crate) type LabelValues = Box<[Box<str>]>;

pub(crate) enum Value {
    Number(f64),
    Distribution(Buckets),
}

pub(crate) struct Family {
    pub(crate) description: Description,
    pub(crate) samples: BTreeMap<LabelValues, Value>,
}

/// The values of one moment, merged over everybody who reports.
#[derive(Default)]
pub struct Scrape {
    families: BTreeMap<&'static str, Family>,
    series: usize,
    left_out: u64,
}

impl Scrape {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to a counter. Zero is worth reporting: a series that exists before its first event can
    /// be alerted on.
    pub fn count<const N: usize>(&mut self, counter: &Counter<N>, labels: [&str; N], by: u64) {
        self.add(counter.0, labels, by as f64);
    }

    /// Adds to a counter of something that comes in fractions, such as seconds of processor time.
    pub fn count_fraction<const N: usize>(
        &mut self,
        counter: &Counter<N>,
        labels: [&str; N],
        by: f64,
    ) {
        self.add(counter.0, labels, by);
    }

    /// Adds to a gauge: the parts that shards hold make up the whole.
    pub fn gauge<const N: usize>(&mut self, gauge: &Gauge<N>, labels: [&str; N], part: f64) {
        self.add(gauge.0, labels, part);
    }

    /// Folds a recorded distribution in.
    pub fn distribution<const N: usize>(
        &mut self,
        histogram: &Histogram<N>,
        labels: [&str; N],
        recorded: &Recorded<u64>,
    ) {
        let series = histogram.bounds.len().saturating_add(3);
        let empty = || {
            Value::Distribution(Buckets::new(
                histogram.bounds,
                histogram.recorded_per_exposed,
            ))
        };
        if let Some(Value::Distribution(buckets)) =
            self.sample(histogram.description, &labels, series, empty)
        {
            buckets.add(recorded);
        }
    }

    /// How many series a rendering will hold.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series
    }

    /// How many samples found no room under [`SERIES_MAX`].
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(crate) fn families(&self) -> impl Iterator<Item = &Family> {
        self.families.values()
    }

    fn add<const N: usize>(&mut self, description: Description, labels: [&str; N], by: f64) {
        let sample = self.sample(description, &labels, 1, || Value::Number(0.0));
        if let Some(Value::Number(number)) = sample {
            *number += by;
        }
    }

    fn sample(
        &mut self,
        description: Description,
        labels: &[&str],
        series: usize,
        empty: impl FnOnce() -> Value,
    ) -> Option<&mut Value> {
        let labels: LabelValues = labels.iter().map(|value| Box::from(*value)).collect();
        let family = self
            .families
            .entry(description.name)
            .or_insert_with(|| Family {
                description,
                samples: BTreeMap::new(),
            });
        if !family.samples.contains_key(&labels) {
            let total = self.series.saturating_add(series);
            if total > SERIES_MAX {
                self.left_out = self.left_out.saturating_add(1);
                return None;
            }
            self.series = total;
        }
        Some(family.samples.entry(labels).or_insert_with(empty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, catalogue};

    #[test]
    fn shards_add_up() {
        let mut scrape = Scrape::new();
        for _ in 0..3 {
            scrape.count(&catalogue::ESP_PACKETS, ["inbound"], 7);
            scrape.gauge(&catalogue::IKE_SAS, ["established"], 10.0);
        }
        let text = scrape.render(Format::Prometheus);
        assert!(
            text.contains("palisade_esp_packets_total{direction=\"inbound\"} 21\n"),
            "{text}"
        );
        assert!(
            text.contains("palisade_ike_sas{state=\"established\"} 30\n"),
            "{text}"
        );
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let mut scrape = Scrape::new();
        for number in 0..SERIES_MAX + 5 {
            scrape.count(&catalogue::SHARD_MAILBOX_DROPS, [&number.to_string()], 1);
        }
        scrape.count(&catalogue::SHARD_MAILBOX_DROPS, ["0"], 1);
        assert_eq!(scrape.series(), SERIES_MAX);
        assert_eq!(scrape.left_out(), 5);
        let lines = scrape.render(Format::Prometheus);
        let samples = lines.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(samples, SERIES_MAX);
    }
}
