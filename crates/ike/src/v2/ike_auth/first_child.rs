//! The Child SA that IKE_AUTH sets up along with the IKE SA (RFC 7296 §1.2).

use core::net::IpAddr;
use std::sync::Arc;

use ipsec::{ChildPolicy, ConnectionPolicy, EspSpi, Selectors};
use wire::ikev2::{NotifyType, Payload, Proposal};

use super::Handshake;
use crate::action::{ChildInstalled, ChildTerms};
use crate::v2::contents::Contents;
use crate::v2::keymat::{Nonces, child_keys};
use crate::v2::lifetimes::Lifetimes;
use crate::v2::narrow::{self, Ends, to_wire};
use crate::v2::negotiation::{self, ChildAgreement, ChildOffer, Disagreement};
use crate::v2::offer::{Pfs, esp_proposals};
use crate::v2::phase::Phase;
use crate::v2::suite::EspSuite;
use crate::v2::{ChildSa, ChildState, IkeSa};
use crate::{Action, ChildFailure, Context};

/// A Child SA on which both ends agree.
pub(super) struct Agreed {
    pub(super) policy: u16,
    pub(super) outbound: EspSpi,
    pub(super) suite: EspSuite,
    pub(super) selectors: Selectors,
}

impl Agreed {
    fn read(agreement: &ChildAgreement<'_>) -> Option<Self> {
        Some(Self {
            policy: agreement.policy,
            outbound: spi_of(agreement.chosen.peer_spi)?,
            suite: agreement.chosen.suite,
            selectors: agreement.selectors.clone(),
        })
    }
}

/// What an initiator proposes. The peer's side, left out in the policy, is its outer address.
pub(super) fn proposed(policy: &ChildPolicy, peer: IpAddr) -> Selectors {
    let ends = Ends {
        local: &[],
        remote: &[peer],
    };
    narrow::allowed(policy, ends)
}

/// The payloads of an initiator's offer.
pub(super) fn offer_payloads<'a>(
    policy: &ChildPolicy,
    proposed: &Selectors,
    spi: &'a [u8],
) -> [Payload<'a>; 3] {
    let proposals = esp_proposals(&policy.proposals, Pfs::NotNegotiated, spi);
    [
        Payload::SecurityAssociation(proposals),
        Payload::TrafficSelectorsInitiator(to_wire(proposed.local())),
        Payload::TrafficSelectorsResponder(to_wire(proposed.remote())),
    ]
}

/// As initiator, checks the responder's choice against what we proposed.
pub(super) fn check_answer(
    proposed: &Selectors,
    index: u16,
    policy: &ChildPolicy,
    contents: &Contents<'_, '_>,
) -> Result<Agreed, ChildFailure> {
    if let Some(error) = contents.error() {
        return Err(failure_of(error));
    }
    let answer = contents.child_offer().ok_or(ChildFailure::PeerMisbehaved)?;
    negotiation::check_answer(policy, index, Pfs::NotNegotiated, answer, proposed)
        .ok()
        .and_then(|agreement| Agreed::read(&agreement))
        .ok_or(ChildFailure::PeerMisbehaved)
}

/// Our failure for the peer's error notify.
fn failure_of(error: NotifyType) -> ChildFailure {
    match error {
        NotifyType::NO_PROPOSAL_CHOSEN => ChildFailure::NoProposalChosen,
        NotifyType::TS_UNACCEPTABLE | NotifyType::SINGLE_PAIR_REQUIRED => {
            ChildFailure::TsUnacceptable
        }
        NotifyType::INTERNAL_ADDRESS_FAILURE | NotifyType::FAILED_CP_REQUIRED => {
            ChildFailure::AddressFailure
        }
        NotifyType::NO_ADDITIONAL_SAS => ChildFailure::NoAdditionalSas,
        _ => ChildFailure::PeerRefused,
    }
}

/// As responder, finds the first child policy that accepts what the peer proposes.
pub(super) fn choose(
    connection: &ConnectionPolicy,
    offer: ChildOffer<'_, '_>,
    leased: &[IpAddr],
    outer: IpAddr,
) -> Result<(Agreed, Proposal<'static>), NotifyType> {
    let outer = [outer];
    let ends = Ends {
        local: &[],
        remote: if leased.is_empty() { &outer } else { leased },
    };
    let agreement = negotiation::answer_offer(connection, Pfs::NotNegotiated, offer, ends)
        .map_err(|disagreement| match disagreement {
            Disagreement::Proposal => NotifyType::NO_PROPOSAL_CHOSEN,
            Disagreement::Selectors => NotifyType::TS_UNACCEPTABLE,
        })?;
    let agreed = Agreed::read(&agreement).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
    Ok((agreed, agreement.chosen.answer(&[])))
}

/// RFC 4303 §2.1: SPIs up to 255 are reserved.
fn spi_of(octets: &[u8]) -> Option<EspSpi> {
    let spi = u32::from_be_bytes(octets.try_into().ok()?);
    (spi > 255).then_some(EspSpi(spi))
}

impl IkeSa {
    /// Installs the first Child SA of an IKE SA that is established.
    pub(super) fn install_first_child(
        &mut self,
        agreed: Agreed,
        inbound: EspSpi,
        handshake: &Handshake,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (role, path) = (self.role, self.path);
        let encapsulated = path.encapsulated || self.nat.any();
        let (Some(keys), Phase::Established(standing)) = (&self.keys, &mut self.phase) else {
            return;
        };
        let children = &standing.connection.children;
        let Some(policy) = children.get(usize::from(agreed.policy)) else {
            return;
        };
        let nonces = Nonces {
            initiator: &handshake.initiator_nonce,
            responder: &handshake.responder_nonce,
        };
        let prf = keys.suite.prf;
        let derivation = &keys.keys.derivation;
        let (outbound_key, inbound_key) =
            child_keys(prf, derivation, None, nonces, &agreed.suite, role);
        let ends = Lifetimes::from(&policy.rekey, ctx.now, ctx.entropy);
        standing.children.push(ChildSa {
            inbound,
            outbound: agreed.outbound,
            policy: agreed.policy,
            state: ChildState::Installed,
            replaced_by: None,
            outbound_pending: false,
            rekey_at: ends.rekey_at,
            expires_at: ends.expires_at,
            selectors: agreed.selectors.clone(),
        });
        let terms = ChildTerms {
            inbound,
            outbound: agreed.outbound,
            suite: agreed.suite.protection(),
            inbound_key,
            outbound_key,
            esn: agreed.suite.esn,
            encapsulated,
            path,
            selectors: agreed.selectors,
            connection: Arc::clone(&standing.connection),
            policy: agreed.policy,
            replaces: None,
            outbound_ready: true,
        };
        let installed = ChildInstalled::new(terms, &standing.proof);
        actions.push(Action::ChildInstalled(Box::new(installed)));
    }
}
