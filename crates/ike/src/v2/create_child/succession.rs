//! How the successor of an IKE SA comes to be and takes over (RFC 7296 §2.8, §2.18).

use crypto::Secret;
use ipsec::IkeSpi;
use timer::Instant;

use super::REPLACED_GRACE;
use crate::v2::keymat::{IkeKeys, Nonces, skeyseed_of_successor};
use crate::v2::phase::Phase;
use crate::v2::sa::SaKeys;
use crate::v2::suite::IkeSuite;
use crate::v2::task::Command;
use crate::v2::{IkeSa, Role};
use crate::{Action, CloseReason, Context};

/// An IKE SA with new keys and the same peer, but without Child SAs so far. `role` is ours in the
/// exchange, `spis` are ours and the peer's. Message IDs start at 0 (RFC 7296 §2.18).
pub(super) fn successor(
    sa: &IkeSa,
    role: Role,
    spis: (IkeSpi, IkeSpi),
    suite: IkeSuite,
    nonces: Nonces<'_>,
    shared: &Secret,
    ctx: &mut Context<'_>,
) -> Option<Box<IkeSa>> {
    let old = sa.keys.as_ref()?;
    let seed = skeyseed_of_successor(old.suite.prf, &old.derivation, nonces, shared);
    let (initiator, responder) = match role {
        Role::Initiator => (spis.0.0, spis.1.0),
        Role::Responder => (spis.1.0, spis.0.0),
    };
    let keys = IkeKeys::expand(&suite, &seed, nonces, initiator, responder);
    let standing = sa.standing()?.successor(ctx);
    let phase = Phase::Established(Box::new(standing));
    let mut made = IkeSa::new(role, spis.0, spis.1, sa.path, phase);
    made.nat = sa.nat;
    made.fragment_size = sa.fragment_size;
    let mut keys = SaKeys::new(suite, keys, role);
    // A successor stands on the authentication of the first of its line.
    keys.authentication = None;
    made.keys = Some(Box::new(keys));
    Some(Box::new(made))
}

/// The successor inherits the Child SAs, the virtual addresses and what waits to be done. The old
/// IKE SA is left with nothing but its own deletion.
pub(super) fn hand_over(
    sa: &mut IkeSa,
    mut successor: Box<IkeSa>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let path = sa.path;
    let queue = core::mem::take(&mut sa.queue);
    let (Some(old), Some(new)) = (sa.standing_mut(), successor.standing_mut()) else {
        return;
    };
    new.children = core::mem::take(&mut old.children);
    new.leases = core::mem::take(&mut old.leases);
    new.addresses = core::mem::take(&mut old.addresses);
    // Whoever wanted the old one deleted meant the peer.
    new.closing = old.closing.take();
    old.replace(CloseReason::Rekeyed, ctx.now + REPLACED_GRACE);
    successor.path = path;
    successor.queue = queue;
    successor
        .queue
        .retain(|command| !matches!(command, Command::RekeyIke | Command::Liveness));
    actions.push(Action::Rekeyed { successor });
}

/// Ours lost: hands it to the owner and deletes it.
pub(super) fn discard_ours(mut made: Box<IkeSa>, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    close_to_all_else(&mut made, ctx.now);
    let reason = CloseReason::RedundantRekey;
    let mut deletion = Vec::new();
    made.queue.push(Command::DeleteIke { reason });
    made.next_command(ctx, &mut deletion);
    actions.push(Action::Redundant { sa: made });
    actions.append(&mut deletion);
}

/// Theirs lost: hands it to the owner until the peer deletes it.
pub(super) fn await_discard(
    mut rival: Box<IkeSa>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    close_to_all_else(&mut rival, ctx.now);
    actions.push(Action::Redundant { sa: rival });
}

fn close_to_all_else(sa: &mut IkeSa, now: Instant) {
    if let Some(standing) = sa.standing_mut() {
        standing.replace(CloseReason::RedundantRekey, now + REPLACED_GRACE);
    }
}
