//! Durations as IOS writes them.

/// `09:03:41`, beyond a day `1d02h`, beyond a week `7w0d`.
pub(super) fn short(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match (whole / 604_800, whole / 86_400, whole / 3_600) {
        (0, 0, _) => clock(seconds),
        (0, days, hours) => format!("{days}d{:02}h", hours % 24),
        (weeks, days, _) => format!("{weeks}w{}d", days % 7),
    }
}

/// `33:03:41`: hours may be more than a day's.
pub(super) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    format!(
        "{:02}:{:02}:{:02}",
        whole / 3_600,
        whole / 60 % 60,
        whole % 60
    )
}

/// Whole seconds; 0 for no limit.
pub(super) fn seconds(value: Option<f64>) -> u64 {
    value.unwrap_or(0.0).max(0.0) as u64
}
