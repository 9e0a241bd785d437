//! Which selectors a child stands for in quick mode, where one pair is all that an exchange can name.

use core::net::IpAddr;

use ipsec::{ChildPolicy, Selectors, TrafficSelector};

use super::client_id;
use crate::allowed::{Ends, allowed};
use crate::v1::IkeSa;

/// Pairs that one child stands for at most.
const PAIRS_MAX: usize = 16;

/// What a child's policy allows between the ends as they are now.
pub(super) fn allowed_now(sa: &IkeSa, policy: &ChildPolicy) -> Selectors {
    let own = sa
        .standing()
        .map_or(&[][..], |standing| &standing.addresses);
    let peer = peer_addresses(sa);
    let ends = Ends {
        local: own,
        remote: &peer,
    };
    allowed(policy, ends)
}

/// The pairs that we propose for a child, each in a quick mode of its own: every selector of our side
/// with every one of the peer's that is of the same family. Ranges of ports cannot be said and are
/// left out.
pub(super) fn pairs_of(sa: &IkeSa, policy: &ChildPolicy) -> Vec<Selectors> {
    let allowed = allowed_now(sa, policy);
    let can_be_said = |ts: &&TrafficSelector| client_id::write(ts).is_some();
    let mut pairs = Vec::new();
    for local in allowed.local().iter().filter(can_be_said) {
        for remote in allowed.remote().iter().filter(can_be_said) {
            if local.start.is_ipv4() == remote.start.is_ipv4() && pairs.len() < PAIRS_MAX {
                pairs.push(Selectors::new(&[*local], &[*remote]));
            }
        }
    }
    pairs
}

/// The selectors of a quick mode of the peer, if a child's policy allows them. Nothing is narrowed in
/// IKEv1, so they must lie within what is allowed.
///
/// One thing is different: a client with a virtual address of ours may name everything as our side.
/// It has been told, or not, what stands behind us (split include), and names everything all the
/// same; it gets what the policy allows.
pub(super) fn accept(
    sa: &IkeSa,
    policy: &ChildPolicy,
    local: TrafficSelector,
    remote: TrafficSelector,
) -> Option<Selectors> {
    let allowed = allowed_now(sa, policy);
    let within = |ts: &TrafficSelector, list: &[TrafficSelector]| {
        list.iter().any(|allowed| ts.is_subset_of(allowed))
    };
    if !within(&remote, allowed.remote()) {
        return None;
    }
    if within(&local, allowed.local()) {
        return Some(Selectors::new(&[local], &[remote]));
    }
    let client = sa
        .standing()
        .is_some_and(|standing| !standing.leases.is_empty());
    let everything = local == TrafficSelector::ANY_V4 || local == TrafficSelector::ANY_V6;
    let same_family: Vec<TrafficSelector> = allowed
        .local()
        .iter()
        .filter(|ts| ts.start.is_ipv4() == local.start.is_ipv4())
        .copied()
        .collect();
    (client && everything && !same_family.is_empty())
        .then(|| Selectors::new(&same_family, &[remote]))
}

/// What "dynamic" selectors of the peer's side stand for: its virtual addresses from us, or else its
/// outer address.
fn peer_addresses(sa: &IkeSa) -> Vec<IpAddr> {
    let leases = sa.standing().map_or(&[][..], |standing| &standing.leases);
    if leases.is_empty() {
        return vec![sa.path.remote.ip()];
    }
    leases.iter().map(|lease| lease.address).collect()
}
