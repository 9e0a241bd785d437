//! Lifetimes of the IKE SA and its Child SAs, and their successors.

use timer::Instant;

use super::IkeSa;
use crate::{Action, Context};

/// When [`due`] has something to do.
pub(super) fn next(sa: &IkeSa) -> Instant {
    sa.standing().map_or(Instant::MAX, |standing| {
        if standing.is_open() {
            standing.expires_at.min(standing.rekey_at)
        } else {
            standing.expires_at
        }
    })
}

/// Time passed.
pub(super) fn due(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing() else {
        return;
    };
    if standing.expires_at <= ctx.now {
        sa.expire(ctx, actions);
    } else if standing.is_open() && standing.rekey_at <= ctx.now {
        start(sa, ctx, actions);
    }
}

/// Asks the owner for a successor.
pub(super) fn start(sa: &mut IkeSa, _ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    if let Some(standing) = sa.standing_mut().filter(|standing| standing.is_open()) {
        standing.rekey_at = Instant::MAX;
        actions.push(Action::ReauthenticationDue);
    }
}
