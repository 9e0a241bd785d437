//! What the kernel tells about this process.

use std::time::{Duration, SystemTime};

/// Resident memory in octets; 0 if the kernel does not tell.
pub(super) fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kilobytes.unwrap_or(0).saturating_mul(1_024)
}

/// Open file descriptors; 0 if the kernel does not tell.
pub(super) fn open_files() -> usize {
    // The descriptor by which the directory is read is not counted.
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1))
}

/// Nanoseconds since 1970.
pub(super) fn unix_nanos() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells() {
        assert!(resident_bytes() > 100_000);
        assert!(open_files() >= 3);
    }
}
