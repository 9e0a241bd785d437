//! The end of an IKE SA.

use super::phase::Phase;
use super::task::{Asked, Exchange, Task};
use super::{IkeSa, create_child};
use crate::trace::{Input, Stage, Trace};
use crate::{Action, CloseReason, Context, RemovalReason};

impl IkeSa {
    /// Ends the IKE SA: everything that it holds is given back, and nothing more will come of it.
    pub(super) fn terminate(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let from = self.stage();
        self.abandon_exchanges(ctx);
        if from != Stage::Closed {
            ctx.trace(actions, || Trace::Deleting {
                reason: Some(reason),
                stage: from,
            });
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
            Phase::Initiating(_) => {}
            Phase::Responding(responding) => {
                actions.push(Action::HalfOpenEnded(responding.key));
            }
            Phase::AuthInitiator(auth) => {
                if let Some(spi) = auth.child_spi {
                    ctx.host.release_inbound_spi(spi);
                }
            }
            Phase::AuthResponder(auth) => actions.push(Action::HalfOpenEnded(auth.key)),
            Phase::Established(standing) => {
                let removal = match reason {
                    CloseReason::HardLifetime => RemovalReason::HardLifetime,
                    _ => RemovalReason::IkeSaClosed,
                };
                for child in &standing.children {
                    actions.push(Action::ChildRemoved {
                        child: child.inbound,
                        reason: removal,
                    });
                }
                for lease in &standing.leases {
                    ctx.host.release_lease(standing.proof.identity(), lease);
                }
                self.phase = Phase::Closed(Some(standing));
            }
        }
        self.keys = None;
        self.last_response = None;
        self.queue = Vec::new();
        actions.push(Action::Closed { reason });
    }

    /// Gives up whatever is under way, and gives back what it had reserved.
    pub(super) fn abandon_exchanges(&mut self, ctx: &mut Context<'_>) {
        match self.task.take().map(|task| *task) {
            Some(Task::Computing {
                step: super::task::Step::Child(step),
                ..
            }) => create_child::abandon_step(step, ctx),
            Some(Task::Awaiting {
                exchange: Exchange::CreateChild(requested),
                ..
            }) => create_child::abandon(requested, ctx),
            _ => {}
        }
        if let Some(Asked::CreateChild(state)) =
            self.answering.take().map(|answering| answering.state)
        {
            create_child::abandon_answering(state, ctx);
        }
    }
}
