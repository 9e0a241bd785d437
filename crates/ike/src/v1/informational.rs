//! Informational exchanges (RFC 2409 §5.7): notifies, deletes, questions after the peer's life. Each
//! is one message that nobody answers as such and nobody repeats.

use ipsec::EspSpi;
use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{Delete, Notification, NotifyType, Payload, isakmp_spi};

use super::exchange::Incoming;
use super::{IkeSa, quick_mode, tracing};
use crate::trace::{ExchangeEnd, Input, LivenessMessage, Way};
use crate::{
    Action, ChildFailure, ChildState, CloseReason, Context, Probe, Received, Rejection,
    RemovalReason,
};

/// SPIs in one Delete payload of ours at most.
const DELETES_MAX: usize = 64;

/// An authenticated informational message once phase 1 is done.
pub(super) fn on_message(
    sa: &mut IkeSa,
    incoming: &Incoming<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    sa.follow(incoming.path, actions);
    let id = incoming.message_id;
    tracing::begun(id, ctx, actions);
    tracing::payloads(id, incoming.payloads, ctx, actions);
    let handled = handle(sa, incoming, ctx, actions);
    tracing::ended(id, ExchangeEnd::Informational, ctx, actions);
    if sa.is_established() {
        let deletes = |payload: &Payload<'_>| matches!(payload, Payload::Delete(_));
        let input = if incoming.payloads.iter().any(deletes) {
            Input::PeerDelete
        } else {
            Input::PeerNotify
        };
        tracing::stayed(input, ctx, actions);
    }
    handled
}

fn handle(
    sa: &mut IkeSa,
    incoming: &Incoming<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    if let [_, part] = incoming.payloads.parts.as_slice()
        && let Payload::Notification(notification) = &part.payload
        && let Some(asked) = liveness(sa, notification)
    {
        // Its number tells whether it is fresh: no need to remember the message ID.
        tell_liveness(asked, ctx, actions);
        return Ok(asked);
    }
    sa.remember(incoming.message_id, ctx)?;
    let mut received = Received::FreshRequest { liveness: false };
    for payload in incoming.payloads.iter() {
        match payload {
            Payload::Delete(delete) => on_delete(sa, delete, ctx, actions),
            Payload::Notification(notification) => {
                let told = on_notification(sa, notification, ctx, actions);
                received = told.unwrap_or(received);
            }
            _ => {}
        }
    }
    quick_mode::next(sa, ctx, actions);
    Ok(received)
}

/// R-U-THERE and its acknowledgement (RFC 3706 §5.3): the data is a number, the SPI both cookies,
/// which some leave out.
fn liveness(sa: &IkeSa, notification: &Notification<'_>) -> Option<Received> {
    let sequence = u32::from_be_bytes(notification.data.try_into().ok()?);
    let (initiator, responder) = sa.cookies();
    let ours = notification.spi.is_empty() || notification.spi == isakmp_spi(initiator, responder);
    match notification.notify_type {
        NotifyType::R_U_THERE if ours => Some(Received::RUThere { sequence }),
        NotifyType::R_U_THERE_ACK if ours => Some(Received::RUThereAck { sequence }),
        _ => None,
    }
}

fn tell_liveness(received: Received, ctx: &Context<'_>, actions: &mut Vec<Action>) {
    let what = match received {
        Received::RUThere { sequence } => LivenessMessage::RUThere { sequence },
        Received::RUThereAck { sequence } => LivenessMessage::RUThereAck { sequence },
        Received::Keepalive => LivenessMessage::Keepalive,
        Received::KeepaliveAck => LivenessMessage::KeepaliveAck,
        _ => return,
    };
    tracing::liveness(Way::Received, what, ctx, actions);
}

/// What the peer notifies. A result where it is about liveness.
fn on_notification(
    sa: &mut IkeSa,
    notification: &Notification<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Option<Received> {
    match notification.notify_type {
        NotifyType::INITIAL_CONTACT => hear_initial_contact(sa, actions),
        NotifyType::IOS_KEEPALIVE => {
            tell_liveness(Received::Keepalive, ctx, actions);
            answer_keepalive(sa, notification.data, ctx, actions);
            return Some(Received::Keepalive);
        }
        NotifyType::IOS_KEEPALIVE_ACK => {
            tell_liveness(Received::KeepaliveAck, ctx, actions);
            return Some(Received::KeepaliveAck);
        }
        NotifyType::R_U_THERE | NotifyType::R_U_THERE_ACK => return liveness(sa, notification),
        NotifyType::INVALID_SPI => on_invalid_spi(sa, notification, ctx, actions),
        error if error.is_error() => on_error(sa, notification, error, ctx, actions),
        _ => {}
    }
    None
}

/// The peer knows of no other SA with us (RFC 2407 §4.6.3.3), so those that we know are stale. Who
/// the peer is may be known in full only later.
pub(super) fn hear_initial_contact(sa: &mut IkeSa, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    // Once is enough: afterwards it could only harm what was made since.
    if core::mem::replace(&mut standing.initial_contact_heard, true) {
        return;
    }
    if !standing.announced {
        standing.initial_contact_held = true;
        return;
    }
    actions.push(Action::PeerInitialContact {
        identity: standing.proof.identity().clone(),
    });
}

/// The peer got ESP for an SPI that it does not know. What it says is authenticated, so the pair is
/// gone at its end.
fn on_invalid_spi(
    sa: &mut IkeSa,
    notification: &Notification<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    // Some put the SPI into the data, some where the SPI of a notify stands.
    let named = esp_spi(notification.data).or_else(|| esp_spi(notification.spi));
    let child = named.and_then(|named| sa.standing()?.child_by_outbound(named));
    if let Some(child) = child.map(|child| child.inbound) {
        // It was known a moment ago.
        let _ = delete_child(sa, child, RemovalReason::Rejected, ctx, actions);
    }
}

/// The peer refuses something: a quick mode, or while no Child SA may exist yet, all of it.
fn on_error(
    sa: &mut IkeSa,
    notification: &Notification<'_>,
    error: NotifyType,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let meant = quick_mode::on_refused(sa, notification.spi, error, ctx, actions);
    if !meant && !sa.is_established() {
        let reason = if error == NotifyType::AUTHENTICATION_FAILED {
            CloseReason::PeerRejectedAuthentication
        } else {
            CloseReason::PeerRefused
        };
        sa.terminate(reason, ctx, actions);
    }
}

/// The peer has deleted SAs (RFC 2408 §3.15). It names those on which it received.
fn on_delete(
    sa: &mut IkeSa,
    delete: &Delete<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match delete.protocol {
        protocol::ISAKMP => {
            let (initiator, responder) = sa.cookies();
            let own = isakmp_spi(initiator, responder);
            if delete.spis.iter().any(|spi| **spi == own) {
                super::rekey::deleted_by_peer(sa, ctx, actions);
            }
        }
        protocol::ESP => {
            let named: Vec<EspSpi> = delete.spis.iter().filter_map(|spi| esp_spi(spi)).collect();
            for outbound in &named {
                child_deleted(sa, *outbound, &named, ctx, actions);
            }
        }
        _ => {}
    }
}

fn child_deleted(
    sa: &mut IkeSa,
    outbound: EspSpi,
    all: &[EspSpi],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let child = sa
        .standing()
        .and_then(|standing| standing.child_by_outbound(outbound));
    let Some((inbound, replaced_by)) = child.map(|child| (child.inbound, child.replaced_by)) else {
        return;
    };
    // The third message of a rekey may be late; its initiator deletes the old pair all the same.
    let replaced_by = replaced_by.or_else(|| quick_mode::heir(&sa.exchanges, inbound));
    let reason = match replaced_by {
        Some(_) => RemovalReason::Rekeyed,
        None => RemovalReason::PeerDeleted,
    };
    match replaced_by {
        // The initiator of a rekey deletes what it has replaced: it is ready on the new pair.
        Some(successor) => {
            sa.on_child_traffic(successor, actions);
            inherit(sa, inbound, successor);
        }
        None => revive_replaced_by(sa, inbound, all, ctx, actions),
    }
    sa.remove_child(inbound, reason, actions);
}

/// What the one that goes had replaced is replaced by its successor now.
fn inherit(sa: &mut IkeSa, gone: EspSpi, successor: EspSpi) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    for child in &mut standing.children {
        if child.replaced_by == Some(gone) {
            child.replaced_by = Some(successor);
        }
    }
}

/// The peer deletes a pair that we thought had replaced another: both ends rekeyed at once, and it
/// has settled for the other, which is still there.
fn revive_replaced_by(
    sa: &mut IkeSa,
    gone: EspSpi,
    all: &[EspSpi],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    let replaced = standing.children.iter_mut().rev().find(|child| {
        child.replaced_by == Some(gone)
            && child.state == ChildState::Replaced
            && !all.contains(&child.outbound)
    });
    if let Some(child) = replaced {
        child.state = ChildState::Installed;
        child.replaced_by = None;
        child.outbound_pending = false;
        // It has little of its life left, so it is rekeyed at once.
        child.rekey_at = ctx.now;
        actions.push(Action::OutboundSwitched {
            child: child.inbound,
        });
    }
}

impl IkeSa {
    /// Remembers the message ID of an exchange that the peer began. When there is little room left, a
    /// successor is due, which begins with an empty memory.
    pub(super) fn remember(&mut self, message_id: u32, ctx: &Context<'_>) -> Result<(), Rejection> {
        if !self.seen.insert(message_id) {
            return Err(Rejection::ExchangeLimit);
        }
        if self.seen.is_nearly_full()
            && let Some(standing) = self.standing_mut()
        {
            standing.rekey_at = standing.rekey_at.min(ctx.now);
        }
        Ok(())
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
        standing.contested.retain(|known| *known != child);
        if standing.children.len() < before {
            actions.push(Action::ChildRemoved { child, reason });
        }
    }
}

fn esp_spi(octets: &[u8]) -> Option<EspSpi> {
    octets.try_into().ok().map(u32::from_be_bytes).map(EspSpi)
}

/// Sends R-U-THERE, or to a peer that does not know it the keepalive of IOS if the connection wants
/// that.
pub(super) fn probe(
    sa: &mut IkeSa,
    sequence: u32,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Probe {
    let what = if sa.peer_detects_dead_peers() {
        LivenessMessage::RUThere { sequence }
    } else if wants_keepalives(sa) {
        LivenessMessage::Keepalive
    } else {
        return Probe::Unsupported;
    };
    let sequence = sequence.to_be_bytes();
    match what {
        LivenessMessage::Keepalive => {
            notify_of_sa(sa, NotifyType::IOS_KEEPALIVE, &[], what, ctx, actions);
        }
        _ => notify_of_sa(sa, NotifyType::R_U_THERE, &sequence, what, ctx, actions),
    }
    tracing::stayed(Input::PeersAlive, ctx, actions);
    Probe::Sent
}

fn wants_keepalives(sa: &IkeSa) -> bool {
    sa.standing()
        .is_some_and(|standing| standing.connection.v1.ios_keepalive)
}

/// Sends R-U-THERE-ACK.
pub(super) fn acknowledge(
    sa: &mut IkeSa,
    sequence: u32,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let what = LivenessMessage::RUThereAck { sequence };
    let sequence = sequence.to_be_bytes();
    notify_of_sa(sa, NotifyType::R_U_THERE_ACK, &sequence, what, ctx, actions);
}

/// The older keepalive of IOS: no document describes it; what it carries goes back.
fn answer_keepalive(sa: &mut IkeSa, data: &[u8], ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let what = LivenessMessage::KeepaliveAck;
    notify_of_sa(sa, NotifyType::IOS_KEEPALIVE_ACK, data, what, ctx, actions);
}

/// A notify about the ISAKMP SA, which names it by both cookies.
fn notify_of_sa(
    sa: &mut IkeSa,
    notify_type: NotifyType,
    data: &[u8],
    what: LivenessMessage,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let (initiator, responder) = sa.cookies();
    let notification = Payload::Notification(Notification {
        doi: doi::IPSEC,
        protocol: protocol::ISAKMP,
        spi: &isakmp_spi(initiator, responder),
        notify_type,
        data,
    });
    sa.send_notice(&[notification], Some(what), ctx, actions);
}

/// Deletes a Child SA, and with it those that it has replaced: they were only kept for what was on
/// its way.
pub(super) fn delete_child(
    sa: &mut IkeSa,
    child: EspSpi,
    reason: RemovalReason,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), ChildFailure> {
    let standing = sa.standing().ok_or(ChildFailure::UnknownChild)?;
    standing.child(child).ok_or(ChildFailure::UnknownChild)?;
    let goes = |known: &&crate::ChildSa| known.inbound == child || known.replaced_by == Some(child);
    let gone: Vec<EspSpi> = standing
        .children
        .iter()
        .filter(goes)
        .map(|known| known.inbound)
        .collect();
    send_deletes(sa, &gone, ctx, actions);
    for spi in gone {
        let reason = if spi == child {
            reason
        } else {
            RemovalReason::Rekeyed
        };
        sa.remove_child(spi, reason, actions);
    }
    Ok(())
}

/// Tells the peer that the IKE SA and its Child SAs are gone.
pub(super) fn delete_all(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let children: Vec<EspSpi> = sa.children().iter().map(|child| child.inbound).collect();
    send_deletes(sa, &children, ctx, actions);
    let (initiator, responder) = sa.cookies();
    let spi = isakmp_spi(initiator, responder);
    let delete = Payload::Delete(Delete {
        doi: doi::IPSEC,
        protocol: protocol::ISAKMP,
        spis: vec![&spi],
    });
    sa.send_informational(&[delete], ctx, actions);
}

/// Tells the peer on which SPIs we do not receive any more.
pub(super) fn send_deletes(
    sa: &mut IkeSa,
    inbound: &[EspSpi],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let spis: Vec<[u8; 4]> = inbound.iter().map(|spi| spi.0.to_be_bytes()).collect();
    for some in spis.chunks(DELETES_MAX) {
        let delete = Payload::Delete(Delete {
            doi: doi::IPSEC,
            protocol: protocol::ESP,
            spis: some.iter().map(<[u8; 4]>::as_slice).collect(),
        });
        sa.send_informational(&[delete], ctx, actions);
    }
}
