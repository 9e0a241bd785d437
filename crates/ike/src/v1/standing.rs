use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use ipsec::{ConnectionPolicy, EspSpi, Identity};
use timer::Instant;

use super::IkeSa;
use super::quick_mode::Aim;
use super::transaction::Admission;
use crate::lifetimes::Lifetimes;
use crate::{
    Action, ChildSa, CloseReason, Context, Established, HalfOpenKey, Lease, PeerAuthenticated,
};

/// What an IKE SA has once phase 1 is done.
pub(super) struct Standing {
    pub(super) proof: PeerAuthenticated,
    pub(super) connection: Arc<ConnectionPolicy>,
    pub(super) local_id: Identity,
    pub(super) children: Vec<ChildSa>,
    /// Virtual addresses that the peer has from us.
    pub(super) leases: Vec<Lease>,
    /// Virtual addresses that we have from the peer.
    pub(super) addresses: Vec<IpAddr>,
    /// DNS servers that the peer told us.
    pub(super) dns: Vec<IpAddr>,
    /// The owner was told: user authentication and configuration, where the connection wants them,
    /// are done, and Child SAs may exist.
    pub(super) announced: bool,
    /// As initiator: the child whose Child SA comes first.
    pub(super) first_child: Option<u16>,
    /// What has to happen before; `None` when nothing does.
    pub(super) admission: Option<Box<Admission>>,
    /// Quick modes that wait for others to end.
    pub(super) waiting: Vec<Aim>,
    /// Child SAs of ours to which outbound traffic moves at these times, unless the peer shows before
    /// that it is ready.
    pub(super) switching: Vec<(EspSpi, Instant)>,
    /// Child SAs that were made while the other end made one for the same selectors.
    pub(super) contested: Vec<EspSpi>,
    /// As responder: the name under which the front door counts it, until the owner is told.
    pub(super) half_open: Option<HalfOpenKey>,
    /// The peer has said INITIAL-CONTACT.
    pub(super) initial_contact_heard: bool,
    /// The owner is to be told so once it knows of the peer.
    pub(super) initial_contact_held: bool,
    /// When to negotiate a successor; [`Instant::MAX`] for never or not again.
    pub(super) rekey_at: Instant,
    /// When the IKE SA must be gone.
    pub(super) expires_at: Instant,
    /// Another IKE SA stands in its place, and only deletion is left, for this reason.
    pub(super) replaced: Option<CloseReason>,
}

impl Standing {
    pub(super) fn new(
        proof: PeerAuthenticated,
        connection: Arc<ConnectionPolicy>,
        local_id: Identity,
        first_child: Option<u16>,
        lifetime: Option<Duration>,
        ctx: &mut Context<'_>,
    ) -> Self {
        let ends = Lifetimes::from(&connection.rekey, ctx.now, ctx.entropy);
        // RFC 2407 §4.5.4: what the initiator offered binds it, and nothing keeps us from going
        // earlier. A successor is due while the peer's clock has some time left.
        let negotiated = lifetime.map_or(Instant::MAX, |time| ctx.now + time);
        let in_good_time = lifetime.map_or(Instant::MAX, |time| ctx.now + time * 9 / 10);
        Self {
            proof,
            local_id,
            children: Vec::new(),
            leases: Vec::new(),
            addresses: Vec::new(),
            dns: Vec::new(),
            announced: false,
            first_child,
            admission: None,
            waiting: Vec::new(),
            switching: Vec::new(),
            contested: Vec::new(),
            half_open: None,
            initial_contact_heard: false,
            initial_contact_held: false,
            rekey_at: ends.rekey_at.min(in_good_time),
            expires_at: ends.expires_at.min(negotiated),
            replaced: None,
            connection,
        }
    }

    /// Child SAs may be begun.
    pub(super) fn is_open(&self) -> bool {
        self.announced && self.replaced.is_none()
    }

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

    /// The Child SA on which the peer receives with this SPI: the peer names Child SAs so.
    pub(super) fn child_by_outbound(&self, outbound: EspSpi) -> Option<&ChildSa> {
        self.children
            .iter()
            .find(|child| child.outbound == outbound)
    }
}

impl IkeSa {
    /// Tells the owner that the peer is there, with all that user authentication and configuration
    /// have brought: from here on Child SAs may exist.
    pub(super) fn announce(&mut self, actions: &mut Vec<Action>) {
        let (path, nat) = (self.path, self.nat);
        let Some(standing) = self.standing_mut() else {
            return;
        };
        standing.announced = true;
        actions.extend(standing.half_open.take().map(Action::HalfOpenEnded));
        actions.push(Action::Established(Box::new(Established {
            peer: standing.proof.identity().clone(),
            local: standing.local_id.clone(),
            connection: Arc::clone(&standing.connection),
            path,
            leases: standing.leases.clone(),
            addresses: standing.addresses.clone(),
            dns: standing.dns.clone(),
            local_behind_nat: nat.local,
            peer_behind_nat: nat.remote,
        })));
    }
}
