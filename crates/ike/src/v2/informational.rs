//! INFORMATIONAL (RFC 7296 §1.4): liveness checks, deletion, and notifies that concern an
//! established IKE SA.

use ipsec::EspSpi;
use wire::ikev2::numbers::protocol;
use wire::ikev2::{Delete, ExchangeType, NotifyType, Payload};

use super::contents::Contents;
use super::task::Exchange;
use super::{ChildState, IkeSa, create_child};
use crate::{Action, CloseReason, Context, RemovalReason};

/// How an IKE SA is deleted: it is the one that protects the message, so no SPI is named.
pub(super) fn delete_ike_payload() -> Payload<'static> {
    Payload::Delete(Delete {
        protocol: protocol::IKE,
        spis: Vec::new(),
    })
}

fn delete_children_payload(inbound: &[EspSpi]) -> Payload<'static> {
    Payload::Delete(Delete {
        protocol: protocol::ESP,
        spis: inbound.iter().map(|spi| spi.0).collect(),
    })
}

impl IkeSa {
    /// A request of the peer.
    pub(super) fn on_informational_request(
        &mut self,
        message_id: u32,
        payloads: &[Payload<'_>],
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if deletes_ike(payloads) {
            self.respond_informational(message_id, &[], actions);
            create_child::on_peer_deletes_ike(self, ctx, actions);
            // RFC 7296 §2.25.2: our own request to delete it is forgotten.
            let replaced = self.standing().and_then(|standing| standing.replaced);
            let reason = replaced.unwrap_or(CloseReason::PeerDeleted);
            self.terminate(reason, ctx, actions);
            return;
        }
        if rejects_us(payloads) {
            self.respond_informational(message_id, &[], actions);
            self.terminate(CloseReason::PeerRejectedAuthentication, ctx, actions);
            return;
        }
        self.hear_lifetime(&Contents::of(payloads), ctx);
        let deleted = self.delete_children_of_peer(payloads, actions);
        if deleted.is_empty() {
            self.respond_informational(message_id, &[], actions);
        } else {
            let answer = [delete_children_payload(&deleted)];
            self.respond_informational(message_id, &answer, actions);
        }
    }

    /// RFC 4478 §3: the peer may limit our authentication in IKE_AUTH or at any time after.
    pub(super) fn hear_lifetime(&mut self, contents: &Contents<'_, '_>, ctx: &mut Context<'_>) {
        let seconds = contents
            .notify(NotifyType::AUTH_LIFETIME)
            .and_then(|data| data.try_into().ok())
            .map(u32::from_be_bytes);
        if let (Some(seconds), Some(standing)) = (seconds, self.standing_mut()) {
            standing.limit_authentication(seconds, ctx);
        }
    }

    fn respond_informational(
        &mut self,
        message_id: u32,
        payloads: &[Payload<'_>],
        actions: &mut Vec<Action>,
    ) {
        self.send_response(ExchangeType::INFORMATIONAL, message_id, payloads, actions);
    }

    /// Removes what the peer deletes and says which inbound halves went along. The peer names the
    /// SPIs on which it receives, which are ours to send to (RFC 7296 §1.4.1).
    fn delete_children_of_peer(
        &mut self,
        payloads: &[Payload<'_>],
        actions: &mut Vec<Action>,
    ) -> Vec<EspSpi> {
        let mut answer = Vec::new();
        for outbound in deleted_spis(payloads) {
            let Some(child) = self
                .standing()
                .and_then(|standing| standing.child_by_outbound(outbound))
            else {
                create_child::on_peer_deletes_unknown(self, outbound);
                continue;
            };
            let (inbound, state) = (child.inbound, child.state);
            let reason = match child.replaced_by {
                Some(_) => RemovalReason::Rekeyed,
                None => RemovalReason::PeerDeleted,
            };
            // RFC 7296 §1.4.1: both ends delete at once: our own request has named our half.
            if state != ChildState::Deleting {
                answer.push(inbound);
            }
            self.switch_to_successor_of(inbound, actions);
            self.remove_child(inbound, reason, actions);
        }
        answer
    }

    /// The initiator of a rekey deletes the old Child SA: it is ready on the new one.
    fn switch_to_successor_of(&mut self, old: EspSpi, actions: &mut Vec<Action>) {
        let successor = self
            .standing()
            .and_then(|standing| standing.child(old))
            .and_then(|child| child.replaced_by);
        if let Some(successor) = successor {
            self.on_child_traffic(successor, actions);
        }
    }

    /// Sends the request that deletes a Child SA.
    pub(super) fn send_child_delete(
        &mut self,
        child: EspSpi,
        reason: RemovalReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        // The peer may have deleted it while the command waited.
        let Some(known) = self.child_mut(child) else {
            return;
        };
        known.state = ChildState::Deleting;
        let delete = [delete_children_payload(&[child])];
        let exchange = Exchange::DeleteChild { child, reason };
        self.send_request(ExchangeType::INFORMATIONAL, &delete, exchange, ctx, actions);
    }

    /// Sends the request that deletes the IKE SA.
    pub(super) fn send_ike_delete(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let delete = [delete_ike_payload()];
        let exchange = Exchange::DeleteIke { reason };
        self.send_request(ExchangeType::INFORMATIONAL, &delete, exchange, ctx, actions);
    }

    /// The response to our request to delete a Child SA. Whatever it says, the pair is gone.
    pub(super) fn on_child_deleted(
        &mut self,
        child: EspSpi,
        reason: RemovalReason,
        actions: &mut Vec<Action>,
    ) {
        self.remove_child(child, reason, actions);
    }

    /// Forgets a Child SA and tells the owner.
    pub(super) fn remove_child(
        &mut self,
        child: EspSpi,
        reason: RemovalReason,
        actions: &mut Vec<Action>,
    ) {
        let Some(standing) = self.standing_mut() else {
            return;
        };
        let before = standing.children.len();
        standing.children.retain(|known| known.inbound != child);
        if standing.children.len() < before {
            actions.push(Action::ChildRemoved { child, reason });
        }
    }
}

fn deletes_ike(payloads: &[Payload<'_>]) -> bool {
    payloads.iter().any(
        |payload| matches!(payload, Payload::Delete(delete) if delete.protocol == protocol::IKE),
    )
}

/// RFC 7296 §2.21.2: an initiator that did not accept our authentication says so when we believe
/// the IKE SA to be established.
fn rejects_us(payloads: &[Payload<'_>]) -> bool {
    payloads.iter().any(|payload| {
        matches!(payload, Payload::Notify(notify)
            if notify.kind == NotifyType::AUTHENTICATION_FAILED)
    })
}

fn deleted_spis(payloads: &[Payload<'_>]) -> Vec<EspSpi> {
    let mut spis = Vec::new();
    for payload in payloads {
        if let Payload::Delete(delete) = payload
            && delete.protocol == protocol::ESP
        {
            spis.extend(delete.spis.iter().map(|spi| EspSpi(*spi)));
        }
    }
    spis
}
