//! Traffic selector negotiation (RFC 7296 §2.9): what we propose, what we accept of a peer's
//! proposal, and whether a peer's answer keeps to ours.

use core::net::IpAddr;

use ipsec::{ChildPolicy, Selectors, TrafficSelector, narrow};
use wire::ikev2::{SELECTORS_MAX, TrafficSelector as WireSelector};

/// The addresses that stand for "dynamic" selectors.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends<'a> {
    /// Our virtual addresses, or empty.
    pub(crate) local: &'a [IpAddr],
    /// The peer's virtual addresses, or else its outer address.
    pub(crate) remote: &'a [IpAddr],
}

/// What a policy allows between these ends. Our side, left out, is everything as long as we have no
/// virtual address; the peer's side, left out, is just its address.
pub(crate) fn allowed(policy: &ChildPolicy, ends: Ends<'_>) -> Selectors {
    let local = if !policy.local_ts.is_empty() {
        policy.local_ts.clone()
    } else if ends.local.is_empty() {
        vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6]
    } else {
        hosts(ends.local)
    };
    let remote = if policy.remote_ts.is_empty() {
        hosts(ends.remote)
    } else {
        policy.remote_ts.clone()
    };
    Selectors::new(&local, &remote)
}

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

/// Whether everything that passes `inner` passes `outer`: a rekeyed SA must not be narrower than
/// the one that it replaces (RFC 7296 §2.9.2).
pub(crate) fn covers(outer: &Selectors, inner: &Selectors) -> bool {
    let within = |inner: &[TrafficSelector], outer: &[TrafficSelector]| {
        inner
            .iter()
            .all(|ts| outer.iter().any(|outer| ts.is_subset_of(outer)))
    };
    within(inner.local(), outer.local()) && within(inner.remote(), outer.remote())
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

fn hosts(addresses: &[IpAddr]) -> Vec<TrafficSelector> {
    let addresses = addresses.iter().map(IpAddr::to_canonical);
    addresses.map(TrafficSelector::host).collect()
}

#[cfg(test)]
#[path = "narrow_tests.rs"]
mod tests;
