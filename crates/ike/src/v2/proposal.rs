//! Negotiation of algorithms: the responder's choice and the initiator's check of it
//! (RFC 7296 §2.7, §3.3.6).

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use ipsec::{EspProposal, IkeProposal};
use wire::ikev2::{Proposal, Transform, TransformType};

use super::algorithm::{Negotiable, esn_transform};
use super::offer::{Offer, Pfs, Slot};
use super::suite::{EspSuite, IkeSuite};

/// A proposal on which both ends agree.
#[derive(Clone, Debug)]
pub(crate) struct Chosen<'a, S> {
    /// The algorithms.
    pub(crate) suite: S,
    /// The peer's SPI: empty in IKE_SA_INIT, otherwise 4 (ESP) or 8 (IKE) octets.
    pub(crate) peer_spi: &'a [u8],
    number: u8,
    protocol: u8,
    transforms: Vec<Transform>,
}

impl<S> Chosen<'_, S> {
    /// The responder's answer: the chosen proposal under its number, with our SPI.
    pub(crate) fn answer<'s>(&self, spi: &'s [u8]) -> Proposal<'s> {
        Proposal {
            number: self.number,
            protocol: self.protocol,
            spi,
            transforms: self.transforms.clone(),
        }
    }
}

/// As responder, chooses an IKE suite: our order of preference decides, then the peer's. `None` is
/// NO_PROPOSAL_CHOSEN. `spi_len` is 0 in IKE_SA_INIT and 8 in a rekey.
pub(crate) fn select_ike<'a>(
    policy: &[IkeProposal],
    offered: &[Proposal<'a>],
    spi_len: usize,
) -> Option<Chosen<'a, IkeSuite>> {
    let ours = policy.iter().map(Offer::from);
    select(ours, offered, spi_len, ike_suite)
}

/// As responder, chooses the algorithms of a Child SA, or `None` for NO_PROPOSAL_CHOSEN.
pub(crate) fn select_esp<'a>(
    policy: &[EspProposal],
    pfs: Pfs,
    offered: &[Proposal<'a>],
) -> Option<Chosen<'a, EspSuite>> {
    let ours = policy.iter().map(|p| Offer::esp(p, pfs));
    select(ours, offered, 4, esp_suite)
}

/// As initiator, checks that the answer is one of the proposals that we sent, with one transform
/// of each type (RFC 7296 §2.7). `None` means that the peer broke the protocol.
pub(crate) fn accept_ike<'a>(
    policy: &[IkeProposal],
    answer: &[Proposal<'a>],
    spi_len: usize,
) -> Option<Chosen<'a, IkeSuite>> {
    let ours = policy.iter().map(Offer::from);
    accept(ours, answer, spi_len, ike_suite)
}

/// As [`accept_ike`], for a Child SA.
pub(crate) fn accept_esp<'a>(
    policy: &[EspProposal],
    pfs: Pfs,
    answer: &[Proposal<'a>],
) -> Option<Chosen<'a, EspSuite>> {
    let ours = policy.iter().map(|p| Offer::esp(p, pfs));
    accept(ours, answer, 4, esp_suite)
}

fn select<'a, S>(
    ours: impl Iterator<Item = Offer>,
    offered: &[Proposal<'a>],
    spi_len: usize,
    suite: fn(&[Transform]) -> Option<S>,
) -> Option<Chosen<'a, S>> {
    ours.flat_map(|offer| {
        let matched = offered.iter().map(|theirs| choose(&offer, theirs, spi_len));
        matched.flatten().collect::<Vec<_>>()
    })
    .find_map(|(proposal, transforms)| {
        Some(Chosen {
            suite: suite(&transforms)?,
            peer_spi: proposal.spi,
            number: proposal.number,
            protocol: proposal.protocol,
            transforms,
        })
    })
}

fn accept<'a, S>(
    mut ours: impl Iterator<Item = Offer>,
    answer: &[Proposal<'a>],
    spi_len: usize,
    suite: fn(&[Transform]) -> Option<S>,
) -> Option<Chosen<'a, S>> {
    let [proposal] = answer else { return None };
    let index = usize::from(proposal.number.checked_sub(1)?);
    let (proposal, transforms) = choose(&ours.nth(index)?, proposal, spi_len)?;
    // One transform of each type: anything that the choice left over is one too many.
    if proposal.transforms.len() != transforms.len() {
        return None;
    }
    Some(Chosen {
        suite: suite(&transforms)?,
        peer_spi: proposal.spi,
        number: proposal.number,
        protocol: proposal.protocol,
        transforms,
    })
}

/// One transform for each type in the peer's proposal, or `None` if it is not acceptable.
fn choose<'p, 'a>(
    offer: &Offer,
    theirs: &'p Proposal<'a>,
    spi_len: usize,
) -> Option<(&'p Proposal<'a>, Vec<Transform>)> {
    if theirs.protocol != offer.protocol || theirs.spi.len() != spi_len {
        return None;
    }
    // RFC 7296 §3.3.6: a proposal with a transform type that is not understood is not acceptable.
    let understood = |t: &Transform| is_skipped(offer, t.kind) || slot_of(offer, t.kind).is_some();
    if !theirs.transforms.iter().all(understood) {
        return None;
    }
    let mut chosen = Vec::with_capacity(offer.slots.len());
    for slot in &offer.slots {
        chosen.extend(fill(slot, &theirs.transforms)?);
    }
    Some((theirs, chosen))
}

/// Key exchange methods in an IKE_AUTH offer mean nothing (RFC 7296 §1.2) and are passed over.
fn is_skipped(offer: &Offer, kind: TransformType) -> bool {
    kind == TransformType::KEY_EXCHANGE && slot_of(offer, kind).is_none()
}

fn slot_of(offer: &Offer, kind: TransformType) -> Option<&Slot> {
    offer.slots.iter().find(|slot| slot.kind == kind)
}

/// `None`: nothing acceptable. `Some(None)`: the type is absent on both sides.
fn fill(slot: &Slot, theirs: &[Transform]) -> Option<Option<Transform>> {
    if !theirs.iter().any(|t| t.kind == slot.kind) {
        return slot.absence_allowed.then_some(None);
    }
    let wanted = slot.wanted.iter().find(|wanted| theirs.contains(wanted));
    wanted.map(|transform| Some(*transform))
}

fn named<A: Negotiable>(transforms: &[Transform]) -> Option<A> {
    transforms.iter().find_map(A::from_transform)
}

fn ike_suite(transforms: &[Transform]) -> Option<IkeSuite> {
    let encryption = named::<EncryptionAlgorithm>(transforms)?;
    Some(IkeSuite {
        encryption,
        integrity: integrity_beside(encryption, transforms)?,
        prf: named::<PrfAlgorithm>(transforms)?,
        key_exchange: named::<KeyExchangeMethod>(transforms)?,
    })
}

fn esp_suite(transforms: &[Transform]) -> Option<EspSuite> {
    let encryption = named::<EncryptionAlgorithm>(transforms)?;
    Some(EspSuite {
        encryption,
        integrity: integrity_beside(encryption, transforms)?,
        key_exchange: named::<KeyExchangeMethod>(transforms),
        esn: transforms.contains(&esn_transform(true)),
    })
}

/// RFC 7296 §3.3: an AEAD cipher stands alone, any other with an integrity algorithm.
fn integrity_beside(
    encryption: EncryptionAlgorithm,
    transforms: &[Transform],
) -> Option<Option<IntegrityAlgorithm>> {
    let integrity = named::<IntegrityAlgorithm>(transforms);
    (encryption.is_aead() == integrity.is_none()).then_some(integrity)
}

#[cfg(test)]
#[path = "proposal_tests.rs"]
mod tests;
