//! VRFs by name.

use ipsec::{FrontVrf, GLOBAL_VRF, InnerVrf};

/// The name of a front-door VRF.
pub(super) fn front_name(vrf: FrontVrf) -> String {
    name(vrf.0)
}

/// The name of an inner VRF.
pub(super) fn inner_name(vrf: InnerVrf) -> String {
    name(vrf.0)
}

/// The front-door VRF with this name.
pub(super) fn front_named(name: &str) -> Option<FrontVrf> {
    (name == GLOBAL_VRF).then_some(FrontVrf::GLOBAL)
}

/// The inner VRF with this name.
pub(super) fn inner_named(name: &str) -> Option<InnerVrf> {
    (name == GLOBAL_VRF).then_some(InnerVrf::GLOBAL)
}

fn name(number: u16) -> String {
    match number {
        0 => GLOBAL_VRF.to_owned(),
        number => number.to_string(),
    }
}
