//! What the kernel says of another process.

use std::time::Duration;

use anyhow::{Context, Result};

/// Kernel ticks per second in `/proc` (`USER_HZ`, 100 on every Linux that this runs on).
const TICKS_PER_SECOND: u64 = 100;

/// Resident memory in octets.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/statm");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let pages = text.split_whitespace().nth(1).context("statm is short")?;
    Ok(pages.parse::<u64>()? * rustix::param::page_size() as u64)
}

/// Processor time so far, user and system, of all threads; in steps of ten milliseconds.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name in parentheses may hold anything.
    let (_, rest) = text.rsplit_once(')').context("stat is short")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || -> Result<u64> {
        let field = fields.next().context("stat is short")?;
        Ok(field.parse()?)
    };
    let total = ticks()? + ticks()?;
    Ok(Duration::from_millis(total * 1_000 / TICKS_PER_SECOND))
}
