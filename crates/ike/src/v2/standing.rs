use std::sync::Arc;

use ipsec::{ConnectionPolicy, EspSpi, Identity};
use timer::Instant;

use super::{ChildSa, PeerAuthenticated};
use crate::{CloseReason, Lease};

/// What an IKE SA has once both ends are authenticated.
pub(super) struct Standing {
    pub(super) proof: PeerAuthenticated,
    pub(super) local_id: Arc<Identity>,
    pub(super) connection: Arc<ConnectionPolicy>,
    pub(super) children: Vec<ChildSa>,
    pub(super) leases: Vec<Lease>,
    /// When to rekey; [`Instant::MAX`] for never or not again.
    pub(super) rekey_at: Instant,
    /// When to authenticate anew.
    pub(super) reauth_at: Instant,
    /// When the IKE SA must be gone.
    pub(super) expires_at: Instant,
    /// We asked the peer to delete the IKE SA, for this reason.
    pub(super) closing: Option<CloseReason>,
    /// A successor stands; only deletion is left.
    pub(super) replaced: bool,
}

impl Standing {
    /// The Child SA with this inbound SPI.
    pub(super) fn child(&self, inbound: EspSpi) -> Option<&ChildSa> {
        self.children.iter().find(|child| child.inbound == inbound)
    }

    /// The Child SA with this inbound SPI.
    pub(super) fn child_mut(&mut self, inbound: EspSpi) -> Option<&mut ChildSa> {
        self.children
            .iter_mut()
            .find(|child| child.inbound == inbound)
    }

    /// The Child SA on which the peer receives with this SPI: the peer names Child SAs so
    /// (RFC 7296 §1.3.3, §1.4.1).
    pub(super) fn child_by_outbound(&self, outbound: EspSpi) -> Option<&ChildSa> {
        self.children
            .iter()
            .find(|child| child.outbound == outbound)
    }
}
