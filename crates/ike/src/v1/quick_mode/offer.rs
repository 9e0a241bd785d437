//! What we propose in quick mode, and how a peer's proposals and its answer are judged
//! (RFC 2408 §4.2, RFC 2409 §5.5).

use crypto::KeyExchangeMethod;
use ipsec::{EspProposal, EspSpi};
use wire::ikev1::numbers::protocol;
use wire::ikev1::{Proposal, Sa, Transform};

use super::life::{Durations, Life};
use super::terms::{Terms, TunnelMode};

/// Transforms written for one proposal at most.
const TRANSFORMS_MAX: usize = 32;

/// How ESP may travel between the ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carriage {
    /// What we propose.
    pub(super) proposed: TunnelMode,
    /// ESP in UDP is possible: both ends talk on the port for it.
    pub(super) udp: bool,
    /// Raw ESP is possible: there is no NAT, or none was looked for.
    pub(super) raw: bool,
}

impl Carriage {
    /// The mode that a transform means here; `None` when it cannot work.
    fn mode(self, terms: &Terms) -> Option<TunnelMode> {
        let mode = terms.mode.unwrap_or(self.proposed);
        let possible = if mode.is_encapsulated() {
            self.udp
        } else {
            self.raw
        };
        possible.then_some(mode)
    }
}

/// A transform on which the ends agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Agreed {
    pub(super) terms: Terms,
    pub(super) mode: TunnelMode,
    pub(super) peer_spi: EspSpi,
}

/// The method for which a key exchange is made as initiator: that of the first proposal.
pub(super) fn method_of(policy: &[EspProposal]) -> Option<KeyExchangeMethod> {
    policy.first()?.key_exchange.first().copied()
}

/// Whether nothing of the policy can be said in IKEv1.
pub(super) fn is_empty(policy: &[EspProposal], method: Option<KeyExchangeMethod>) -> bool {
    terms_of(policy, method, TunnelMode::Raw, Life::default()).is_empty()
}

/// Everything that we propose: one proposal for each of the policy's that knows the method of the
/// key exchange, since one quick mode has but one (RFC 2409 §5.5).
pub(super) fn terms_of(
    policy: &[EspProposal],
    method: Option<KeyExchangeMethod>,
    mode: TunnelMode,
    life: Life,
) -> Vec<Vec<Terms>> {
    let fits = |proposal: &&EspProposal| match method {
        Some(method) => proposal.key_exchange.contains(&method),
        None => proposal.key_exchange.is_empty(),
    };
    policy
        .iter()
        .filter(fits)
        .map(|proposal| terms_of_one(proposal, method, mode, life))
        .filter(|terms| !terms.is_empty())
        .collect()
}

fn terms_of_one(
    proposal: &EspProposal,
    group: Option<KeyExchangeMethod>,
    mode: TunnelMode,
    life: Life,
) -> Vec<Terms> {
    // Old peers refuse what they do not know instead of passing it over, so that 64-bit numbers are
    // proposed only where nothing else will do.
    let esn = !proposal.esn.is_empty() && !proposal.esn.contains(&false);
    let integrity = |encryption: crypto::EncryptionAlgorithm| {
        if encryption.is_aead() {
            vec![None]
        } else {
            proposal.integrity.iter().copied().map(Some).collect()
        }
    };
    let ciphers = proposal.encryption.iter().copied();
    let pairs = ciphers.flat_map(|cipher| integrity(cipher).into_iter().map(move |i| (cipher, i)));
    pairs
        .map(|(encryption, integrity)| Terms {
            encryption,
            integrity,
            group,
            mode: Some(mode),
            esn,
            life,
        })
        .filter(Terms::can_be_said)
        .take(TRANSFORMS_MAX)
        .collect()
}

/// Proposals as written, numbered from 1 like their transforms.
pub(super) fn write<'a>(
    offer: &[Vec<Terms>],
    spi: &'a [u8],
    durations: &'a Durations,
) -> Vec<Proposal<'a>> {
    (1..=u8::MAX)
        .zip(offer)
        .map(|(number, terms)| Proposal {
            number,
            protocol: protocol::ESP,
            spi,
            transforms: (1..=u8::MAX)
                .zip(terms)
                .filter_map(|(number, terms)| terms.write(number, durations))
                .collect(),
        })
        .collect()
}

/// What a responder takes of a peer's proposals, and the proposal as it goes back but for our SPI:
/// with one transform, and that as it came (RFC 2409 §5).
pub(super) fn select<'a>(
    policy: &[EspProposal],
    offered: &Sa<'a>,
    carriage: Carriage,
) -> Option<(Agreed, Proposal<'a>)> {
    let mut best: Option<(Rank, Agreed, Proposal<'a>)> = None;
    for proposal in alternatives(&offered.proposals) {
        let Some(peer_spi) = esp_spi(proposal.spi) else {
            continue;
        };
        for transform in &proposal.transforms {
            let Some((rank, agreed)) = judge(policy, transform, peer_spi, carriage) else {
                continue;
            };
            if best.as_ref().is_none_or(|(top, ..)| rank < *top) {
                let chosen = Proposal {
                    transforms: vec![transform.clone()],
                    ..*proposal
                };
                best = Some((rank, agreed, chosen));
            }
        }
    }
    best.map(|(_, agreed, chosen)| (agreed, chosen))
}

/// As initiator, reads the answer: one proposal with one transform that we could have made.
pub(super) fn check_answer(
    policy: &[EspProposal],
    answer: &Sa<'_>,
    method: Option<KeyExchangeMethod>,
    carriage: Carriage,
) -> Option<Agreed> {
    let [proposal] = answer.proposals.as_slice() else {
        return None;
    };
    let [transform] = proposal.transforms.as_slice() else {
        return None;
    };
    if proposal.protocol != protocol::ESP {
        return None;
    }
    let (_, agreed) = judge(policy, transform, esp_spi(proposal.spi)?, carriage)?;
    (agreed.terms.group == method).then_some(agreed)
}

/// Proposals of ESP alone. Those of one number belong together (RFC 2408 §4.2), and of ESP with AH or
/// compression we do neither.
fn alternatives<'p, 'a>(proposals: &'p [Proposal<'a>]) -> impl Iterator<Item = &'p Proposal<'a>> {
    let alone = |number| {
        let same = proposals.iter().filter(|other| other.number == number);
        same.count() == 1
    };
    proposals
        .iter()
        .filter(move |proposal| proposal.protocol == protocol::ESP && alone(proposal.number))
}

/// RFC 4303 §2.1: SPIs up to 255 are reserved.
fn esp_spi(octets: &[u8]) -> Option<EspSpi> {
    let spi = u32::from_be_bytes(octets.try_into().ok()?);
    (spi > 255).then_some(EspSpi(spi))
}

/// Places in the policy: of the proposal, the cipher and the integrity algorithm. Less is better.
type Rank = (usize, usize, usize);

fn judge(
    policy: &[EspProposal],
    transform: &Transform<'_>,
    peer_spi: EspSpi,
    carriage: Carriage,
) -> Option<(Rank, Agreed)> {
    let terms = Terms::read(transform)?;
    let mode = carriage.mode(&terms)?;
    let rank = policy
        .iter()
        .enumerate()
        .find_map(|(place, proposal)| rank(place, proposal, &terms))?;
    let agreed = Agreed {
        terms,
        mode,
        peer_spi,
    };
    Some((rank, agreed))
}

fn rank(place: usize, proposal: &EspProposal, terms: &Terms) -> Option<Rank> {
    let cipher = position(&proposal.encryption, &terms.encryption)?;
    let integrity = match &terms.integrity {
        Some(integrity) => position(&proposal.integrity, integrity)?,
        None => 0,
    };
    let numbers_fit = proposal.esn.contains(&terms.esn);
    (numbers_fit && group_fits(proposal, terms.group)).then_some((place, cipher, integrity))
}

/// A peer that wants perfect forward secrecy where we do not ask for it gets it, as from IOS, unless
/// its group is one of those that are only used when they are named.
fn group_fits(proposal: &EspProposal, group: Option<KeyExchangeMethod>) -> bool {
    match group {
        None => proposal.key_exchange.is_empty(),
        Some(group) if proposal.key_exchange.is_empty() => !is_weak(group),
        Some(group) => proposal.key_exchange.contains(&group),
    }
}

fn is_weak(group: KeyExchangeMethod) -> bool {
    matches!(
        group,
        KeyExchangeMethod::Modp1024 | KeyExchangeMethod::Modp1536
    )
}

fn position<T: PartialEq>(list: &[T], wanted: &T) -> Option<usize> {
    list.iter().position(|item| item == wanted)
}

#[cfg(test)]
#[path = "offer_tests.rs"]
mod tests;
