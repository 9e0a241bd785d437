//! How things look on a terminal.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// Whether both VRFs are the global ones: then nobody needs to be told.
pub(super) fn is_global(fvrf: &str, ivrf: &str) -> bool {
    fvrf == ipsec::GLOBAL_VRF && ivrf == ipsec::GLOBAL_VRF
}

/// A table without lines: columns are as wide as they need to be.
pub(super) fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if !headers.is_empty() {
        table.set_header(headers.iter().map(|header| header.to_uppercase()));
    }
    table
}

/// A cell that is aligned to the right.
pub(super) fn number(value: impl ToString) -> Cell {
    Cell::new(value.to_string()).set_alignment(CellAlignment::Right)
}

/// Prints a table without trailing blanks.
pub(super) fn print(table: &Table) -> Result<()> {
    let text: String = table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    write(&text)
}

/// Prints JSON.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    write(&text)
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no error.
pub(super) fn write(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}

/// Whether standard output is read by a program.
pub(super) fn is_piped() -> bool {
    !std::io::stdout().is_terminal()
}

/// `3h 12m`, two units at most.
pub(crate) fn seconds(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.1}s");
    }
    let whole = value as u64;
    match (
        whole / 86_400,
        whole % 86_400 / 3_600,
        whole % 3_600 / 60,
        whole % 60,
    ) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, ..) => format!("{days}d {hours}h"),
    }
}

/// The same, or a dash.
pub(super) fn maybe_seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), seconds)
}

/// A moment of the wall clock in UTC: `2026-01-31 12:00:00.123`.
pub(crate) fn moment(unix_ns: u64) -> String {
    let CivilTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
        millisecond,
    } = civil_time(unix_ns);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millisecond:03}")
}

/// A moment of the wall clock in UTC, by the Gregorian calendar.
pub(crate) struct CivilTime {
    pub(crate) year: u64,
    /// From 1.
    pub(crate) month: u64,
    /// From 1.
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
    pub(crate) millisecond: u64,
}

pub(crate) fn civil_time(unix_ns: u64) -> CivilTime {
    let (days, rest) = (unix_ns / 86_400_000_000_000, unix_ns % 86_400_000_000_000);
    let (year, month, day) = civil(days);
    let millis = rest / 1_000_000;
    CivilTime {
        year,
        month,
        day,
        hour: millis / 3_600_000,
        minute: millis / 60_000 % 60,
        second: millis / 1_000 % 60,
        millisecond: millis % 1_000,
    }
}

/// Days since 1970 as year, month and day of the Gregorian calendar: months are counted from March, so
/// that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00:00.000");
        // 29 February of a leap year, and the day after; 1 March 2100, which has none.
        assert_eq!(moment(1_709_164_800_000_000_000), "2024-02-29 00:00:00.000");
        assert_eq!(moment(1_709_251_199_999_000_000), "2024-02-29 23:59:59.999");
        assert_eq!(moment(4_107_542_400_000_000_000), "2100-03-01 00:00:00.000");
    }

    #[test]
    fn amounts_are_readable() {
        assert_eq!(seconds(0.25), "0.2s");
        assert_eq!(seconds(75.0), "1m 15s");
        assert_eq!(seconds(90_061.0), "1d 1h");
        assert_eq!(maybe_seconds(None), "–");
    }
}
