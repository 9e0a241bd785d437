//! The memory budget of docs/performance.md says how large the parts of a peer are; this holds it to that.

use ike::v2::IkeSa;
use ipsec::{InboundSa, OutboundSa};
use timer::Wheel;

use super::*;
use crate::shard::Token;

/// The first figure in the row of the budget that begins with `part`.
fn documented(part: &str) -> usize {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
    let page = std::fs::read_to_string(page).expect("the page of figures");
    let start = format!("| {part}");
    let row = page.lines().find(|line| line.starts_with(&start));
    let row = row.unwrap_or_else(|| panic!("no row begins with `{start}`"));
    let figure = row.split('|').nth(2).expect("a figure").trim();
    let figure = figure.replace(',', "");
    figure.parse().expect("octets")
}

#[test]
fn the_documented_budget_of_a_peer_is_what_its_parts_take() {
    let parts = [
        ("`shard::Peer`", size_of::<Peer>()),
        ("`ike::v2::IkeSa`", size_of::<IkeSa>()),
        ("`ipsec::InboundSa`", size_of::<Option<InboundSa>>()),
        ("`ipsec::OutboundSa`", size_of::<Option<OutboundSa>>()),
        ("two timers", 2 * Wheel::<Token>::ENTRY_LEN),
        (
            "places in tables",
            size_of::<Option<Box<Peer>>>() + size_of::<Option<IkeSpi>>() + size_of::<Child>(),
        ),
    ];
    for (part, octets) in parts {
        println!("{part}: {octets}");
    }
    for (part, octets) in parts {
        assert_eq!(octets, documented(part), "{part}");
    }
}
