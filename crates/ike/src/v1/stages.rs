//! How far phase 1 has come, for whoever watches.

use wire::ikev1::Payloads;

use super::{IkeSa, tracing};
use crate::trace::{Input, Stage};
use crate::{Action, Context, Trace};

impl IkeSa {
    /// Tells whoever watches that phase 1 went on.
    pub(super) fn turn(
        &mut self,
        input: Input,
        to: Stage,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(handshake) = self.handshake_mut() {
            let from = core::mem::replace(&mut handshake.stage, to);
            ctx.trace(actions, || Trace::Turned {
                exchange: None,
                input,
                from,
                to,
            });
        }
    }

    /// The message of phase 1 with this number came and is understood.
    pub(super) fn turn_received(
        &mut self,
        number: u8,
        payloads: &Payloads<'_>,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(mode) = self.handshake().map(|handshake| handshake.mode) else {
            return;
        };
        self.turn(Input::Message, mode.stage(number), ctx, actions);
        tracing::payloads(0, payloads, ctx, actions);
        self.turn(Input::Process, mode.stage(number), ctx, actions);
    }

    /// The message of phase 1 with this number is sent.
    pub(super) fn turn_sent(&mut self, number: u8, ctx: &Context<'_>, actions: &mut Vec<Action>) {
        if let Some(mode) = self.handshake().map(|handshake| handshake.mode) {
            self.turn(Input::Complete, mode.stage(number), ctx, actions);
        }
    }
}
