use core::time::Duration;
use std::time::{Instant as SystemInstant, SystemTime};

use crypto::UnixTime;
use timer::Instant;

/// What the wall clock shows: what certificates are judged by follows whoever sets it.
pub(crate) fn wall() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime(since.unwrap_or_default().as_secs())
}

/// The one clock of the process: monotonic, from the moment it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: SystemInstant,
    started: SystemTime,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: SystemInstant::now(),
            started: SystemTime::now(),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// What the wall clock showed, or would have shown without being set, at `at`: nanoseconds
    /// since 1970.
    #[must_use]
    pub fn unix_nanos(&self, at: Instant) -> u64 {
        let since_start = at - Instant::ZERO;
        let wall = self.started + since_start;
        wall.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_nanos()
            .try_into()
            .unwrap_or(u64::MAX)
    }
}
