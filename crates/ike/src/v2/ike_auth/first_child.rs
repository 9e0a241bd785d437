//! The Child SA that IKE_AUTH sets up along with the IKE SA (RFC 7296 §1.2).

use core::net::IpAddr;

use ipsec::{ChildPolicy, ConnectionPolicy, EspSpi, Selectors};
use wire::ikev2::{NotifyType, Payload, Proposal};

use super::Handshake;
use crate::v2::IkeSa;
use crate::v2::contents::Contents;
use crate::v2::install::{Agreed, NewChild};
use crate::v2::keymat::Nonces;
use crate::v2::narrow::{self, Ends, to_wire};
use crate::v2::negotiation::{self, ChildOffer, Disagreement};
use crate::v2::offer::{Pfs, esp_proposals};
use crate::{Action, ChildFailure, Context};

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
        return Err(ChildFailure::of_notify(error));
    }
    let answer = contents.child_offer().ok_or(ChildFailure::PeerMisbehaved)?;
    negotiation::check_answer(policy, index, Pfs::NotNegotiated, answer, proposed)
        .ok()
        .and_then(|agreement| Agreed::read(&agreement))
        .ok_or(ChildFailure::PeerMisbehaved)
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
        let child = NewChild {
            agreed,
            inbound,
            replaces: None,
            outbound_ready: true,
        };
        let nonces = Nonces {
            initiator: &handshake.initiator_nonce,
            responder: &handshake.responder_nonce,
        };
        self.install_child(child, nonces, None, self.role, ctx, actions);
    }
}
