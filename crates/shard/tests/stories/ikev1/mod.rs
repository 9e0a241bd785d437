//! The same two shards over IKEv1.

mod dead;
mod renewal;
mod replay;
mod set_up;

use std::time::Duration;

use dpd::{DpdPolicy, Mode};
use ipsec::Versions;

use crate::world::Terms;

const SECOND: Duration = Duration::from_secs(1);
/// One tick of the wheel, and one of the world.
const TICKS: Duration = Duration::from_millis(20);
/// The world moves in steps that are longer than a tick: each try may be late by one.
const STEPS: Duration = Duration::from_millis(70);

/// Two sites that know each other by their addresses.
fn sites() -> Terms {
    Terms {
        versions: Versions::V1,
        virtual_address: false,
        address_ids: true,
        ..Terms::default()
    }
}

fn with_mode(mode: Mode) -> Terms {
    Terms {
        headend_dpd: DpdPolicy {
            mode,
            ..DpdPolicy::default()
        },
        ..sites()
    }
}
