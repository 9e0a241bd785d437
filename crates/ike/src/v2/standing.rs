use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use ipsec::{ConnectionPolicy, EspSpi};
use timer::Instant;

use super::{ChildSa, PeerAuthenticated, Role};
use crate::lifetimes::{self, Lifetimes};
use crate::{CloseReason, Context, Lease};

/// A peer that wants to be authenticated to more often than this is not obeyed.
const AUTHENTICATION_MIN: Duration = Duration::from_secs(30);

/// What an IKE SA has once both ends are authenticated.
pub(super) struct Standing {
    pub(super) proof: PeerAuthenticated,
    pub(super) connection: Arc<ConnectionPolicy>,
    pub(super) children: Vec<ChildSa>,
    /// Virtual addresses that the peer has from us.
    pub(super) leases: Vec<Lease>,
    /// Virtual addresses that we have from the peer.
    pub(super) addresses: Vec<IpAddr>,
    /// When to rekey; [`Instant::MAX`] for never or not again.
    pub(super) rekey_at: Instant,
    /// When we, as the end that first authenticated as initiator, should do so anew.
    pub(super) reauth_at: Instant,
    /// When the peer must have done so (RFC 4478).
    pub(super) authenticated_until: Instant,
    /// When the IKE SA must be gone.
    pub(super) expires_at: Instant,
    /// We asked the peer to delete the IKE SA, for this reason.
    pub(super) closing: Option<CloseReason>,
    /// Since when the peer answers nothing but TEMPORARY_FAILURE.
    pub(super) refused_since: Option<Instant>,
    /// Another IKE SA stands in its place, and only deletion is left, for this reason.
    pub(super) replaced: Option<CloseReason>,
}

impl Standing {
    pub(super) fn new(
        proof: PeerAuthenticated,
        connection: Arc<ConnectionPolicy>,
        leases: Vec<Lease>,
        addresses: Vec<IpAddr>,
        role: Role,
        ctx: &mut Context<'_>,
    ) -> Self {
        let ends = Lifetimes::from(&connection.rekey, ctx.now, ctx.entropy);
        let reauth = connection
            .reauth_time
            .map(|time| lifetimes::shortened(time, connection.rekey.jitter_percent, ctx.entropy));
        let reauth = lifetimes::after(ctx.now, reauth);
        let (reauth_at, authenticated_until) = match role {
            Role::Initiator => (reauth, Instant::MAX),
            Role::Responder => (Instant::MAX, reauth),
        };
        Self {
            proof,
            connection,
            children: Vec::new(),
            leases,
            addresses,
            rekey_at: ends.rekey_at,
            reauth_at,
            authenticated_until,
            expires_at: ends.expires_at,
            closing: None,
            refused_since: None,
            replaced: None,
        }
    }

    /// What a successor starts with: the same peer, and nothing inherited yet. Its lifetime starts
    /// anew, the time of the next authentication does not.
    pub(super) fn successor(&self, ctx: &mut Context<'_>) -> Self {
        let ends = Lifetimes::from(&self.connection.rekey, ctx.now, ctx.entropy);
        Self {
            proof: self.proof.clone(),
            connection: Arc::clone(&self.connection),
            children: Vec::new(),
            leases: Vec::new(),
            addresses: Vec::new(),
            rekey_at: ends.rekey_at,
            reauth_at: self.reauth_at,
            authenticated_until: self.authenticated_until,
            expires_at: ends.expires_at,
            closing: None,
            refused_since: None,
            replaced: None,
        }
    }

    /// The peer wants to be authenticated to anew in this time (RFC 4478 §3): we do so in good time,
    /// unless we want it sooner ourselves.
    pub(super) fn limit_authentication(&mut self, seconds: u32, ctx: &mut Context<'_>) {
        let time = Duration::from_secs(u64::from(seconds)) * 9 / 10;
        let time = time.max(AUTHENTICATION_MIN);
        let time = lifetimes::shortened(time, 10, ctx.entropy);
        self.reauth_at = self.reauth_at.min(ctx.now + time);
    }

    /// Another IKE SA stands in its place: only deletion is left, for which it is kept until then.
    pub(super) fn replace(&mut self, reason: CloseReason, until: Instant) {
        self.replaced = Some(reason);
        self.rekey_at = Instant::MAX;
        self.reauth_at = Instant::MAX;
        self.authenticated_until = Instant::MAX;
        self.expires_at = until;
    }

    /// Neither end is deleting it and no successor stands: exchanges may begin.
    pub(super) fn is_open(&self) -> bool {
        self.closing.is_none() && self.replaced.is_none()
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

    /// The Child SA on which the peer receives with this SPI: the peer names Child SAs so
    /// (RFC 7296 §1.3.3, §1.4.1).
    pub(super) fn child_by_outbound(&self, outbound: EspSpi) -> Option<&ChildSa> {
        self.children
            .iter()
            .find(|child| child.outbound == outbound)
    }
}
