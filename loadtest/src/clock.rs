use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crypto::UnixTime;
use timer::Instant;

/// What certificates are judged by.
pub(crate) fn wall() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime(since_1970.unwrap_or_default().as_secs())
}

/// The one place that reads clocks. The epoch of [`Instant`] is the start of the run.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    start: std::time::Instant,
    start_unix_ns: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self {
            start: std::time::Instant::now(),
            start_unix_ns: nanos(since_1970),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(nanos(self.start.elapsed()))
    }

    /// The wall clock at an instant of the run.
    pub(crate) fn unix_ns(&self, at: Instant) -> u64 {
        self.start_unix_ns.saturating_add(at.as_nanos())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
