use std::sync::Arc;

use dpd::DpdPolicy;
use ipsec::{ConnectionPolicy, EspSpi, Identity, IdentityPattern, IkeSpi, PolicySnapshot};

use crate::{Loan, TraceFilter};

/// The policy that a shard works by. Immutable; a reload hands over another one.
#[derive(Clone)]
pub struct Policy {
    /// Connections, secrets and pools.
    pub snapshot: Arc<PolicySnapshot>,
    /// Liveness policies, indexed by `ConnectionPolicy::dpd`.
    pub dpd: Arc<[DpdPolicy]>,
    /// Peers for whom another of them holds than for their connection.
    pub dpd_exceptions: Arc<[DpdException]>,
}

/// A liveness policy for some peers of a connection.
#[derive(Clone, Debug)]
pub struct DpdException {
    /// Name of the connection.
    pub connection: Arc<str>,
    /// The peers.
    pub identity: IdentityPattern,
    /// Index of their policy.
    pub dpd: u16,
}

impl Policy {
    /// Index of the liveness policy that holds for a peer: that of the first exception which is
    /// about it, or else its connection's.
    #[must_use]
    pub fn dpd_for(&self, connection: &ConnectionPolicy, peer: Option<&Identity>) -> u16 {
        let about = |one: &&DpdException| {
            one.connection == connection.name && peer.is_some_and(|peer| one.identity.matches(peer))
        };
        self.dpd_exceptions
            .iter()
            .find(about)
            .map_or(connection.dpd, |one| one.dpd)
    }

    /// As [`dpd_for`](Self::dpd_for), by the connection's name. A peer whose connection is gone goes
    /// by the first policy.
    pub(crate) fn dpd_of(&self, connection: &str, peer: Option<&Identity>) -> u16 {
        let connection = self.snapshot.connections.named(connection);
        connection.map_or(0, |connection| self.dpd_for(connection, peer))
    }
}

/// What the operator or the runtime wants of a shard.
#[derive(Clone)]
pub enum Command {
    /// Set up an IKE SA as initiator, with one of its children.
    Initiate {
        /// Index of the connection in the snapshot.
        connection: u32,
        /// Index of the child in the connection.
        child: u16,
    },
    /// Delete an IKE SA, with notice to the peer.
    Terminate {
        /// Our SPI.
        spi: IkeSpi,
    },
    /// Delete a Child SA, with notice to the peer.
    TerminateChild {
        /// Our SPI.
        inbound: EspSpi,
    },
    /// Rekey an IKE SA now.
    RekeyIke {
        /// Our SPI.
        spi: IkeSpi,
    },
    /// Rekey a Child SA now.
    RekeyChild {
        /// Our SPI.
        inbound: EspSpi,
    },
    /// Delete every IKE SA, with notice to the peers, and accept no new ones.
    Shutdown,
    /// Work by another policy from now on. Standing SAs keep the terms they were made under, except
    /// for their liveness policy, which is that of their connection from now on.
    ReplacePolicy(Policy),
    /// Tell of every step that one of these filters wants, in place of those before; with none,
    /// nothing is told.
    Watch(Arc<[TraceFilter]>),
}

/// What one shard tells another.
#[derive(Debug)]
pub enum Mail {
    /// Seal with this SA what comes to you for it.
    Lend(Box<Loan>),
    /// Something changed about an SA that shards have in common: look what.
    Look,
    /// The identity of this IKE SA has a newer one elsewhere: drop it. `notify` says whether the
    /// peer is told (it is not when it said INITIAL_CONTACT).
    Replaced {
        /// Our SPI of the IKE SA to drop.
        spi: IkeSpi,
        /// Whether to send DELETE.
        notify: bool,
    },
}
