//! What a watching operator is told of exchanges and their messages.

use wire::ikev1::{Payload, Payloads};

use crate::trace::{ExchangeEnd, Input, LivenessMessage, Stage, Way};
use crate::{Action, Context, Trace};

/// Tells that an exchange with a message ID of its own begins.
pub(super) fn begun(message_id: u32, ctx: &Context<'_>, actions: &mut Vec<Action>) {
    ctx.trace(actions, || Trace::ExchangeBegun {
        message_id,
        stage: Stage::Established,
    });
}

/// Tells how it ended.
pub(super) fn ended(
    message_id: u32,
    end: ExchangeEnd,
    ctx: &Context<'_>,
    actions: &mut Vec<Action>,
) {
    ctx.trace(actions, || Trace::ExchangeEnded { message_id, end });
}

/// Tells that nothing is kept of it.
pub(super) fn forgotten(message_id: u32, ctx: &Context<'_>, actions: &mut Vec<Action>) {
    ctx.trace(actions, || Trace::ExchangeForgotten { message_id });
}

/// Tells what a message holds.
pub(super) fn payloads(
    message_id: u32,
    payloads: &Payloads<'_>,
    ctx: &Context<'_>,
    actions: &mut Vec<Action>,
) {
    if !ctx.tracing {
        return;
    }
    for payload in payloads.iter() {
        ctx.trace(actions, || match payload {
            Payload::Notification(notification) => Trace::Notify {
                message_id,
                protocol: notification.protocol,
                spi: notification.spi.try_into().map_or(0, u32::from_be_bytes),
                kind: notification.notify_type.0,
            },
            other => Trace::Payload {
                message_id,
                payload: other.payload_type().0,
            },
        });
    }
}

/// Tells of a question after the peer's life, or of its answer.
pub(super) fn liveness(
    way: Way,
    what: LivenessMessage,
    ctx: &Context<'_>,
    actions: &mut Vec<Action>,
) {
    ctx.trace(actions, || Trace::Liveness { way, what });
}

/// Tells that quick mode went on.
pub(super) fn turned(
    message_id: u32,
    input: Input,
    from: Stage,
    to: Stage,
    ctx: &Context<'_>,
    actions: &mut Vec<Action>,
) {
    ctx.trace(actions, || Trace::Turned {
        exchange: Some(message_id),
        input,
        from,
        to,
    });
}

/// Tells that the IKE SA stays as it is after this.
pub(super) fn stayed(input: Input, ctx: &Context<'_>, actions: &mut Vec<Action>) {
    ctx.trace(actions, || Trace::Turned {
        exchange: None,
        input,
        from: Stage::Established,
        to: Stage::Established,
    });
}
