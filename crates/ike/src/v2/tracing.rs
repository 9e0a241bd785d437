//! What a watching operator is told of an IKE SA's stages and messages.

use wire::ikev2::Payload;

use super::IkeSa;
use super::phase::Phase;
use crate::trace::{Input, LivenessMessage, Stage, Trace, Way};
use crate::{Action, Context};

impl IkeSa {
    /// The major version that it speaks.
    #[must_use]
    pub const fn version(&self) -> u8 {
        2
    }

    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Initiating(_) | Phase::Responding(_) => Stage::Init,
            Phase::AuthInitiator(_) | Phase::AuthResponder(_) => Stage::Auth,
            Phase::Established(_) => Stage::Established,
            Phase::Closed(_) => Stage::Closed,
        }
    }

    /// Tells that the stage changed, if it did. The end has been told already.
    pub(super) fn trace_turn(
        &self,
        from: Stage,
        input: Input,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let to = self.stage();
        if from != to && to != Stage::Closed {
            ctx.trace(actions, || Trace::Turned {
                exchange: None,
                input,
                from,
                to,
            });
        }
    }
}

/// Tells what a message holds.
pub(super) fn trace_payloads(
    message_id: u32,
    payloads: &[Payload<'_>],
    ctx: &Context<'_>,
    actions: &mut Vec<Action>,
) {
    if !ctx.tracing {
        return;
    }
    for payload in payloads {
        ctx.trace(actions, || match payload {
            Payload::Notify(notify) => Trace::Notify {
                message_id,
                protocol: notify.protocol,
                spi: notify.spi.try_into().map_or(0, u32::from_be_bytes),
                kind: notify.kind.0,
            },
            other => Trace::Payload {
                message_id,
                payload: other.payload_type().0,
            },
        });
    }
}

/// Tells of a question after the peer's life, or of its answer.
pub(super) fn trace_liveness(
    way: Way,
    what: LivenessMessage,
    ctx: &Context<'_>,
    actions: &mut Vec<Action>,
) {
    ctx.trace(actions, || Trace::Liveness { way, what });
}
