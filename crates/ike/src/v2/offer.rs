//! Policy proposals as they stand in an SA payload, and as lists that can be compared with a
//! peer's (RFC 7296 §3.3).

use ipsec::{EspProposal, IkeProposal};
use wire::ikev2::numbers::protocol;
use wire::ikev2::{Proposal, Transform, TransformType};

use super::algorithm::{Negotiable, esn_transform, none_transform};

/// What a CREATE_CHILD_SA or IKE_AUTH exchange says about key exchange methods of a Child SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pfs {
    /// IKE_AUTH has no KE payload, so methods are not negotiated (RFC 7296 §1.2).
    NotNegotiated,
    /// As the policy says.
    ByPolicy,
}

/// The acceptable transforms of one type, the preferred first.
pub(super) struct Slot {
    pub(super) kind: TransformType,
    pub(super) wanted: Vec<Transform>,
    /// No transform of this type at all means the same as one of `wanted`.
    pub(super) absence_allowed: bool,
    /// The type is not written in our own offers.
    pub(super) unwritten: bool,
}

/// One proposal of a policy: acceptable is one transform of each slot.
pub(super) struct Offer {
    pub(super) protocol: u8,
    pub(super) slots: Vec<Slot>,
}

impl Slot {
    fn required<A: Negotiable>(kind: TransformType, algorithms: &[A]) -> Self {
        Self {
            kind,
            wanted: algorithms.iter().map(|a| a.transform()).collect(),
            absence_allowed: false,
            unwritten: false,
        }
    }

    /// RFC 7296 §3.3.6: an optional type that is not offered may also be spelt out as NONE.
    fn none(kind: TransformType) -> Self {
        Self {
            kind,
            wanted: vec![none_transform(kind)],
            absence_allowed: true,
            unwritten: true,
        }
    }

    fn or_none<A: Negotiable>(kind: TransformType, algorithms: &[A]) -> Self {
        if algorithms.is_empty() {
            Self::none(kind)
        } else {
            Self::required(kind, algorithms)
        }
    }
}

impl From<&IkeProposal> for Offer {
    fn from(proposal: &IkeProposal) -> Self {
        Self {
            protocol: protocol::IKE,
            slots: vec![
                Slot::required(TransformType::ENCRYPTION, &proposal.encryption),
                Slot::or_none(TransformType::INTEGRITY, &proposal.integrity),
                Slot::required(TransformType::PRF, &proposal.prf),
                // RFC 7296 §2.18: NONE is never acceptable for an IKE SA.
                Slot::required(TransformType::KEY_EXCHANGE, &proposal.key_exchange),
            ],
        }
    }
}

impl Offer {
    pub(super) fn esp(proposal: &EspProposal, pfs: Pfs) -> Self {
        let mut slots = vec![
            Slot::required(TransformType::ENCRYPTION, &proposal.encryption),
            Slot::or_none(TransformType::INTEGRITY, &proposal.integrity),
        ];
        if pfs == Pfs::ByPolicy {
            slots.push(Slot::or_none(
                TransformType::KEY_EXCHANGE,
                &proposal.key_exchange,
            ));
        }
        slots.push(Slot {
            kind: TransformType::ESN,
            wanted: proposal.esn.iter().map(|e| esn_transform(*e)).collect(),
            // Peers that predate the mandatory transform leave it out and mean 32-bit numbers.
            absence_allowed: proposal.esn.contains(&false),
            unwritten: false,
        });
        Self {
            protocol: protocol::ESP,
            slots,
        }
    }

    fn written<'a>(&self, number: u8, spi: &'a [u8]) -> Proposal<'a> {
        let written = self.slots.iter().filter(|slot| !slot.unwritten);
        Proposal {
            number,
            protocol: self.protocol,
            spi,
            transforms: written.flat_map(|slot| slot.wanted.clone()).collect(),
        }
    }
}

/// The proposals of an IKE SA as written: `spi` is empty in IKE_SA_INIT and has eight octets in a
/// rekey (RFC 7296 §3.3.1).
pub(crate) fn ike_proposals<'a>(policy: &[IkeProposal], spi: &'a [u8]) -> Vec<Proposal<'a>> {
    numbered(policy.iter().map(Offer::from), spi)
}

/// The proposals of a Child SA as written.
pub(crate) fn esp_proposals<'a>(
    policy: &[EspProposal],
    pfs: Pfs,
    spi: &'a [u8],
) -> Vec<Proposal<'a>> {
    numbered(policy.iter().map(|p| Offer::esp(p, pfs)), spi)
}

/// RFC 7296 §3.3.1: the first proposal is 1, each following one more.
fn numbered(offers: impl Iterator<Item = Offer>, spi: &[u8]) -> Vec<Proposal<'_>> {
    (1..=u8::MAX)
        .zip(offers)
        .map(|(number, offer)| offer.written(number, spi))
        .collect()
}
