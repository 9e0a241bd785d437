//! What waits to be begun: few quick modes of ours run at once.

use ipsec::EspSpi;

use super::{Aim, OWN_MAX, initiator, pairs, quick_modes};
use crate::v1::standing::Standing;
use crate::v1::{IkeSa, exchange};
use crate::{Action, ChildFailure, ChildState, Context};

/// Puts aims in the queue and begins as many as may run at once.
///
/// # Errors
/// When the queue is full.
pub(in crate::v1) fn enqueue(
    sa: &mut IkeSa,
    aims: impl IntoIterator<Item = Aim>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), ChildFailure> {
    let standing = sa.standing_mut().ok_or(ChildFailure::UnknownChild)?;
    let mut room = Ok(());
    for aim in aims {
        if standing.waiting.contains(&aim) {
            continue;
        }
        if standing.waiting.len() >= ctx.settings.queue_max {
            room = Err(ChildFailure::Limit);
            break;
        }
        standing.waiting.push(aim);
    }
    next(sa, ctx, actions);
    room
}

/// The aims that together set a child up, one for each pair of its selectors.
pub(in crate::v1) fn aims_of_child(sa: &IkeSa, policy: u16) -> Vec<Aim> {
    let Some(standing) = sa.standing() else {
        return Vec::new();
    };
    let Some(terms) = standing.connection.children.get(usize::from(policy)) else {
        return Vec::new();
    };
    let pairs = pairs::pairs_of(sa, terms);
    (0..=u16::MAX)
        .zip(pairs)
        .map(|(pair, _)| Aim::NewChild { policy, pair })
        .collect()
}

/// Something waits and may begin.
pub(in crate::v1) fn may_begin(sa: &IkeSa) -> bool {
    let own = quick_modes(&sa.exchanges).filter(|state| state.ours().is_some());
    let waits = |standing: &Standing| standing.is_open() && !standing.waiting.is_empty();
    sa.standing().is_some_and(waits) && own.count() < OWN_MAX
}

/// Begins what waits, as long as there is room.
pub(in crate::v1) fn next(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    while may_begin(sa) {
        let Some(standing) = sa.standing_mut() else {
            return;
        };
        let aim = standing.waiting.remove(0);
        if standing.waiting.is_empty() {
            standing.waiting = Vec::new();
        }
        if let Err(reason) = initiator::begin(sa, aim, ctx, actions) {
            not_begun(sa, aim, reason, ctx, actions);
        }
    }
}

fn not_begun(
    sa: &mut IkeSa,
    aim: Aim,
    reason: ChildFailure,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let again = crate::lifetimes::retry_at(ctx);
    let (policy, replaces) = match aim {
        Aim::NewChild { policy, .. } => (policy, None),
        Aim::RekeyChild { old } => {
            let Some(child) = sa.child_mut(old) else {
                return;
            };
            child.rekey_at = child.rekey_at.max(again);
            (child.policy, Some(old))
        }
    };
    actions.push(Action::ChildFailed {
        policy,
        replaces,
        reason,
    });
}

/// Gives up what we began and returns which Child SAs it should have rekeyed, so that another IKE SA
/// can do it. What the peer began comes to its end.
pub(in crate::v1) fn withdraw(sa: &mut IkeSa, ctx: &mut Context<'_>) -> Vec<Aim> {
    let own: Vec<(u32, EspSpi, Option<EspSpi>)> = sa
        .exchanges
        .iter()
        .filter_map(|exchange| match &exchange.state {
            exchange::State::QuickMode(state) => {
                let ours = state.ours()?;
                Some((exchange.message_id, ours.spi, ours.old))
            }
            _ => None,
        })
        .collect();
    let mut aims = Vec::new();
    for (id, spi, old) in own {
        ctx.host.release_inbound_spi(spi);
        sa.drop_exchange(id);
        let Some(old) = old else { continue };
        aims.push(Aim::RekeyChild { old });
        if let Some(child) = sa.child_mut(old)
            && child.state == ChildState::Rekeying
        {
            child.state = ChildState::Installed;
        }
    }
    aims
}
