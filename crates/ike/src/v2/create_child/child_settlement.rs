//! What comes of an exchange of ours about a Child SA (RFC 7296 §2.8, §2.8.1, §2.25).

use crypto::Secret;
use ipsec::EspSpi;
use timer::Instant;

use super::child_initiator::Answer;
use super::collision::Rival;
use super::{Aim, Ours, REPLACED_GRACE, Reserved, patience};
use crate::lifetimes::retry_at;
use crate::v2::install::NewChild;
use crate::v2::keymat::Nonces;
use crate::v2::task::Command;
use crate::v2::{ChildState, IkeSa, Role};
use crate::{Action, ChildFailure, Context, RemovalReason};

/// Both ends have everything: installs the Child SA and settles what becomes of the old one.
pub(super) fn complete(
    sa: &mut IkeSa,
    ours: Ours,
    answer: Answer,
    shared: Option<&Secret>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Reserved::Esp(inbound) = ours.spi else {
        return;
    };
    let lost = ours
        .rival
        .as_ref()
        .is_some_and(|rival| rival.prevails_over([&ours.nonce, &answer.nonce]));
    let replaces = match ours.aim {
        Aim::RekeyChild { old } => Some(old),
        Aim::NewChild { .. } | Aim::RekeyIke => None,
    };
    let disowned = ours.disowned.contains(&answer.agreed.outbound);
    let child = NewChild {
        agreed: answer.agreed,
        inbound,
        replaces,
        // RFC 7296 §2.8: the responder was ready before it answered.
        outbound_ready: !lost,
    };
    let nonces = Nonces {
        initiator: &ours.nonce,
        responder: &answer.nonce,
    };
    sa.install_child(child, nonces, shared, Role::Initiator, ctx, actions);
    patience::granted(sa);
    let rival = ours.rival.and_then(Rival::into_child);
    match replaces {
        None => {}
        Some(old) if lost => withdraw(sa, old, inbound, rival, ctx, actions),
        Some(old) => {
            supersede(sa, old, inbound, rival, ctx, actions);
        }
    }
    if disowned {
        sa.remove_child(inbound, RemovalReason::PeerDeleted, actions);
    }
}

/// RFC 7296 §2.8.1: ours is the redundant one, so we delete it; the peer deletes the old one.
fn withdraw(
    sa: &mut IkeSa,
    old: EspSpi,
    ours: EspSpi,
    rival: Option<EspSpi>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if let Some(rival) = rival {
        redirect_deletion(sa, old, rival);
    }
    retire(sa, ours, None, ctx.now);
    if let Some(old) = sa.child_mut(old) {
        old.state = ChildState::Replaced;
    }
    delete_first(sa, ours, RemovalReason::RedundantRekey, ctx, actions);
}

/// Ours stands: we delete the old one, and the peer the one that it made at the same time.
fn supersede(
    sa: &mut IkeSa,
    old: EspSpi,
    ours: EspSpi,
    rival: Option<EspSpi>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    redirect_deletion(sa, old, ours);
    retire(sa, old, Some(ours), ctx.now);
    if let Some(rival) = rival {
        redirect_deletion(sa, rival, ours);
        retire(sa, rival, Some(ours), ctx.now);
    }
    delete_first(sa, old, RemovalReason::Rekeyed, ctx, actions);
}

/// Keeps a Child SA for inbound traffic only, until one end deletes it.
pub(super) fn retire(sa: &mut IkeSa, child: EspSpi, successor: Option<EspSpi>, now: Instant) {
    if let Some(child) = sa.child_mut(child) {
        child.state = ChildState::Replaced;
        child.outbound_pending = false;
        child.replaced_by = successor;
        child.rekey_at = Instant::MAX;
        child.expires_at = child.expires_at.min(now + REPLACED_GRACE);
    }
}

/// Whoever wanted the old one deleted wants its successor deleted: it is the traffic that should end.
pub(super) fn redirect_deletion(sa: &mut IkeSa, old: EspSpi, successor: EspSpi) {
    for command in &mut sa.queue {
        if let Command::DeleteChild {
            child,
            reason: RemovalReason::Deleted,
        } = command
            && *child == old
        {
            *child = successor;
        }
    }
}

/// Deletes before anything else that waits: the peer is kept no longer than needed with two pairs.
fn delete_first(
    sa: &mut IkeSa,
    child: EspSpi,
    reason: RemovalReason,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    sa.queue.retain(
        |waiting| !matches!(waiting, Command::DeleteChild { child: other, .. } if *other == child),
    );
    sa.queue.insert(0, Command::DeleteChild { child, reason });
    sa.next_command(ctx, actions);
}

/// The exchange came to nothing.
pub(super) fn fail(
    sa: &mut IkeSa,
    ours: Ours,
    reason: ChildFailure,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let (aim, policy) = (ours.aim, ours.policy);
    let collided = ours.rival.is_some();
    ours.release(ctx);
    if let Aim::RekeyChild { old } = aim {
        if collided {
            // RFC 7296 §2.8.1, second case: the peer's rekey was done before it saw ours; it
            // deletes the old one.
            retire_in_favour_of_successor(sa, old, ctx.now);
            return;
        }
        if reason == ChildFailure::ChildSaNotFound {
            start_over(sa, old, policy, ctx, actions);
        }
        postpone_rekey(sa, aim, ctx);
    }
    actions.push(failed(policy, aim, reason));
    if reason == ChildFailure::TemporaryFailure {
        patience::refused(sa, ctx, actions);
    }
}

fn retire_in_favour_of_successor(sa: &mut IkeSa, old: EspSpi, now: Instant) {
    let successor = sa.child_mut(old).and_then(|child| child.replaced_by);
    retire(sa, old, successor, now);
}

/// RFC 7296 §2.25: what the peer does not know is deleted silently and created from scratch.
fn start_over(
    sa: &mut IkeSa,
    old: EspSpi,
    policy: u16,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if sa.child_mut(old).is_none() {
        // The peer has deleted it in the meantime, and knows why.
        return;
    }
    sa.remove_child(old, RemovalReason::Rejected, actions);
    sa.queue.insert(0, Command::CreateChild { policy });
    sa.next_command(ctx, actions);
}

/// The old one stays in use, and its rekey is tried again later.
pub(super) fn postpone_rekey(sa: &mut IkeSa, aim: Aim, ctx: &mut Context<'_>) {
    let again = retry_at(ctx);
    if let Aim::RekeyChild { old } = aim
        && let Some(old) = sa.child_mut(old)
        && matches!(old.state, ChildState::Rekeying | ChildState::Installed)
    {
        old.state = ChildState::Installed;
        old.rekey_at = again;
    }
}

pub(super) fn failed(policy: u16, aim: Aim, reason: ChildFailure) -> Action {
    let replaces = match aim {
        Aim::RekeyChild { old } => Some(old),
        Aim::NewChild { .. } | Aim::RekeyIke => None,
    };
    Action::ChildFailed {
        policy,
        replaces,
        reason,
    }
}
