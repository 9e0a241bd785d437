use std::sync::Arc;

use dpd::DpdPolicy;
use ipsec::{EspSpi, IkeSpi, PolicySnapshot};

/// The policy that a shard works by. Immutable; a reload hands over another one.
#[derive(Clone)]
pub struct Policy {
    /// Connections, secrets and pools.
    pub snapshot: Arc<PolicySnapshot>,
    /// Liveness policies, indexed by `ConnectionPolicy::dpd`.
    pub dpd: Arc<[DpdPolicy]>,
}

/// What the operator or the runtime wants of a shard.
#[derive(Clone)]
pub enum Command {
    /// Set up an IKE SA as initiator, with one of its children.
    Initiate {
        /// Index of the connection in the snapshot.
        connection: u16,
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
    /// Work by another policy from now on. Standing SAs keep the terms they were made under.
    ReplacePolicy(Policy),
}

/// What one shard tells another.
#[derive(Clone, Debug)]
pub enum Mail {
    /// The identity of this IKE SA has a newer one elsewhere: drop it. `notify` says whether the
    /// peer is told (it is not when it said INITIAL_CONTACT).
    Replaced {
        /// Our SPI of the IKE SA to drop.
        spi: IkeSpi,
        /// Whether to send DELETE.
        notify: bool,
    },
}
