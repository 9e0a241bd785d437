//! A peer that says TEMPORARY_FAILURE for minutes holds another view of the IKE SA than we do
//! (RFC 7296 §2.25).

use crate::v2::IkeSa;
use crate::{Action, CloseReason, Context};

/// The peer refused for now: gives the IKE SA up when it has done so for too long.
pub(super) fn refused(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    let since = *standing.refused_since.get_or_insert(ctx.now);
    if ctx.now - since >= ctx.settings.refusals_end {
        sa.delete_ike(CloseReason::OutOfSync, ctx, actions);
    }
}

/// The peer granted a request: the ends understand each other.
pub(super) fn granted(sa: &mut IkeSa) {
    if let Some(standing) = sa.standing_mut() {
        standing.refused_since = None;
    }
}
