//! The words and layouts of Cisco IOS, which many eyes and scripts know. Nothing else in the
//! program knows them.
//!
//! Times are UTC. Message IDs are shown as signed numbers, as IOS does.

mod clock;
mod ikev2;
mod ipsec;
mod isakmp;
mod session;
pub(crate) mod show;
mod stage;
#[cfg(test)]
mod tests;

use clock::timestamp;
pub(crate) use session::{deleting, not_responding, session_line};
use session::{deleting_sa, session_status};

use control::trace::{Step, Topic, TraceRecord};

/// The lines of `debug crypto …` for one record, none where IOS has no word for it. The first line of
/// each begins with a time; what follows a line break belongs to the same line.
pub(crate) fn lines(record: &TraceRecord, topic: Topic) -> Vec<String> {
    let lines = match (&record.step, topic, record.version) {
        (Step::Missed { count }, ..) => vec![format!(
            "%SYS-3-LOGGER_DROPPED: {count} records were dropped because they were not read in time"
        )],
        (Step::SessionUp, ..) => vec![session_status(true, record)],
        (Step::SessionDown, ..) => vec![session_status(false, record)],
        (_, Topic::Ipsec, _) => ipsec::lines(record),
        (_, _, 2) => ikev2::lines(record),
        _ => isakmp::lines(record),
    };
    let at = timestamp(record.unix_ns);
    lines
        .into_iter()
        .map(|line| format!("{at}{line}"))
        .collect()
}

/// Address and port of `address:port` or `[address]:port`.
fn endpoint(text: &str) -> (&str, &str) {
    let (address, port) = text.rsplit_once(':').unwrap_or((text, "0"));
    let bare = address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'));
    (bare.unwrap_or(address), port)
}

/// The name of a front-door VRF as IOS shows it in messages.
fn front_vrf(name: &str) -> &str {
    match name {
        "" | "global" => "Global",
        name => name,
    }
}

/// `I` or `R`.
fn role(record: &TraceRecord) -> char {
    if record.role == "initiator" { 'I' } else { 'R' }
}
