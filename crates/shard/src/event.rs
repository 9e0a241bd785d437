use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use dpd::{BreakerEvent, Evidence};
use ike::{ChildFailure, CloseReason, Path, RemovalReason, Role};
use ipsec::{EspSpi, FrontVrf, Identity, IkeSpi, InnerVrf, TrafficSelector};
use timer::Instant;

use crate::ShardId;

/// Which peer something happened to.
#[derive(Clone, Debug)]
pub struct PeerRef {
    /// The shard that owns the IKE SA.
    pub shard: ShardId,
    /// Our SPI of the IKE SA, which names it.
    pub spi: IkeSpi,
    /// Name of the connection; empty before it is known.
    pub connection: Arc<str>,
    /// Who the peer is; `None` before authentication.
    pub identity: Option<Identity>,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Where it was met.
    pub fvrf: FrontVrf,
    /// Where its traffic comes from and goes to.
    pub ivrf: InnerVrf,
}

/// Something that an operator may want to know.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened.
    pub at: Instant,
    /// To whom.
    pub peer: PeerRef,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// Both ends are authenticated.
    Established {
        /// Our part in the first exchange.
        role: Role,
        /// From the first message until now.
        setup: Duration,
        /// Virtual addresses given to the peer.
        leases: Vec<IpAddr>,
    },
    /// The IKE SA has a successor.
    Rekeyed {
        /// Our SPI of the successor.
        successor: IkeSpi,
    },
    /// The IKE SA is gone.
    Closed {
        /// Why.
        reason: CloseReason,
        /// Whether it was ever established.
        established: bool,
    },
    /// A Child SA can carry traffic.
    ChildInstalled {
        /// Name of the child in its connection.
        child: Arc<str>,
        /// Our SPI.
        inbound: EspSpi,
        /// The peer's SPI.
        outbound: EspSpi,
        /// Our SPI of the Child SA that it replaces.
        replaces: Option<EspSpi>,
        /// What may pass on our side.
        local_ts: Vec<TrafficSelector>,
        /// What may pass on the peer's side.
        remote_ts: Vec<TrafficSelector>,
    },
    /// A Child SA is gone.
    ChildRemoved {
        /// Our SPI.
        inbound: EspSpi,
        /// Why.
        reason: RemovalReason,
    },
    /// A Child SA that we wanted did not come to be.
    ChildFailed {
        /// Name of the child in its connection.
        child: Arc<str>,
        /// Why.
        reason: ChildFailure,
    },
    /// The peer is reached on another path.
    PathChanged {
        /// Where it was.
        from: Path,
        /// Where it is.
        to: Path,
    },
    /// A Child SA carries more than one shard can, so that the others help from now on; or it does so
    /// no longer.
    Elephant {
        /// Our SPI.
        inbound: EspSpi,
        /// Whether it begins or ends.
        begins: bool,
    },
    /// The peer may be silent through our own fault; it is kept for now.
    Suspect,
    /// A suspected peer showed that it lives.
    Recovered,
    /// The host name of a peer could not be resolved. The event names no IKE SA.
    Unresolved {
        /// The name.
        name: Arc<str>,
    },
    /// Many peers of one fault domain fell silent together, or most of them spoke again. The event
    /// names no peer.
    Breaker(BreakerEvent),
    /// The peer is dead. Its SAs go with this event.
    Dead {
        /// What the verdict rests on.
        evidence: Box<Evidence>,
    },
}

impl EventKind {
    /// The event's name in logs and in the event stream.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Established { .. } => "established",
            Self::Rekeyed { .. } => "rekeyed",
            Self::Closed { .. } => "closed",
            Self::ChildInstalled { .. } => "child-installed",
            Self::ChildRemoved { .. } => "child-removed",
            Self::ChildFailed { .. } => "child-failed",
            Self::PathChanged { .. } => "path-changed",
            Self::Elephant { .. } => "elephant",
            Self::Suspect => "suspect",
            Self::Recovered => "recovered",
            Self::Unresolved { .. } => "unresolved",
            Self::Breaker(_) => "breaker",
            Self::Dead { .. } => "dead",
        }
    }
}
