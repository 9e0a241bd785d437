//! What the status page and `palisade top` draw of a history: the same facts in the same words.

use crate::view::Sample;

/// Lines over the same time.
#[derive(Clone, PartialEq, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: &'static str,
    /// In what it is counted; empty if the title says it.
    pub unit: &'static str,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One line: a value for each sample, where there is one.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// What it shows; empty if the chart says it.
    pub name: &'static str,
    /// The values, one a sample.
    pub values: Vec<Option<f64>>,
}

impl Line {
    fn new(name: &'static str, samples: &[Sample], of: impl Fn(&Sample) -> Option<f64>) -> Self {
        Self {
            name,
            values: samples.iter().map(of).collect(),
        }
    }

    fn rate(name: &'static str, samples: &[Sample], of: impl Fn(&Sample) -> u64) -> Self {
        Self::new(name, samples, |sample| Some(sample.per_second(of(sample))))
    }

    /// The newest value.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.values.last().copied().flatten()
    }
}

/// The charts of a history whose oldest sample comes first.
#[must_use]
pub fn charts(samples: &[Sample]) -> Vec<Chart> {
    let chart = |title, unit, lines| Chart { title, unit, lines };
    let bits = |bytes: u64| bytes.saturating_mul(8);
    let mega = |line: Line| Line {
        values: line
            .values
            .iter()
            .map(|value| value.map(|it| it / 1e6))
            .collect(),
        ..line
    };
    vec![
        chart(
            "Peers",
            "",
            vec![
                Line::new("established", samples, |it| Some(it.established as f64)),
                Line::new("half-open", samples, |it| Some(it.half_open as f64)),
            ],
        ),
        chart(
            "Set-ups",
            "per second",
            vec![
                Line::rate("established", samples, |it| it.setups),
                Line::rate("failed", samples, |it| it.setup_failures),
            ],
        ),
        chart(
            "Verdicts",
            "per second",
            vec![
                Line::rate("dead", samples, |it| it.dead),
                Line::rate("suspect", samples, |it| it.suspicions),
            ],
        ),
        chart(
            "Probes",
            "per second",
            vec![Line::rate("", samples, |it| it.probes)],
        ),
        chart(
            "Cost of a probe, everything else included",
            "µs",
            vec![Line::new("", samples, Sample::cpu_us_per_probe)],
        ),
        chart(
            "Lateness of DPD timers",
            "ms",
            vec![
                Line::new("99th percentile", samples, |it| it.lateness_p99_ms),
                Line::new("latest", samples, |it| it.lateness_max_ms),
            ],
        ),
        chart(
            "Traffic",
            "Mbit/s",
            vec![
                mega(Line::rate("in", samples, |it| bits(it.esp_bytes_in))),
                mega(Line::rate("out", samples, |it| bits(it.esp_bytes_out))),
            ],
        ),
        chart(
            "Processors in use",
            "processors",
            vec![Line::new("", samples, |it| Some(it.processors()))],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_by_the_second_and_gaps_stay_gaps() {
        let sample = Sample {
            seconds: 2.0,
            setups: 10,
            esp_bytes_in: 1_000_000,
            cpu_s: 0.5,
            ..Sample::default()
        };
        let charts = charts(&[sample]);
        let last = |title: &str| {
            let chart = charts.iter().find(|chart| chart.title.starts_with(title));
            chart.and_then(|chart| chart.lines.first()?.last())
        };
        assert_eq!(last("Set-ups"), Some(5.0));
        assert_eq!(last("Traffic"), Some(4.0));
        assert_eq!(last("Cost"), None);
        assert_eq!(last("Processors"), Some(0.25));
    }
}
