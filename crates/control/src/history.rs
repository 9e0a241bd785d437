//! What the service did lately, in two resolutions: all of it together has some 600 samples.

use std::collections::VecDeque;

use crate::view::{Sample, Span};

/// Samples of two seconds.
const MINUTES: usize = 300;
/// Samples of five minutes.
const DAY: usize = 288;
/// Seconds of a sample of the day.
const DAY_SAMPLE_S: f64 = 300.0;

/// The samples of the last ten minutes, and those of the last day, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    minutes: VecDeque<Sample>,
    day: VecDeque<Sample>,
    /// What the next sample of the day has so far.
    growing: Option<Sample>,
}

impl History {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the sample of the interval that has just ended.
    pub fn push(&mut self, sample: Sample) {
        match &mut self.growing {
            Some(growing) => growing.absorb(&sample),
            None => self.growing = Some(sample.clone()),
        }
        if let Some(grown) = self.growing.take_if(|it| it.seconds >= DAY_SAMPLE_S) {
            keep(&mut self.day, grown, DAY);
        }
        keep(&mut self.minutes, sample, MINUTES);
    }

    /// The samples of a span, the oldest first. The last one of the day may cover less than the others.
    #[must_use]
    pub fn read(&self, span: Span) -> Vec<Sample> {
        match span {
            Span::Minutes => self.minutes.iter().cloned().collect(),
            Span::Day => self.day.iter().chain(&self.growing).cloned().collect(),
        }
    }
}

fn keep(samples: &mut VecDeque<Sample>, sample: Sample, most: usize) {
    if samples.len() >= most {
        samples.pop_front();
    }
    samples.push_back(sample);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_seconds(number: u64) -> Sample {
        Sample {
            unix_ns: number * 2_000_000_000,
            seconds: 2.0,
            established: number,
            setups: 1,
            lateness_max_ms: (number == 7).then_some(9.0),
            ..Sample::default()
        }
    }

    #[test]
    fn ten_minutes_are_kept_in_full() {
        let mut history = History::new();
        for number in 1..=1_000 {
            history.push(two_seconds(number));
        }
        let minutes = history.read(Span::Minutes);
        assert_eq!(minutes.len(), 300);
        assert_eq!(minutes.last().map(|sample| sample.established), Some(1_000));
    }

    #[test]
    fn a_day_is_kept_in_samples_of_five_minutes() {
        let mut history = History::new();
        for number in 1..=2 * 43_200 + 30 {
            history.push(two_seconds(number));
        }
        let day = history.read(Span::Day);
        assert_eq!(day.len(), 289);
        let (last, whole) = day.split_last().expect("some");
        assert!(
            whole
                .iter()
                .all(|sample| sample.setups == 150 && sample.seconds == 300.0)
        );
        assert_eq!((last.setups, last.seconds), (30, 60.0));
        assert_eq!(last.established, 2 * 43_200 + 30);
    }

    #[test]
    fn a_coarse_sample_keeps_the_worst() {
        let mut history = History::new();
        for number in 1..=150 {
            history.push(two_seconds(number));
        }
        let day = history.read(Span::Day);
        assert_eq!(day.len(), 1);
        assert_eq!(day[0].lateness_max_ms, Some(9.0));
    }
}
