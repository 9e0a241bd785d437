use ipsec::EspSpi;
use timer::Instant;

use super::create_child;
use crate::{CloseReason, RemovalReason};

/// A request that waits for its turn: the window is one request wide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Liveness,
    CreateChild {
        policy: u16,
    },
    RekeyChild {
        child: EspSpi,
    },
    RekeyIke,
    DeleteChild {
        child: EspSpi,
        reason: RemovalReason,
    },
    DeleteIke {
        reason: CloseReason,
    },
}

/// Our exchange under way.
pub(super) enum Task {
    /// A computation is needed before or after the request.
    Computing {
        serial: u32,
        step: create_child::Step,
    },
    /// A request is outstanding.
    Awaiting {
        request: Outstanding,
        exchange: Exchange,
    },
}

/// A request on its way, with what is needed to send it again bit-identically.
pub(super) struct Outstanding {
    pub(super) message_id: u32,
    /// One message, or its fragments.
    pub(super) datagrams: Vec<Vec<u8>>,
    /// Transmissions after the first.
    pub(super) retransmits: u8,
    /// The next one; [`Instant::MAX`] when the owner decides (liveness).
    pub(super) due: Instant,
}

/// What an outstanding request asked for.
pub(super) enum Exchange {
    Init,
    Auth,
    Liveness,
    DeleteChild {
        child: EspSpi,
        reason: RemovalReason,
    },
    DeleteIke {
        reason: CloseReason,
    },
    CreateChild(create_child::Requested),
}

/// A request of the peer that waits for a computation.
pub(super) struct Answering {
    pub(super) serial: u32,
    pub(super) message_id: u32,
    pub(super) state: create_child::Answering,
}
