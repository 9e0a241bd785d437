//! `crypto isakmp keepalive` and `crypto ikev2 dpd` as dead peer detection.

use crate::document::{Block, Table};
use crate::line::LineId;
use crate::model::{At, Keepalive, Router};

/// Tries after the first: IOS sends five probes before it gives a peer up.
const RETRIES: &str = "4";

/// What holds for all: the keepalive of IKEv1, or else that of IKEv2.
fn common(router: &Router) -> Option<At<Keepalive>> {
    router.isakmp.keepalive.or(router.ikev2.dpd)
}

/// Section `dpd`.
pub(super) fn global(router: &Router, connections: bool) -> Option<Block> {
    let mut table = Table::new("dpd");
    match common(router) {
        Some(at) => write(&mut table, KEYS, Some(at.value), &[at.line]),
        None if connections => {
            table.comments.push(
                "IOS answers probes and sends none unless it is told to; \"on-demand\" is safe to switch on."
                    .to_owned(),
            );
            write(&mut table, KEYS, None, &[]);
        }
        None => return None,
    }
    Some(Block::of(table))
}

/// What a connection has of its own: the settings that differ from those for all, and what happens
/// when its peer is dead.
pub(super) fn of_connection(
    table: &mut Table,
    router: &Router,
    own: Option<At<Keepalive>>,
    action: Option<&str>,
) {
    let common = common(router);
    let value = own.map(|at| at.value);
    if value != common.map(|at| at.value) {
        let lines: Vec<LineId> = own.iter().map(|at| at.line).collect();
        write(table, OWN_KEYS, value, &lines);
    } else if let (Some(own), Some(common)) = (own, common)
        && own.line != common.line
    {
        table.stands_for(&[own.line]);
    }
    if let Some(action) = action {
        table.set_text("dpd.action", action, &[]);
    }
}

/// Names of the keys, in the section and in a connection.
struct Keys {
    mode: &'static str,
    interval: &'static str,
    retry: &'static str,
    retries: &'static str,
    suppress_on: &'static str,
}

const KEYS: &Keys = &Keys {
    mode: "mode",
    interval: "interval",
    retry: "retry",
    retries: "retries",
    suppress_on: "suppress_on",
};

const OWN_KEYS: &Keys = &Keys {
    mode: "dpd.mode",
    interval: "dpd.interval",
    retry: "dpd.retry",
    retries: "dpd.retries",
    suppress_on: "dpd.suppress_on",
};

fn write(table: &mut Table, keys: &Keys, value: Option<Keepalive>, lines: &[LineId]) {
    let Some(keepalive) = value else {
        table.set_text(keys.mode, "respond-only", lines);
        return;
    };
    let mode = if keepalive.periodic {
        "periodic"
    } else {
        "on-demand"
    };
    table.set_text(keys.mode, mode, lines);
    table.set_text(keys.interval, &format!("{}s", keepalive.interval), lines);
    table.set_text(keys.retry, &format!("{}s", keepalive.retry), lines);
    table.set(keys.retries, RETRIES, lines);
    // A periodic probe of IOS waits for nothing but a probe of the peer.
    let suppressor = if keepalive.periodic { "hello" } else { "any" };
    table.set_text(keys.suppress_on, suppressor, lines);
}
