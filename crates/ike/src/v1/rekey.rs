//! Lifetimes of the IKE SA and its Child SAs, and their successors.

use core::time::Duration;

use ipsec::{EspSpi, Xauth};
use timer::Instant;

use super::quick_mode::{self, Aim};
use super::standing::Standing;
use super::{IkeSa, transaction};
use crate::{Action, ChildState, CloseReason, Context, RemovalReason, Trace};

/// How long a successor of the IKE SA may take before another is asked for.
const SUCCESSION: Duration = Duration::from_secs(120);
/// How long an IKE SA is kept whose Child SAs another has taken over.
const REPLACED_GRACE: Duration = Duration::from_secs(30);

/// When [`due`] has something to do.
pub(super) fn next(sa: &IkeSa) -> Instant {
    let Some(standing) = sa.standing() else {
        return Instant::MAX;
    };
    let mut earliest = standing.expires_at;
    if let Some(admission) = &standing.admission {
        earliest = earliest.min(admission.until);
    }
    if standing.is_open() {
        earliest = earliest.min(standing.rekey_at);
        if quick_mode::may_begin(sa) {
            return Instant::ZERO;
        }
    }
    for (_, due) in &standing.switching {
        earliest = earliest.min(*due);
    }
    for child in &standing.children {
        earliest = earliest.min(child.expires_at);
        if child.state == ChildState::Installed && standing.is_open() {
            earliest = earliest.min(child.rekey_at);
        }
    }
    earliest
}

/// Time passed.
pub(super) fn due(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing() else {
        return;
    };
    if standing.expires_at <= ctx.now {
        sa.expire(ctx, actions);
        return;
    }
    let admission = standing.admission.as_ref();
    if admission.is_some_and(|admission| admission.until <= ctx.now) {
        transaction::out_of_patience(sa, ctx, actions);
        return;
    }
    if standing.is_open() && standing.rekey_at <= ctx.now {
        start(sa, ctx, actions);
    }
    switch_children(sa, ctx, actions);
    expire_children(sa, ctx, actions);
    rekey_children(sa, ctx, actions);
    quick_mode::next(sa, ctx, actions);
}

/// Asks the owner for a successor: a new phase 1, to which the Child SAs are handed over.
pub(super) fn start(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing_mut().filter(|standing| standing.is_open()) else {
        return;
    };
    if serves_a_client(standing) {
        // Only the client can name its user and ask for its address again.
        standing.rekey_at = Instant::MAX;
        return;
    }
    // Asked for again if nothing comes of it.
    standing.rekey_at = ctx.now + SUCCESSION;
    actions.push(Action::ReauthenticationDue);
}

fn serves_a_client(standing: &Standing) -> bool {
    let asks_for_user = matches!(standing.connection.v1.xauth, Some(Xauth::Server));
    asks_for_user || !standing.leases.is_empty()
}

/// Moves outbound traffic to pairs that replace others, now that the peer must be ready for them.
fn switch_children(sa: &mut IkeSa, ctx: &Context<'_>, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    let mut due = Vec::new();
    standing.switching.retain(|(child, at)| {
        let now = *at <= ctx.now;
        due.extend(now.then_some(*child));
        !now
    });
    for child in due {
        sa.on_child_traffic(child, actions);
    }
}

fn expire_children(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let expired: Vec<(EspSpi, RemovalReason)> = sa
        .children()
        .iter()
        .filter(|child| child.expires_at <= ctx.now)
        .map(|child| {
            let reason = match child.replaced_by {
                Some(_) => RemovalReason::Rekeyed,
                None => RemovalReason::HardLifetime,
            };
            (child.inbound, reason)
        })
        .collect();
    for (child, reason) in expired {
        // One may have gone along with another.
        let _ = sa.delete_child(child, reason, ctx, actions);
    }
}

fn rekey_children(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let again = ctx.now + ctx.settings.retry_after_refusal;
    let Some(standing) = sa.standing_mut().filter(|standing| standing.is_open()) else {
        return;
    };
    let mut aims = Vec::new();
    for child in &mut standing.children {
        if child.rekey_at <= ctx.now && child.state == ChildState::Installed {
            // Tried again if the exchange fails; a success replaces the Child SA.
            child.rekey_at = again;
            aims.push(Aim::RekeyChild { old: child.inbound });
        }
    }
    if !aims.is_empty() {
        // A full queue leaves them for the next try.
        let _ = quick_mode::enqueue(sa, aims, ctx, actions);
    }
}

/// The peer has deleted the IKE SA. What it wants of the Child SAs it says apart (RFC 2408 §3.15);
/// peers whose phase 1 has a lifetime of its own leave them.
pub(super) fn deleted_by_peer(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let replaced = sa.standing().and_then(|standing| standing.replaced);
    let childless = sa.children().is_empty();
    match sa
        .standing_mut()
        .filter(|_| replaced.is_none() && !childless)
    {
        Some(standing) => {
            standing.replaced = Some(CloseReason::PeerDeleted);
            standing.rekey_at = Instant::MAX;
            standing.expires_at = standing.expires_at.min(ctx.now + REPLACED_GRACE);
            actions.push(Action::DeletedByPeer);
        }
        None => {
            let reason = replaced.unwrap_or(CloseReason::PeerDeleted);
            sa.terminate(reason, ctx, actions);
        }
    }
}

impl IkeSa {
    /// Hands everything that belongs to the peer over to another IKE SA with it: Child SAs do not
    /// depend on the IKE SA that made them. Afterwards this one holds nothing, and only waits to be
    /// deleted.
    ///
    /// The heir has to be established with the same peer, which the owner sees to. Commands that were
    /// not carried out go with the rest.
    pub fn hand_over(&mut self, heir: &mut Self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let mut aims = quick_mode::withdraw(self, ctx);
        let (Some(old), Some(new)) = (self.standing_mut(), heir.standing_mut()) else {
            return;
        };
        aims.append(&mut old.waiting);
        new.children.append(&mut old.children);
        new.contested.append(&mut old.contested);
        new.switching.append(&mut old.switching);
        // The Child SAs have the addresses that they were made with, whatever the heir was given.
        for lease in core::mem::take(&mut old.leases) {
            if new.leases.contains(&lease) {
                ctx.host.release_lease(old.proof.identity(), &lease);
            } else {
                new.leases.push(lease);
            }
        }
        for address in core::mem::take(&mut old.addresses) {
            if !new.addresses.contains(&address) {
                new.addresses.push(address);
            }
        }
        old.replaced = Some(CloseReason::Rekeyed);
        old.rekey_at = Instant::MAX;
        old.expires_at = old.expires_at.min(ctx.now + REPLACED_GRACE);
        // They are begun by the heir's next timer, since what this call asks for is asked of the
        // owner in the name of this IKE SA.
        new.waiting.append(&mut aims);
        ctx.trace(actions, || {
            Trace::Remark("another IKE SA takes the Child SAs over")
        });
    }
}
