//! What the operating system says about this process.

/// Octets of resident memory; 0 if the system does not tell.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = statm
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| {
            rest.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
    kibibytes.unwrap_or(0) * 1_024
}
