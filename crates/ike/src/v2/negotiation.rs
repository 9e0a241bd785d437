//! The terms of a Child SA: which policy, which algorithms, which traffic selectors.

use ipsec::{ChildPolicy, ConnectionPolicy, Selectors};
use wire::ikev2::{Proposal, TrafficSelector as WireSelector};

use super::narrow::{Ends, accept_answer, allowed, narrow_proposal};
use super::offer::Pfs;
use super::proposal::{Chosen, accept_esp, select_esp};
use super::suite::EspSuite;

/// What a message says about a Child SA.
#[derive(Clone, Copy)]
pub(crate) struct ChildOffer<'p, 'a> {
    /// SA.
    pub(crate) proposals: &'p [Proposal<'a>],
    /// TSi.
    pub(crate) initiator_ts: &'p [WireSelector],
    /// TSr.
    pub(crate) responder_ts: &'p [WireSelector],
}

/// What both ends agree on.
pub(crate) struct ChildAgreement<'a> {
    /// Index in the connection's children.
    pub(crate) policy: u16,
    /// Algorithms and the peer's SPI.
    pub(crate) chosen: Chosen<'a, EspSuite>,
    /// What may pass.
    pub(crate) selectors: Selectors,
}

/// Why there is no agreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disagreement {
    /// NO_PROPOSAL_CHOSEN.
    Proposal,
    /// TS_UNACCEPTABLE.
    Selectors,
}

/// As responder, finds the first child policy that allows some of the peer's offer.
pub(crate) fn answer_offer<'a>(
    connection: &ConnectionPolicy,
    pfs: Pfs,
    offer: ChildOffer<'_, 'a>,
    ends: Ends<'_>,
) -> Result<ChildAgreement<'a>, Disagreement> {
    let mut reason = Disagreement::Selectors;
    for (index, policy) in (0..=u16::MAX).zip(&connection.children) {
        match answer_under(policy, index, pfs, offer, ends) {
            Ok(agreement) => return Ok(agreement),
            // The selectors fit somewhere, so the algorithms are what the operator must look at.
            Err(Disagreement::Proposal) => reason = Disagreement::Proposal,
            Err(Disagreement::Selectors) => {}
        }
    }
    Err(reason)
}

/// As responder, answers an offer under one policy.
pub(crate) fn answer_under<'a>(
    policy: &ChildPolicy,
    index: u16,
    pfs: Pfs,
    offer: ChildOffer<'_, 'a>,
    ends: Ends<'_>,
) -> Result<ChildAgreement<'a>, Disagreement> {
    let (tsi, tsr) = (offer.initiator_ts, offer.responder_ts);
    let selectors = narrow_proposal(tsi, tsr, &allowed(policy, ends));
    let selectors = selectors.ok_or(Disagreement::Selectors)?;
    let chosen = select_esp(&policy.proposals, pfs, offer.proposals);
    Ok(ChildAgreement {
        policy: index,
        chosen: chosen.ok_or(Disagreement::Proposal)?,
        selectors,
    })
}

/// As initiator, checks the responder's answer to what we proposed under this policy. An error
/// means that the peer broke the protocol.
pub(crate) fn check_answer<'a>(
    policy: &ChildPolicy,
    index: u16,
    pfs: Pfs,
    answer: ChildOffer<'_, 'a>,
    proposed: &Selectors,
) -> Result<ChildAgreement<'a>, Disagreement> {
    let chosen = accept_esp(&policy.proposals, pfs, answer.proposals);
    let selectors = accept_answer(answer.initiator_ts, answer.responder_ts, proposed);
    Ok(ChildAgreement {
        policy: index,
        chosen: chosen.ok_or(Disagreement::Proposal)?,
        selectors: selectors.ok_or(Disagreement::Selectors)?,
    })
}
