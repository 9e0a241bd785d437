//! Putting a pair of SAs in place that quick mode has made, and taking those away that it replaces.

use core::time::Duration;
use std::sync::Arc;

use crypto::Secret;
use ipsec::{ChildPolicy, EspSpi, Selectors};
use timer::Instant;

use super::Confirming;
use super::collision::{Place, place};
use super::keymat::{Seed, child_keys};
use super::life::Life;
use super::offer::Agreed;
use crate::action::{ChildInstalled, ChildTerms};
use crate::lifetimes::{after, shortened};
use crate::v1::IkeSa;
use crate::v1::phase::Phase;
use crate::{Action, ChildSa, ChildState, Context, RemovalReason, Side};

/// How long we go on sending on a pair that our own quick mode replaces, unless the peer uses the new
/// one before: nobody tells us that it has had the third message.
const SWITCH: Duration = Duration::from_secs(2);
/// How long we keep a pair that our own quick mode has replaced, while the peer moves.
const OWN_GRACE: Duration = Duration::from_secs(5);
/// How long we keep a pair that the peer's quick mode has replaced: it should delete it before, but
/// some peers leave that to the lifetime.
const PEER_GRACE: Duration = Duration::from_secs(10);

/// A pair on which both ends agree.
pub(super) struct NewChild<'a> {
    pub(super) policy: u16,
    pub(super) selectors: Selectors,
    pub(super) agreed: Agreed,
    /// Our SPI.
    pub(super) inbound: EspSpi,
    /// The shorter of the lifetimes of both ends.
    pub(super) life: Life,
    /// Who began the quick mode.
    pub(super) side: Side,
    /// The other end began one at the same time.
    pub(super) collided: bool,
    pub(super) initiator_nonce: &'a [u8],
    pub(super) responder_nonce: &'a [u8],
    /// With perfect forward secrecy.
    pub(super) shared: Option<&'a Secret>,
}

/// Derives the keys and hands the pair to the owner. As responder, outbound traffic waits for the
/// third message or for the peer's traffic; the pair that it then replaces is returned.
pub(super) fn install(
    sa: &mut IkeSa,
    child: NewChild<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Option<EspSpi> {
    let (path, role, side, inbound) = (sa.path, sa.role, child.side, child.inbound);
    let (Some(keys), Phase::Established(standing)) = (&sa.keys, &mut sa.phase) else {
        return None;
    };
    let connection = Arc::clone(&standing.connection);
    let policy = connection.children.get(usize::from(child.policy))?;
    let seed = Seed {
        algorithm: keys.suite.hash,
        derivation: &keys.derivation,
        shared: child.shared,
        initiator_nonce: child.initiator_nonce,
        responder_nonce: child.responder_nonce,
    };
    let suite = child.agreed.terms.protection();
    let outbound = child.agreed.peer_spi;
    let (outbound_key, inbound_key) = child_keys(seed, suite, inbound, outbound);
    let place = place(
        standing,
        child.policy,
        &child.selectors,
        side,
        role,
        child.collided,
    );
    if child.collided {
        standing.contested.push(inbound);
    }
    let (replaces, redundant) = match place {
        Place::Alone => (None, false),
        Place::Replaces(old) => (Some(old), false),
        Place::Redundant(_) => (None, true),
    };
    let outbound_ready = side == Side::Ours && place == Place::Alone;
    let (rekey_at, expires_at) = ends(policy, child.life, ctx);
    standing.children.reserve_exact(1);
    standing.children.push(ChildSa {
        inbound,
        outbound,
        policy: child.policy,
        state: ChildState::Installed,
        replaced_by: None,
        outbound_pending: !outbound_ready && !redundant,
        rekey_at,
        expires_at,
        pfs: child.agreed.terms.group.filter(|_| child.shared.is_some()),
        selectors: child.selectors.clone(),
    });
    let terms = ChildTerms {
        inbound,
        outbound,
        suite,
        inbound_key,
        outbound_key,
        esn: child.agreed.terms.esn,
        encapsulated: child.agreed.mode.is_encapsulated(),
        path,
        selectors: child.selectors,
        connection: Arc::clone(&standing.connection),
        policy: child.policy,
        replaces,
        octets_max: child.life.octets(),
        outbound_ready,
    };
    let installed = ChildInstalled::new(terms, &standing.proof);
    actions.push(Action::ChildInstalled(Box::new(installed)));
    match (place, side) {
        (Place::Replaces(old), Side::Ours) => {
            standing.switching.push((inbound, ctx.now + SWITCH));
            retire(sa, old, inbound, OWN_GRACE, ctx.now);
        }
        (Place::Redundant(winner), Side::Ours) => retire(sa, inbound, winner, OWN_GRACE, ctx.now),
        (Place::Redundant(winner), Side::Theirs) => {
            // It is the peer's to delete: one with another rule may be using it.
            retire(sa, inbound, winner, Duration::MAX, ctx.now);
        }
        _ => {}
    }
    replaces
}

/// When a pair is rekeyed, and when it is gone. A peer whose lifetime is shorter than ours decides;
/// where the policy rekeys at all, it then does so in good time.
fn ends(policy: &ChildPolicy, life: Life, ctx: &mut Context<'_>) -> (Instant, Instant) {
    let rekey = &policy.rekey;
    let hard = match (rekey.hard_time, life.time()) {
        (Some(own), Some(agreed)) => Some(own.min(agreed)),
        (own, agreed) => own.or(agreed),
    };
    let soft = rekey.time.map(|soft| match hard {
        Some(hard) => soft.min(hard.saturating_mul(9) / 10),
        None => soft,
    });
    let soft = soft.map(|soft| shortened(soft, rekey.jitter_percent, ctx.entropy));
    (after(ctx.now, soft), after(ctx.now, hard))
}

/// The third message has come, or traffic that says the same: the peer is ready.
pub(super) fn confirmed(
    sa: &mut IkeSa,
    confirming: &Confirming,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    sa.on_child_traffic(confirming.child, actions);
    if let Some(old) = confirming.replaces {
        retire(sa, old, confirming.child, PEER_GRACE, ctx.now);
    }
}

/// The third message never came. Without traffic either, the peer has no use for the pair.
pub(super) fn unconfirmed(
    sa: &mut IkeSa,
    confirming: &Confirming,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let pending = |child: &mut ChildSa| child.outbound_pending;
    if sa.child_mut(confirming.child).is_some_and(pending) {
        sa.remove_child(confirming.child, RemovalReason::Unconfirmed, actions);
    } else {
        confirmed(sa, confirming, ctx, actions);
    }
}

/// Keeps a pair for inbound traffic only, until one end deletes it.
pub(super) fn retire(
    sa: &mut IkeSa,
    child: EspSpi,
    successor: EspSpi,
    grace: Duration,
    now: Instant,
) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    // One that has not taken the traffic yet does so for a moment: what it replaces itself goes
    // before its successor's time has come.
    let switching = standing.switching.iter().any(|(waits, _)| *waits == child);
    if let Some(child) = standing.child_mut(child) {
        child.state = ChildState::Replaced;
        child.replaced_by = Some(successor);
        child.outbound_pending &= switching;
        child.rekey_at = Instant::MAX;
        child.expires_at = child.expires_at.min(now + grace);
    }
}
