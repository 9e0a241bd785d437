//! Which selectors a policy allows between two ends, in either version of IKE.

use core::net::IpAddr;

use ipsec::{ChildPolicy, Selectors, TrafficSelector};

/// The addresses that stand for "dynamic" selectors.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends<'a> {
    /// Our virtual addresses, or empty.
    pub(crate) local: &'a [IpAddr],
    /// The peer's virtual addresses, or else its outer address.
    pub(crate) remote: &'a [IpAddr],
}

/// What a policy allows between these ends. Our side, left out, is everything as long as we have no
/// virtual address; the peer's side, left out, is just its address.
pub(crate) fn allowed(policy: &ChildPolicy, ends: Ends<'_>) -> Selectors {
    let local = if !policy.local_ts.is_empty() {
        policy.local_ts.clone()
    } else if ends.local.is_empty() {
        vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6]
    } else {
        hosts(ends.local)
    };
    let remote = if policy.remote_ts.is_empty() {
        hosts(ends.remote)
    } else {
        policy.remote_ts.clone()
    };
    Selectors::new(&local, &remote)
}

/// Whether everything that passes `inner` passes `outer`: a rekeyed SA must not be narrower than
/// the one that it replaces (RFC 7296 §2.9.2).
pub(crate) fn covers(outer: &Selectors, inner: &Selectors) -> bool {
    let within = |inner: &[TrafficSelector], outer: &[TrafficSelector]| {
        inner
            .iter()
            .all(|ts| outer.iter().any(|outer| ts.is_subset_of(outer)))
    };
    within(inner.local(), outer.local()) && within(inner.remote(), outer.remote())
}

fn hosts(addresses: &[IpAddr]) -> Vec<TrafficSelector> {
    let addresses = addresses.iter().map(IpAddr::to_canonical);
    addresses.map(TrafficSelector::host).collect()
}
