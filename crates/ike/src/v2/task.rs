use ipsec::EspSpi;
use timer::Instant;
use wire::ikev2::ExchangeType;

use super::{create_child, ike_auth};
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
        /// When the result is taken for lost: the pool drops what it has no room for.
        deadline: Instant,
        step: Step,
    },
    /// A request is outstanding.
    Awaiting {
        request: Outstanding,
        exchange: Exchange,
    },
}

/// What our exchange does with the result of its computation.
pub(super) enum Step {
    /// IKE_SA_INIT, in either role: the phase knows.
    Handshake,
    /// IKE_AUTH as initiator: our signature.
    Sign,
    /// IKE_AUTH as initiator: what the responder's proof is worth.
    Judge(ike_auth::Kept),
    /// CREATE_CHILD_SA.
    Child(create_child::Step),
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

impl Exchange {
    /// The type of its messages.
    pub(super) fn exchange_type(&self) -> ExchangeType {
        match self {
            Self::Init => ExchangeType::IKE_SA_INIT,
            Self::Auth => ExchangeType::IKE_AUTH,
            Self::Liveness | Self::DeleteChild { .. } | Self::DeleteIke { .. } => {
                ExchangeType::INFORMATIONAL
            }
            Self::CreateChild(_) => ExchangeType::CREATE_CHILD_SA,
        }
    }
}

/// A request of the peer that waits for a computation.
pub(super) struct Answering {
    pub(super) serial: u32,
    /// When the result is taken for lost.
    pub(super) deadline: Instant,
    pub(super) message_id: u32,
    pub(super) state: Asked,
}

/// What the peer asked for.
pub(super) enum Asked {
    /// IKE_AUTH, with a certificate.
    Auth(Box<ike_auth::Pending>),
    /// CREATE_CHILD_SA.
    CreateChild(create_child::Answering),
}
