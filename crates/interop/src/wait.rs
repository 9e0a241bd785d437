//! Waiting for something to become true.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` until it gives a value.
///
/// # Errors
/// When `limit` has passed; the message names `what` was awaited.
pub fn until_some<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return Ok(value);
        }
        if start.elapsed() > limit {
            bail!("{what}: not within {limit:?}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks `probe` until it says yes, and tells how long that took.
///
/// # Errors
/// As [`until_some`].
pub fn until(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) -> Result<Duration> {
    let start = Instant::now();
    until_some(what, limit, || probe().then_some(()))?;
    Ok(start.elapsed())
}
