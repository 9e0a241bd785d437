//! Access lists as traffic selectors.

use crate::ledger::Ledger;
use crate::line::LineId;
use crate::model::{AccessEntry, AccessList, End, Match, Rule};

/// What a line that permits becomes.
pub(super) struct Pair {
    pub(super) line: LineId,
    pub(super) matched: Match,
    /// Remarks above the line.
    pub(super) remarks: Vec<(LineId, String)>,
}

/// The lines of a list that permit. What cannot be told in selectors enters the ledger.
pub(super) fn pairs(list: &AccessList, ledger: &mut Ledger) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut remarks = Vec::new();
    for (at, entry) in list.entries.iter().enumerate() {
        let later = list.entries.get(at.saturating_add(1)..).unwrap_or_default();
        match &entry.rule {
            Rule::Remark(text) => remarks.push((entry.line, text.clone())),
            Rule::Permit(matched) => pairs.push(Pair {
                line: entry.line,
                matched: *matched,
                remarks: core::mem::take(&mut remarks),
            }),
            Rule::Deny(matched) if later.iter().any(|one| permits(one, matched)) => {
                let why = "selectors have no holes: what this line keeps out of the tunnel and a later line permits goes through it; write narrower lines";
                ledger.refuse(entry.line, why);
            }
            Rule::Deny(_) => {
                let why = "nothing that it denies is permitted further on";
                ledger.unneeded(entry.line, why);
            }
            Rule::Unknown(why) => ledger.refuse(entry.line, why.as_str()),
        }
    }
    for (line, _) in remarks {
        ledger.unneeded(line, "a remark behind the last line that permits");
    }
    pairs
}

fn permits(entry: &AccessEntry, denied: &Match) -> bool {
    match &entry.rule {
        Rule::Permit(permitted) => overlap(permitted, denied),
        _ => false,
    }
}

/// Whether a packet can be both.
pub(super) fn overlap(one: &Match, other: &Match) -> bool {
    let protocols = one.protocol == 0 || other.protocol == 0 || one.protocol == other.protocol;
    protocols
        && ends_overlap(&one.source, &other.source)
        && ends_overlap(&one.destination, &other.destination)
}

fn ends_overlap(one: &End, other: &End) -> bool {
    let length = u32::from(one.length.min(other.length));
    let differ = one.network.to_bits() ^ other.network.to_bits();
    let addresses = length == 0 || differ.leading_zeros() >= length;
    addresses && one.ports.0 <= other.ports.1 && other.ports.0 <= one.ports.1
}

/// The prefix of an end.
pub(super) fn prefix(end: &End) -> String {
    format!("{}/{}", end.network, end.length)
}

/// An end as a selector: the prefix, and in brackets protocol and ports.
pub(super) fn selector(protocol: u8, end: &End) -> String {
    let prefix = prefix(end);
    let name = match protocol {
        0 => return prefix,
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        number => number.to_string(),
    };
    match end.ports {
        (0, u16::MAX) => format!("{prefix}[{name}]"),
        (first, last) if first == last => format!("{prefix}[{name}/{first}]"),
        (first, last) => format!("{prefix}[{name}/{first}-{last}]"),
    }
}
