//! Traffic selector negotiation (RFC 7296 §2.9): what we propose, what we accept of a peer's
//! proposal, and whether a peer's answer keeps to ours.

use ipsec::{Selectors, TrafficSelector, narrow};
use wire::ikev2::{SELECTORS_MAX, TrafficSelector as WireSelector};

pub(crate) use crate::allowed::{Ends, allowed, covers};

/// As responder, cuts the proposal down to what is allowed. `None` is TS_UNACCEPTABLE. What both
/// allow is kept whole, so that it includes the initiator's first choice wherever policy allows
/// that (RFC 7296 §2.9).
pub(crate) fn narrow_proposal(
    initiator_ts: &[WireSelector],
    responder_ts: &[WireSelector],
    allowed: &Selectors,
) -> Option<Selectors> {
    let cut = |proposed: &[WireSelector], allowed: &[TrafficSelector]| {
        let mut narrowed = narrow(&from_wire(proposed), allowed);
        narrowed.truncate(SELECTORS_MAX);
        (!narrowed.is_empty()).then_some(narrowed)
    };
    let local = cut(responder_ts, allowed.local())?;
    let remote = cut(initiator_ts, allowed.remote())?;
    Some(Selectors::new(&local, &remote))
}

/// As initiator, reads the answer. `None` when it is empty or goes beyond what we proposed.
pub(crate) fn accept_answer(
    initiator_ts: &[WireSelector],
    responder_ts: &[WireSelector],
    proposed: &Selectors,
) -> Option<Selectors> {
    let answer = Selectors::new(&from_wire(initiator_ts), &from_wire(responder_ts));
    let sound = !answer.local().is_empty() && !answer.remote().is_empty();
    (sound && covers(proposed, &answer)).then_some(answer)
}

/// Selectors as they stand in a TS payload.
pub(crate) fn to_wire(selectors: &[TrafficSelector]) -> Vec<WireSelector> {
    selectors
        .iter()
        .take(SELECTORS_MAX)
        .map(|ts| WireSelector {
            protocol: ts.protocol,
            start_port: ts.start_port,
            end_port: ts.end_port,
            start: ts.start,
            end: ts.end,
        })
        .collect()
}

fn from_wire(selectors: &[WireSelector]) -> Vec<TrafficSelector> {
    let read = selectors.iter().map(|ts| TrafficSelector {
        protocol: ts.protocol,
        start_port: ts.start_port,
        end_port: ts.end_port,
        start: ts.start,
        end: ts.end,
    });
    // An empty range selects nothing.
    read.filter(TrafficSelector::is_valid).collect()
}

#[cfg(test)]
#[path = "narrow_tests.rs"]
mod tests;
