//! Every two seconds: a sample for the history, and a word to the service manager.

use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use control::Headend as _;
use control::view::{Sample, Status};
use hdrhistogram::Histogram;
use runtime::ShardReport;

use super::headend::Front;
use super::{manager, system};

/// How often. The finest samples of the history are of this length.
const EVERY: Duration = Duration::from_secs(2);

/// The thread that takes samples.
pub(super) struct Meter {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Meter {
    pub(super) fn start(front: &Arc<Front>) -> Result<Self> {
        let (stop, stopped) = channel();
        let front = Arc::clone(front);
        let spawned = std::thread::Builder::new()
            .name("meter".to_owned())
            .spawn(move || run(&front, &stopped));
        Ok(Self {
            stop,
            thread: spawned.context("cannot start the thread of samples")?,
        })
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        // A panic there has been reported by the panic hook.
        let _ = self.thread.join();
    }
}

fn run(front: &Front, stopped: &Receiver<()>) {
    let mut before = Look::at(front);
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        if front.readiness().ready {
            manager::alive();
        }
        let now = Look::at(front);
        if let (Some(before), Some(now)) = (&before, &now) {
            let sample = now.since(before);
            manager::tell(&in_words(&sample));
            front.remember(sample);
        }
        // Workers that were too busy to answer have their say in the next sample.
        before = now.or(before);
    }
}

/// What `systemctl status` shows.
fn in_words(sample: &Sample) -> String {
    format!(
        "{} peers, {} half-open, {:.0} set-ups/s, {:.0} probes/s",
        sample.established,
        sample.half_open,
        sample.per_second(sample.setups),
        sample.per_second(sample.probes),
    )
}

/// The service at one moment.
struct Look {
    unix_ns: u64,
    status: Status,
    suspicions: u64,
    lateness_us: Option<Histogram<u64>>,
}

impl Look {
    fn at(front: &Front) -> Option<Self> {
        let reports = front.service.reports().ok()?;
        Some(Self {
            unix_ns: system::unix_nanos(),
            status: front.status_of(&reports),
            suspicions: (reports.iter())
                .map(|report| report.counters.dpd.suspicions)
                .sum(),
            lateness_us: lateness(&reports),
        })
    }

    fn since(&self, before: &Self) -> Sample {
        let late = self.lateness_us.as_ref().and_then(|now| {
            let mut grown = now.clone();
            if let Some(before) = &before.lateness_us {
                // Both are of the same bounds, and counts only grow.
                grown.subtract(before).ok()?;
            }
            (!grown.is_empty()).then_some(grown)
        });
        let millis = |micros: u64| micros as f64 / 1e3;
        Sample {
            suspicions: self.suspicions.saturating_sub(before.suspicions),
            lateness_p99_ms: late.as_ref().map(|it| millis(it.value_at_quantile(0.99))),
            lateness_max_ms: late.as_ref().map(|it| millis(it.max())),
            ..Sample::between(&before.status, &self.status, self.unix_ns)
        }
    }
}

/// Lateness of the liveness timers of all workers, in microseconds.
fn lateness(reports: &[ShardReport]) -> Option<Histogram<u64>> {
    let (first, others) = reports.split_first()?;
    let mut all = first.counters.dpd_lateness_us.clone();
    for report in others {
        // All of them are of the same bounds.
        all.add(&report.counters.dpd_lateness_us).ok()?;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(latenesses: &[u64]) -> Look {
        let mut lateness = Histogram::new_with_bounds(1, 60_000_000, 2).expect("sound bounds");
        for micros in latenesses {
            lateness.record(*micros).expect("within bounds");
        }
        Look {
            unix_ns: 0,
            status: Status::default(),
            suspicions: 0,
            lateness_us: Some(lateness),
        }
    }

    #[test]
    fn lateness_is_that_of_the_interval() {
        let before = look(&[900_000]);
        let sample = look(&[900_000, 2_000, 4_000]).since(&before);
        assert_eq!(sample.lateness_max_ms.map(f64::round), Some(4.0));
        assert_eq!(look(&[900_000]).since(&before).lateness_max_ms, None);
    }
}
