//! What an operator may watch, and what is shown of it.

use core::net::{IpAddr, SocketAddr};

use dpd::DpdPolicy;
use ike::trace::Stage;
use ike::{ChildFailure, CloseReason, RemovalReason, Role, Trace};
use ipsec::{EspSpi, Identity};
use timer::Instant;

use crate::PeerRef;

/// A set of what may be watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Topics(u8);

impl Topics {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// IKEv1.
    pub const ISAKMP: Self = Self(1);
    /// IKEv2.
    pub const IKEV2: Self = Self(2);
    /// Child SAs.
    pub const IPSEC: Self = Self(4);
    /// Dead peer detection.
    pub const DPD: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they have a member in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What a step of an IKE SA of this major version belongs to.
    const fn of_version(version: u8) -> Self {
        if version < 2 {
            Self::ISAKMP
        } else {
            Self::IKEV2
        }
    }
}

/// Whose life is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watched {
    /// Everybody's.
    Everybody,
    /// That of the peers at this outer address.
    Address(IpAddr),
    /// That of the peer with this identity, from its authentication on.
    Identity(Identity),
}

/// What one watcher wants to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceFilter {
    /// Of what.
    pub topics: Topics,
    /// Of whom.
    pub whom: Watched,
}

impl TraceFilter {
    /// Whether a record is wanted.
    #[must_use]
    pub fn accepts(&self, record: &TraceRecord) -> bool {
        let peer = &record.peer;
        self.topics.meets(record.topics()) && self.is_about(peer.remote, peer.identity.as_ref())
    }

    fn is_about(&self, remote: SocketAddr, identity: Option<&Identity>) -> bool {
        match &self.whom {
            Watched::Everybody => true,
            Watched::Address(address) => *address == remote.ip(),
            Watched::Identity(wanted) => identity == Some(wanted),
        }
    }
}

/// What the watchers of a shard want to see of one peer, all of them together.
pub(crate) fn wanted(
    filters: &[TraceFilter],
    remote: SocketAddr,
    identity: Option<&Identity>,
) -> Topics {
    filters
        .iter()
        .filter(|filter| filter.is_about(remote, identity))
        .fold(Topics::NONE, |sum, filter| sum.and(filter.topics))
}

/// One step in the life of a peer, for those who watch.
#[derive(Clone, Debug)]
pub struct TraceRecord {
    /// When.
    pub at: Instant,
    /// Whose; its SPI is zero before an IKE SA exists.
    pub peer: PeerRef,
    /// The number of the IKE SA for people ([`PeerRow::number`](crate::PeerRow)); 0 before it exists.
    pub number: u32,
    /// Major version of IKE.
    pub version: u8,
    /// Our part; `None` before an IKE SA exists.
    pub role: Option<Role>,
    /// How far the IKE SA has come.
    pub stage: Stage,
    /// What happened.
    pub step: TraceStep,
}

impl TraceRecord {
    /// What it belongs to.
    #[must_use]
    pub fn topics(&self) -> Topics {
        self.step.topics(self.version)
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum TraceStep {
    /// In IKE.
    Ike(Trace),
    /// In dead peer detection.
    Dpd(DpdStep),
    /// To a Child SA.
    Child(ChildStep),
    /// The peer has its first Child SA, or lost its last.
    Session {
        /// The former.
        up: bool,
    },
    /// All that was kept of the IKE SA is gone.
    Gone,
}

impl TraceStep {
    /// What it belongs to, with this major version of IKE.
    pub(crate) const fn topics(&self, version: u8) -> Topics {
        let ike = Topics::of_version(version);
        match self {
            Self::Ike(
                Trace::Liveness { .. }
                | Trace::Deleting {
                    reason: Some(CloseReason::Unresponsive),
                    ..
                },
            )
            | Self::Dpd(_) => ike.and(Topics::DPD),
            Self::Ike(_) | Self::Gone => ike,
            Self::Child(ChildStep::Removed { .. }) => ike.and(Topics::IPSEC),
            Self::Child(_) => Topics::IPSEC,
            Self::Session { .. } => ike.and(Topics::DPD).and(Topics::IPSEC),
        }
    }
}

/// A step of dead peer detection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DpdStep {
    /// The peer is watched from now on, by this policy.
    Enabled(Box<DpdPolicy>),
    /// The peer is asked for a sign of life.
    Asking {
        /// Number of the try within its probe, from 1; 0 on suspicion.
        try_number: u8,
    },
    /// A try went unanswered.
    Unanswered,
    /// It may be our own fault; the peer is kept for now.
    Suspect,
    /// The suspected peer lives.
    Recovered,
    /// The peer is dead.
    NotResponding,
}

/// What happened to a Child SA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChildStep {
    /// It can receive.
    Installed {
        /// Our SPI.
        inbound: EspSpi,
        /// The peer's SPI.
        outbound: EspSpi,
        /// Our SPI of the Child SA that it replaces.
        replaces: Option<EspSpi>,
    },
    /// Outbound traffic uses it from now on.
    Active {
        /// Our SPI.
        inbound: EspSpi,
        /// The peer's SPI.
        outbound: EspSpi,
    },
    /// It is gone.
    Removed {
        /// Our SPI.
        inbound: EspSpi,
        /// Why.
        reason: RemovalReason,
        /// Child SAs that the peer has left.
        left: usize,
    },
    /// A Child SA that we wanted did not come to be.
    Failed {
        /// Why.
        reason: ChildFailure,
    },
    /// It reached a limit of volume or of sequence numbers and is to be replaced.
    Aged {
        /// Our SPI.
        inbound: EspSpi,
    },
}
