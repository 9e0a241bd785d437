use crate::ask::show::civil_time;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A time as it stands before each line: `*Mar 25 15:47:37.343: `.
pub(super) fn timestamp(unix_ns: u64) -> String {
    let time = civil_time(unix_ns);
    let month = usize::try_from(time.month.saturating_sub(1))
        .ok()
        .and_then(|month| MONTHS.get(month))
        .unwrap_or(&"???");
    format!(
        "*{month} {:>2} {:02}:{:02}:{:02}.{:03}: ",
        time.day, time.hour, time.minute, time.second, time.millisecond
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_as_in_a_router() {
        assert_eq!(
            timestamp(1_711_381_657_343_000_000),
            "*Mar 25 15:47:37.343: "
        );
        assert_eq!(timestamp(1_000_000), "*Jan  1 00:00:00.001: ");
    }
}
