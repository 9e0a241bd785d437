//! Sections `connections.<name>.children`.

use core::ops::Range;

use dpd::Action;
use ipsec::{ChildPolicy, DfPolicy, StartAction, TrafficSelector};

use crate::liveness::ACTIONS;
use crate::table::{Fault, Table, Value};
use crate::value::{flag, number_as, word};
use crate::{proposal, rekey};

const STARTS: &[(&str, StartAction)] = &[
    ("none", StartAction::None),
    ("trap", StartAction::Trap),
    ("start", StartAction::Start),
];

/// Packets that the replay window holds unless configured.
const REPLAY_WINDOW: u32 = 1_024;

/// A child, and what it asks of its connection.
pub(crate) struct Child {
    pub(crate) policy: ChildPolicy,
    /// swanctl sets the action of dead peer detection here; it holds for the whole connection.
    pub(crate) dpd_action: Option<(Action, Range<usize>)>,
    /// Where `start_action` stands if it makes us initiate.
    pub(crate) starts: Option<Range<usize>>,
}

pub(crate) fn read(name: &str, table: &Table<'_, '_>) -> Child {
    table.read("mode", mode);
    let proposals = table
        .read_list("esp_proposals", |value| proposal::esp(value, table.report))
        .map(|lists| lists.concat());
    let start = table
        .read("start_action", |value| word(value, STARTS))
        .unwrap_or_default();
    let start_span = table.value("start_action").map(|value| value.span());
    let dpd_action = table.read("dpd_action", |value| word(value, ACTIONS));
    let dpd_span = table.value("dpd_action").map(|value| value.span());
    let policy = ChildPolicy {
        name: name.into(),
        local_ts: local_ts(table),
        remote_ts: remote_ts(table),
        proposals: proposals.unwrap_or_else(proposal::default_esp),
        rekey: rekey::of_child(table),
        replay_window: table
            .read("replay_window", |value| number_as(value, 64, 8_192))
            .unwrap_or(REPLAY_WINDOW),
        peer_replay_window: table
            .read("peer_replay_window", |value| {
                number_as(value, 0, u32::MAX.into())
            })
            .unwrap_or(0),
        df: table.read("copy_df", copy_df).unwrap_or_default(),
        copy_dscp: table.read("copy_dscp", copy_dscp).unwrap_or(true),
        mss_clamp: table
            .read("mss_clamp", |value| number_as(value, 0, 9_000))
            .filter(|clamp| *clamp > 0),
        start,
    };
    Child {
        policy,
        dpd_action: dpd_action.zip(dpd_span),
        starts: start_span.filter(|_| start != StartAction::None),
    }
}

fn mode(value: &Value<'_>) -> Result<(), Fault> {
    match value.text()? {
        "tunnel" => Ok(()),
        other => Err(Fault::new(format!("mode `{other}` is not supported"))
            .instead("write `mode = \"tunnel\"` or leave it out")),
    }
}

fn local_ts(table: &Table<'_, '_>) -> Vec<TrafficSelector> {
    let selectors = table.read_list("local_ts", |value| {
        if value.text()? == "dynamic" {
            return Err(Fault::new("`dynamic` is for the peer's side only")
                .instead("write the prefixes that peers may reach, such as \"10.1.0.0/16\""));
        }
        selector(value)
    });
    match selectors {
        None => vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
        Some(selectors) => {
            complain_if_empty(table, "local_ts", selectors.is_empty());
            selectors
        }
    }
}

/// Empty stands for "dynamic".
fn remote_ts(table: &Table<'_, '_>) -> Vec<TrafficSelector> {
    let Some(items) = table
        .value("remote_ts")
        .and_then(|value| value.items().ok())
    else {
        return table.read_list("remote_ts", selector).unwrap_or_default();
    };
    complain_if_empty(table, "remote_ts", items.is_empty());
    let dynamic = items
        .iter()
        .find(|item| item.text().is_ok_and(|text| text == "dynamic"));
    match dynamic {
        None => table.read_list("remote_ts", selector).unwrap_or_default(),
        Some(_) if items.len() == 1 => Vec::new(),
        Some(item) => {
            let fault = Fault::new("`dynamic` stands beside other selectors");
            let instead = "write `dynamic` alone, or make a second child";
            table.report.fault(&item.span(), fault.instead(instead));
            Vec::new()
        }
    }
}

fn complain_if_empty(table: &Table<'_, '_>, key: &str, empty: bool) {
    let Some(value) = table
        .value(key)
        .filter(|value| empty && value.value.is_array())
    else {
        return;
    };
    if value.items().is_ok_and(|items| items.is_empty()) {
        let fault = Fault::new(format!("`{key}` allows nothing"));
        table.report.fault(
            &value.span(),
            fault.instead("name a prefix, or leave the key out"),
        );
    }
}

fn selector(value: &Value<'_>) -> Result<TrafficSelector, Fault> {
    let text = value.text()?;
    text.parse().map_err(|error| {
        Fault::new(format!("`{text}` is no traffic selector")).instead(format!("{error}"))
    })
}

fn copy_df(value: &Value<'_>) -> Result<DfPolicy, Fault> {
    if value.value.as_str() == Some("set") {
        return Ok(DfPolicy::Set);
    }
    flag(value)
        .map(|copy| {
            if copy {
                DfPolicy::Copy
            } else {
                DfPolicy::Clear
            }
        })
        .map_err(|fault| {
            fault.instead("write `true` (as in the inner header), `false` (never set) or \"set\"")
        })
}

fn copy_dscp(value: &Value<'_>) -> Result<bool, Fault> {
    if value.value.as_str() == Some("out") {
        return Ok(true);
    }
    flag(value).map_err(|fault| fault.instead("write `true` (to the outer header) or `false`"))
}
