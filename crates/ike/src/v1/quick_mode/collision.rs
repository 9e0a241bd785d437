//! Both ends may begin a quick mode for the same selectors at once, be it for a first pair or for a
//! rekey. Both pairs come to be; that which the initiator of phase 1 began stays, and who began the
//! other deletes it. Both ends know who that is, so they move to the same pair.

use ipsec::{EspSpi, Selectors};

use super::{State, quick_modes};
use crate::v1::exchange::{self, Exchange};
use crate::v1::standing::Standing;
use crate::{ChildSa, ChildState, Role, Side};

/// What a new pair of SAs is to those that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// There is no other.
    Alone,
    /// It takes the traffic of this one.
    Replaces(EspSpi),
    /// This one, made at the same time, keeps the traffic.
    Redundant(EspSpi),
}

/// The pair that carries the traffic of these selectors.
pub(super) fn sibling<'a>(
    standing: &'a Standing,
    policy: u16,
    selectors: &Selectors,
) -> Option<&'a ChildSa> {
    standing.children.iter().rev().find(|child| {
        child.policy == policy
            && child.selectors == *selectors
            && matches!(child.state, ChildState::Installed | ChildState::Rekeying)
    })
}

/// Where a pair belongs that was made by a quick mode of `side`; `collided` if the other end began
/// one at the same time.
pub(super) fn place(
    standing: &Standing,
    policy: u16,
    selectors: &Selectors,
    side: Side,
    role: Role,
    collided: bool,
) -> Place {
    let Some(sibling) = sibling(standing, policy, selectors) else {
        return Place::Alone;
    };
    let rivals = collided && standing.contested.contains(&sibling.inbound);
    let by_initiator = (side == Side::Ours) == (role == Role::Initiator);
    if rivals && !by_initiator {
        Place::Redundant(sibling.inbound)
    } else {
        Place::Replaces(sibling.inbound)
    }
}

/// Tells our quick modes for these selectors that the peer has begun one, too. Whether there are
/// any.
pub(super) fn meet(exchanges: &mut [Exchange], policy: u16, selectors: &Selectors) -> bool {
    let mut met = false;
    for exchange in exchanges {
        if let exchange::State::QuickMode(state) = &mut exchange.state
            && let Some(ours) = state.ours_mut()
            && ours.policy == policy
            && ours.selectors == *selectors
        {
            ours.collided = true;
            met = true;
        }
    }
    met
}

/// Whether a quick mode of ours for these selectors is under way: a second one would only make the
/// first one's pair redundant.
pub(super) fn is_under_way(exchanges: &[Exchange], policy: u16, selectors: &Selectors) -> bool {
    quick_modes(exchanges)
        .filter_map(State::ours)
        .any(|ours| ours.policy == policy && ours.selectors == *selectors)
}

/// The Child SA by which a quick mode of the peer is about to replace this one.
pub(in crate::v1) fn heir(exchanges: &[Exchange], child: EspSpi) -> Option<EspSpi> {
    quick_modes(exchanges).find_map(|state| match state {
        State::Confirming(confirming) if confirming.replaces == Some(child) => {
            Some(confirming.child)
        }
        _ => None,
    })
}

/// Whether outbound traffic has moved beyond this Child SA, to one that replaced it.
pub(in crate::v1) fn is_superseded(children: &[ChildSa], child: EspSpi) -> bool {
    let of = |spi| children.iter().find(|child| child.inbound == spi);
    let mut at = of(child);
    // Each has one successor at most, so there are no more steps than Child SAs.
    for _ in children {
        at = at.and_then(|child| of(child.replaced_by?));
        if at.is_some_and(|successor| !successor.outbound_pending) {
            return true;
        }
    }
    false
}
