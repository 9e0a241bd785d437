//! Transaction exchanges: user authentication (draft-beaulieu-ike-xauth-02) and configuration
//! (draft-dukes-ike-mode-cfg-02).

use super::IkeSa;
use super::exchange::{GivenUp, Incoming};
use super::quick_mode::{self, Aim};
use crate::{Action, Context, Received, Rejection};

/// A transaction under way.
pub(super) struct State {}

/// Phase 1 is done: does what the connection wants before Child SAs may exist, then announces the
/// IKE SA and, as initiator, begins its first Child SA.
pub(super) fn begin(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    sa.announce(actions);
    let first = sa.standing().and_then(|standing| standing.first_child);
    if let Some(policy) = first {
        let started = quick_mode::start(sa, Aim::NewChild { policy }, ctx, actions);
        if let Err(reason) = started {
            actions.push(Action::ChildFailed {
                policy,
                replaces: None,
                reason,
            });
        }
    }
}

/// An authenticated message of a transaction.
pub(super) fn on_message(
    _sa: &mut IkeSa,
    _incoming: &Incoming<'_>,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    Err(Rejection::UnexpectedExchange)
}

/// The exchange is gone; `state` is what it held.
pub(super) fn on_given_up(
    _sa: &mut IkeSa,
    _state: State,
    _why: GivenUp,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}
