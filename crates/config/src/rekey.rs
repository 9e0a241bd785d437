//! Lifetimes of IKE SAs and Child SAs.

use core::time::Duration;

use ipsec::RekeyPolicy;

use crate::table::{Fault, Table};
use crate::value::{duration, number, percent, show_duration, size};

/// Share of the soft lifetime by which the hard lifetime exceeds it unless configured.
const OVER_PERCENT: u32 = 10;
/// Share of a soft limit that may be taken off unless configured.
const JITTER_PERCENT: u8 = 10;

/// `rekey_time`, `over_time`, `rand_time` and `jitter` of a connection.
pub(crate) fn of_connection(table: &Table<'_, '_>) -> RekeyPolicy {
    let time = optional(
        table
            .read("rekey_time", duration)
            .unwrap_or(Duration::from_secs(4 * 3_600)),
    );
    let over = table.read("over_time", duration);
    let hard_time = time.map(|time| time.saturating_add(over.unwrap_or(time / 100 * OVER_PERCENT)));
    RekeyPolicy {
        time,
        bytes: None,
        packets: None,
        hard_time,
        jitter_percent: jitter(table, time),
    }
}

/// `rekey_time`, `life_time`, `rekey_bytes`, `rekey_packets`, `rand_time` and `jitter` of a child.
pub(crate) fn of_child(table: &Table<'_, '_>) -> RekeyPolicy {
    let time = optional(
        table
            .read("rekey_time", duration)
            .unwrap_or(Duration::from_secs(3_600)),
    );
    let life_time = table.read("life_time", duration).and_then(optional);
    if let (Some(time), Some(life)) = (time, life_time)
        && life <= time
        && let Some(value) = table.value("life_time")
    {
        let fault = Fault::new(format!(
            "the hard lifetime of {} is not longer than the rekey time of {}",
            show_duration(life),
            show_duration(time)
        ));
        let least = show_duration(time.saturating_add(time / 100 * OVER_PERCENT));
        table.report.fault(
            &value.span(),
            fault.instead(format!("write \"{least}\" or more")),
        );
    }
    let hard_time =
        life_time.or_else(|| time.map(|time| time.saturating_add(time / 100 * OVER_PERCENT)));
    RekeyPolicy {
        time,
        bytes: table.read("rekey_bytes", size).filter(|bytes| *bytes > 0),
        packets: table
            .read("rekey_packets", |value| {
                number(value, 0, u64::from(u32::MAX))
            })
            .filter(|packets| *packets > 0),
        hard_time,
        jitter_percent: jitter(table, time),
    }
}

/// As in swanctl.conf, zero switches a lifetime off.
pub(crate) fn optional(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time)
}

fn jitter(table: &Table<'_, '_>, time: Option<Duration>) -> u8 {
    let percent = table.read("jitter", percent);
    let Some((span, _)) = table.entry("rand_time") else {
        return percent.unwrap_or(JITTER_PERCENT);
    };
    if percent.is_some() {
        let fault = Fault::new("`rand_time` and `jitter` say the same thing");
        table.report.fault(&span, fault.instead("keep one of them"));
    }
    let Some(random) = table.read("rand_time", duration) else {
        return JITTER_PERCENT;
    };
    let Some(time) = time else { return 0 };
    if random > time {
        let fault = Fault::new(format!(
            "`rand_time` exceeds the rekey time of {}",
            show_duration(time)
        ));
        table.report.fault(
            &span,
            fault.instead("write a shorter time, or `jitter` in percent"),
        );
        return JITTER_PERCENT;
    }
    let percent = random.as_millis() * 100 / time.as_millis().max(1);
    u8::try_from(percent).unwrap_or(100)
}
