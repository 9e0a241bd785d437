//! Informational exchanges (RFC 2409 §5.7): each is one message that nobody answers as such and nobody
//! repeats.

use wire::ikev1::{Notification, NotifyType, Payload};

use super::deletes::{delete_child, esp_spi, on_delete};
use super::exchange::Incoming;
use super::{IkeSa, liveness, quick_mode, tracing};
use crate::trace::{ExchangeEnd, Input};
use crate::{Action, CloseReason, Context, Received, Rejection, RemovalReason};

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
        && let Some(asked) = liveness::read(sa, notification)
    {
        // Its number tells whether it is fresh: no need to remember the message ID.
        liveness::tell(asked, ctx, actions);
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
            liveness::tell(Received::Keepalive, ctx, actions);
            liveness::answer_keepalive(sa, notification.data, ctx, actions);
            return Some(Received::Keepalive);
        }
        NotifyType::IOS_KEEPALIVE_ACK => {
            liveness::tell(Received::KeepaliveAck, ctx, actions);
            return Some(Received::KeepaliveAck);
        }
        NotifyType::R_U_THERE | NotifyType::R_U_THERE_ACK => {
            return liveness::read(sa, notification);
        }
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
}
