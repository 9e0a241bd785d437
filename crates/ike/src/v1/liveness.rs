//! Questions after life, and answers to them: those of RFC 3706, and the older ones of IOS.

use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{Notification, NotifyType, Payload, isakmp_spi};

use super::{IkeSa, tracing};
use crate::trace::{Input, LivenessMessage, Way};
use crate::{Action, Context, Probe, Received};

/// R-U-THERE and its acknowledgement (RFC 3706 §5.3): the data is a number, the SPI both cookies,
/// which some leave out.
pub(super) fn read(sa: &IkeSa, notification: &Notification<'_>) -> Option<Received> {
    let sequence = u32::from_be_bytes(notification.data.try_into().ok()?);
    let (initiator, responder) = sa.cookies();
    let ours = notification.spi.is_empty() || notification.spi == isakmp_spi(initiator, responder);
    match notification.notify_type {
        NotifyType::R_U_THERE if ours => Some(Received::RUThere { sequence }),
        NotifyType::R_U_THERE_ACK if ours => Some(Received::RUThereAck { sequence }),
        _ => None,
    }
}

/// Tells whoever watches what came.
pub(super) fn tell(received: Received, ctx: &Context<'_>, actions: &mut Vec<Action>) {
    let what = match received {
        Received::RUThere { sequence } => LivenessMessage::RUThere { sequence },
        Received::RUThereAck { sequence } => LivenessMessage::RUThereAck { sequence },
        Received::Keepalive => LivenessMessage::Keepalive,
        Received::KeepaliveAck => LivenessMessage::KeepaliveAck,
        _ => return,
    };
    tracing::liveness(Way::Received, what, ctx, actions);
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
pub(super) fn answer_keepalive(
    sa: &mut IkeSa,
    data: &[u8],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
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
