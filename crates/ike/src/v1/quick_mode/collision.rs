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

/// Whether a quick mode of the peer is about to replace this Child SA.
pub(super) fn is_being_replaced(exchanges: &[Exchange], child: EspSpi) -> bool {
    quick_modes(exchanges).any(|state| match state {
        State::Confirming(confirming) => confirming.replaces == Some(child),
        _ => false,
    })
}
