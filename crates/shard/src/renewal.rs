//! IKEv1 renews an IKE SA by a new phase 1 (RFC 2409 knows no other way). The Child SAs do not depend
//! on the old one's keys, so they move to the new one, and nothing is lost on the way.

use core::net::SocketAddr;
use core::time::Duration;

use crypto::Entropy as _;
use ike::{CloseReason, Initiation, RemovalReason, Role};
use ipsec::{ConnectionPolicy, IkeSpi, IkeVersion, Xauth};
use timer::Instant;

use crate::peers::{Peer, slot_of};
use crate::shard::Token;
use crate::{EventKind, Output, RouteChange, Shard, Ticket};

/// How long an IKE SA outlives the one that we set up in its place: exchanges under way come to
/// their end, and messages in the air still find it.
const RETIRE_OWN: Duration = Duration::from_secs(2);
/// The same where the peer set up the new one: it is the peer's to delete the old one, and this is
/// when we do if it does not.
const RETIRE_PEERS: Duration = Duration::from_secs(10);

impl Shard {
    /// Sets up an IKE SA of IKEv1 that takes over from `old`, from where and to where `old` speaks
    /// now: behind a NAT there is no other way to the peer.
    pub(crate) fn renew(&mut self, old: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.get(old) else {
            return;
        };
        let Some(connection) = peer.sa.connection().cloned() else {
            return;
        };
        if peer.heir().is_some() || !self.may_renew(old) || self.is_being_renewed(old) {
            return;
        }
        let (path, initiated) = (peer.sa.path(), self.initiated_by(peer));
        let addresses = peer.addresses.clone();
        let initiation = Initiation {
            connection,
            path,
            child: None,
            local_id: None,
            initial_contact: false,
        };
        let new = self.open(IkeVersion::V1, initiation, initiated, now, out);
        if let Some(peer) = new.and_then(|new| self.peers.get_mut(new)) {
            peer.replaces = Some(old);
            peer.sa.ask_for(&addresses);
        }
    }

    fn is_being_renewed(&self, old: IkeSpi) -> bool {
        let renews = |(_, peer): (usize, &Peer)| peer.replaces == Some(old);
        self.peers.iter_from(0).any(renews)
    }

    /// Whether a new IKE SA with an identity is the renewal of its former one: both speak IKEv1, and
    /// the peer is where it was. Two clients of one group behind one NAT come from different ports.
    pub(crate) fn renews(&self, new: IkeSpi, former: Ticket) -> bool {
        if former.shard != self.id {
            return false;
        }
        let (Some(new), Some(old)) = (self.peers.get(new), self.peers.get(former.spi)) else {
            return false;
        };
        let v1 = |peer: &Peer| peer.sa.version() == IkeVersion::V1;
        let (here, there) = (new.sa.path(), old.sa.path());
        v1(new)
            && v1(old)
            && !new.initial_contact
            && old.sa.is_established()
            && (here.remote, here.fvrf) == (there.remote, there.fvrf)
            && same_end(here.local, there.local)
    }

    /// A new IKE SA takes over from the one that it renews, or from that one's heir.
    pub(crate) fn take_over(
        &mut self,
        old: IkeSpi,
        new: IkeSpi,
        now: Instant,
        out: &mut impl Output,
    ) {
        let mut former = old;
        while let Some(heir) = self.peers.get(former).and_then(Peer::heir) {
            former = heir;
        }
        if former == new {
            return;
        }
        if self.loses(new, former) {
            self.hand_over(new, former, now, out);
        } else {
            self.hand_over(former, new, now, out);
        }
    }

    /// Whether both ends began a renewal at once and the one that stands already stays: that of the
    /// lower cookies, which both ends know.
    fn loses(&self, new: IkeSpi, former: IkeSpi) -> bool {
        let (Some(new), Some(former)) = (self.peers.get(new), self.peers.get(former)) else {
            return false;
        };
        let renewed_at = former.v1.as_ref().and_then(|v1| v1.renewed_at);
        let at_once =
            renewed_at.is_some_and(|at| new.born <= at) && new.sa.role() != former.sa.role();
        at_once && cookies(former) < cookies(new)
    }

    /// The peer has deleted an IKE SA and left the Child SAs. They go to the IKE SA that stands in its
    /// place, or to one that we set up now, where that is ours to do.
    pub(crate) fn deleted_by_peer(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.get(spi) else {
            return;
        };
        let path = peer.sa.path();
        let owner = peer
            .sa
            .peer()
            .and_then(|identity| self.world.directory.owner_of_identity(path.fvrf, identity));
        let other = owner.filter(|owner| owner.shard == self.id && owner.spi != spi);
        let other = other
            .and_then(|owner| self.peers.get(owner.spi))
            .filter(|peer| {
                peer.sa.version() == IkeVersion::V1
                    && peer.sa.is_established()
                    && peer.heir().is_none()
                    // A NAT may have given it another port.
                    && peer.sa.path().remote.ip() == path.remote.ip()
            });
        if let Some(heir) = other.map(|peer| peer.sa.local_spi()) {
            self.hand_over(spi, heir, now, out);
        } else if self.may_renew(spi) {
            self.leave(spi, now);
            self.forget_liveness(spi);
            self.renew(spi, now, out);
            return;
        }
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            sa.close(CloseReason::PeerDeleted, true, ctx, actions);
        });
    }

    /// Whether a new phase 1 can come from us: a client that has to say who its user is, or asks for
    /// its address, has to come by itself.
    fn may_renew(&self, spi: IkeSpi) -> bool {
        let Some(peer) = self.peers.get(spi) else {
            return false;
        };
        let site = |connection: &ConnectionPolicy| {
            connection.pools.is_empty() && !matches!(connection.v1.xauth, Some(Xauth::Server))
        };
        peer.sa.role() == Role::Initiator || peer.sa.connection().is_some_and(|own| site(own))
    }

    fn forget_liveness(&mut self, spi: IkeSpi) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        peer.liveness = None;
        if let Some((key, _)) = peer.dpd_timer.take() {
            self.wheel.cancel(key);
        }
    }

    /// Everything that belongs to the peer moves from one IKE SA of IKEv1 to another; the old one
    /// stays for a moment.
    pub(crate) fn hand_over(
        &mut self,
        old: IkeSpi,
        new: IkeSpi,
        now: Instant,
        out: &mut impl Output,
    ) {
        self.hand_over_children(old, new, now, out);
        self.leave(old, now);
        self.forget_liveness(old);
        let Some((_, former, heir)) = self.peers.split_pair(old, new) else {
            return;
        };
        heir.born = heir.born.min(former.born);
        let (client, ivrf) = (former.sa.role() == Role::Initiator, former.ivrf());
        for address in core::mem::take(&mut former.addresses) {
            if !heir.addresses.contains(&address) {
                heir.addresses.push(address);
            } else if client {
                // The heir has added it once more.
                out.route(ivrf, RouteChange::RemoveAddress(address));
            }
        }
        former.claimed = None;
        heir.initiated = heir.initiated.or(former.initiated);
        former.initiated = None;
        let ours = heir.replaces.take() == Some(old);
        former.replaces = None;
        heir.v1(0).renewed_at = Some(now);
        if let Some(key) = former.keepalive_timer.take() {
            self.wheel.cancel(key);
        }
        let due = now + if ours { RETIRE_OWN } else { RETIRE_PEERS };
        let timer = self.wheel.arm(due, Token::Retire(old.slot()));
        if let Some(before) = former.retire(new, timer) {
            self.wheel.cancel(before);
        }
        self.claim_again(new);
        self.inherited(old, new);
        self.counters.ike_rekeyed += 1;
        self.emit(old, EventKind::Rekeyed { successor: new }, now, out);
    }

    /// The identity belongs to the IKE SA that took over.
    fn claim_again(&mut self, spi: IkeSpi) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let (fvrf, identity) = (peer.sa.path().fvrf, peer.sa.peer().cloned());
        if let Some(identity) = identity {
            let owner = Ticket {
                shard: self.id,
                spi,
            };
            self.world.directory.claim_identity(fvrf, &identity, owner);
            peer.claimed = Some(identity);
        }
    }

    /// The Child SAs alone. It is called again when an exchange under the old IKE SA, which was under
    /// way at that time, made another one.
    fn hand_over_children(
        &mut self,
        old: IkeSpi,
        new: IkeSpi,
        now: Instant,
        out: &mut impl Output,
    ) {
        let mut actions = core::mem::take(&mut self.actions);
        let tracing = self.traces(new);
        let random = self.world.spi_entropy.next_u32();
        let Some((spis, former, heir)) = self.peers.split_pair(old, new) else {
            self.actions = actions;
            return;
        };
        self.world.ask(spis, now, tracing, |ctx| {
            former.sa.hand_over(&mut heir.sa, ctx, &mut actions);
        });
        let owner = slot_of(new);
        for child in former.children.drain(..) {
            if let Some(sa) = self.world.sad.inbound_mut(child.inbound) {
                sa.owner = owner;
            }
            if let Some(sa) = self.world.sad.outbound_mut(child.outbound) {
                sa.owner = owner;
            }
            heir.v1(random).adopted.push(child.inbound);
            heir.children.push(child);
        }
        for draining in former.draining.drain(..) {
            if let Some(sa) = self.world.sad.inbound_mut(draining.inbound) {
                sa.owner = owner;
            }
            heir.draining.push(draining);
        }
        self.apply_all(new, &mut actions, now, out);
        self.actions = actions;
        self.rearm_ike(old);
        self.rearm_ike(new);
    }

    /// The peer says after its renewal that it knows of nothing before it: what was taken over is
    /// stale. A notify of its own may bring INITIAL-CONTACT, later than phase 1.
    pub(crate) fn disown(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let peer = self.peers.get_mut(spi);
        let Some(v1) = peer.and_then(|peer| peer.v1.as_mut()) else {
            return;
        };
        for child in core::mem::take(&mut v1.adopted) {
            self.with_sa(spi, now, out, |sa, ctx, actions| {
                // It may have been replaced meanwhile.
                let _ = sa.delete_child(child, RemovalReason::PeerDeleted, ctx, actions);
            });
        }
    }

    /// Moves on what came to an IKE SA after it had been succeeded.
    pub(crate) fn forward_to_heir(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.get(spi) else {
            return;
        };
        if let (Some(heir), false) = (peer.heir(), peer.children.is_empty()) {
            self.hand_over_children(spi, heir, now, out);
        }
    }

    pub(crate) fn retire_timer_fired(&mut self, slot: u32, now: Instant, out: &mut impl Output) {
        let Some(spi) = self.peers.spi_at(slot) else {
            return;
        };
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            sa.delete_ike(CloseReason::Reauthenticated, ctx, actions);
        });
    }
}

/// Whether both are one end of ours. Where the routing table chose the address, it is unspecified.
fn same_end(one: SocketAddr, other: SocketAddr) -> bool {
    let chosen = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (chosen || one.ip() == other.ip())
}

/// CKY-I and CKY-R.
fn cookies(peer: &Peer) -> (u64, u64) {
    let (own, other) = (peer.sa.local_spi().0, peer.sa.peer_spi().0);
    match peer.sa.role() {
        Role::Initiator => (own, other),
        Role::Responder => (other, own),
    }
}
