//! The end of an IKE SA.

use ipsec::EspSpi;

use super::IkeSa;
use super::exchange::GivenUp;
use super::phase::Phase;
use super::standing::Standing;
use crate::trace::{Input, Stage};
use crate::{Action, CloseReason, Context, RemovalReason, Trace};

impl IkeSa {
    /// Ends the IKE SA: everything that it holds is given back, and nothing more will come of it.
    pub(super) fn terminate(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.trace_deleting(Some(reason), ctx, actions);
        }
        self.end(reason, ctx, actions);
    }

    pub(super) fn trace_deleting(
        &self,
        reason: Option<CloseReason>,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let stage = self.stage();
        ctx.trace(actions, || Trace::Deleting { reason, stage });
    }

    /// Removes the Child SAs of an IKE SA that is about to end, and returns their SPIs.
    pub(super) fn remove_children(
        &mut self,
        reason: CloseReason,
        actions: &mut Vec<Action>,
    ) -> Vec<EspSpi> {
        self.standing_mut().map_or_else(Vec::new, |standing| {
            remove_children(standing, reason, actions)
        })
    }

    /// As [`terminate`](Self::terminate), when it has been said already.
    pub(super) fn end(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        while let Some(message_id) = self.exchanges.last().map(|exchange| exchange.message_id) {
            self.give_up_exchange(message_id, GivenUp::Closed, ctx, actions);
        }
        let from = self.stage();
        if from != Stage::Closed {
            ctx.trace(actions, || Trace::Turned {
                exchange: None,
                input: Input::ending(reason),
                from,
                to: Stage::Closed,
            });
        }
        match core::mem::replace(&mut self.phase, Phase::Closed(None)) {
            Phase::Closed(known) => {
                self.phase = Phase::Closed(known);
                return;
            }
            Phase::Handshake(handshake) => {
                actions.extend(handshake.half_open.map(Action::HalfOpenEnded));
            }
            Phase::Established(mut standing) => {
                actions.extend(standing.half_open.map(Action::HalfOpenEnded));
                remove_children(&mut standing, reason, actions);
                for lease in &standing.leases {
                    ctx.host.release_lease(standing.proof.identity(), lease);
                }
                self.phase = Phase::Closed(Some(standing));
            }
        }
        self.keys = None;
        self.phase_one = super::repetition::PhaseOneMessages::default();
        self.fragments = None;
        actions.push(Action::Closed { reason });
    }
}

fn remove_children(
    standing: &mut Standing,
    reason: CloseReason,
    actions: &mut Vec<Action>,
) -> Vec<EspSpi> {
    let reason = match reason {
        CloseReason::HardLifetime => RemovalReason::HardLifetime,
        _ => RemovalReason::IkeSaClosed,
    };
    let gone: Vec<EspSpi> = standing
        .children
        .drain(..)
        .map(|child| child.inbound)
        .collect();
    let removed = |child: &EspSpi| Action::ChildRemoved {
        child: *child,
        reason,
    };
    actions.extend(gone.iter().map(removed));
    gone
}
