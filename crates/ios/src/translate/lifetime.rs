//! Lifetimes. IOS counts to the end of an SA, Palisade to its rekeying and to its end.

use crate::document::Table;
use crate::line::LineId;
use crate::model::Lifetime;

/// Seconds that a Child SA lives where nothing is said.
const DEFAULT_SECONDS: u32 = 3_600;

/// A part of the lifetime stays for rekeying.
fn soft(seconds: u32) -> u32 {
    seconds.saturating_sub((seconds / 10).max(1)).max(1)
}

/// Seconds as a duration.
fn duration(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds % 3_600 / 60, seconds % 60);
    let mut text = String::from("\"");
    for (count, unit) in [(hours, 'h'), (minutes, 'm'), (rest, 's')] {
        if count > 0 {
            text.push_str(&count.to_string());
            text.push(unit);
        }
    }
    text.push('"');
    text
}

/// `rekey_time` and `over_time` of a connection: together the lifetime.
pub(super) fn of_connection(table: &mut Table, seconds: u32, lines: &[LineId]) {
    let rekey = soft(seconds);
    table.set("rekey_time", duration(rekey), lines);
    table.set(
        "over_time",
        duration(seconds.saturating_sub(rekey).max(1)),
        lines,
    );
}

/// `rekey_time`, `life_time` and `rekey_bytes` of a child: what its crypto map says goes before what
/// holds for all.
pub(super) fn of_child(table: &mut Table, own: &Lifetime, global: &Lifetime) {
    let at = own.seconds.or(global.seconds);
    let seconds = at.map_or(DEFAULT_SECONDS, |at| at.value);
    let lines: Vec<LineId> = at.iter().map(|at| at.line).collect();
    table.set("rekey_time", duration(soft(seconds)), &lines);
    table.set("life_time", duration(seconds), &lines);
    if let Some(at) = own.kilobytes.or(global.kilobytes) {
        let value = at
            .value
            .map_or("0".to_owned(), |kilobytes| format!("\"{kilobytes}k\""));
        table.set("rekey_bytes", value, &[at.line]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_lifetime_is_the_shorter() {
        for seconds in [1_u32, 2, 60, 120, 3_600, 86_400, u32::MAX] {
            assert!(soft(seconds) < seconds || seconds == 1, "{seconds}");
        }
        assert_eq!(duration(86_400), "\"24h\"");
        assert_eq!(duration(soft(86_400)), "\"21h36m\"");
        assert_eq!(duration(119), "\"1m59s\"");
    }
}
