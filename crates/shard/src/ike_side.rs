//! IKE messages, timers and results on their way to an IKE SA, and its actions on their way out.

use crypto::Entropy as _;
use dpd::{NotProof, Proof};
use ike::trace::Summary;
use ike::{
    Action, CloseReason, Computed, Context, Established, FirstVerdict, IkeSa, Path, Received,
    Rejection, Role, Trace, v2,
};
use ipsec::{EspSpi, IkeSpi, IkeVersion};
use smallvec::SmallVec;
use timer::Instant;

use crate::counters::{ShardDrop, bump};
use crate::peers::{Peer, slot_of};
use crate::shard::Token;
use crate::trace::{ChildStep, TraceStep};
use crate::{Disposition, EventKind, Mail, Output, PeerRef, Shard, Ticket};

impl Shard {
    /// The first message of an IKE SA that no IKE SA of ours is waiting for.
    pub(crate) fn knock(
        &mut self,
        version: IkeVersion,
        message: &[u8],
        path: Path,
        now: Instant,
        out: &mut impl Output,
    ) {
        if self.shutting_down {
            self.counters.dropped(ShardDrop::ShuttingDown);
            return;
        }
        if !out.has_room_to_compute() {
            // Nothing is kept: the peer asks again, and what is under way gets done.
            self.counters.dropped(ShardDrop::ComputeFull);
            return;
        }
        let mut actions = core::mem::take(&mut self.actions);
        let tracing = self.traces_stranger(&path);
        if tracing && let Some(message) = Summary::read(message) {
            let trace = Trace::Received { path, message };
            self.tell_of_stranger(path, message.version, trace, now, out);
        }
        let spis = self.peers.reserve();
        let front = &mut self.front;
        let verdict = self.world.ask(spis, now, tracing, |ctx| {
            front.on_first_message(version, message, path, ctx, &mut actions)
        });
        let spi = match verdict {
            FirstVerdict::HalfOpen(sa) => self.adopt(sa, now),
            FirstVerdict::Known(spi) => {
                self.sa_message(spi, message, path, now, out);
                IkeSpi::ZERO
            }
            FirstVerdict::Rejected(reason) => {
                bump(&mut self.counters.ike_rejected, reason.index());
                if tracing {
                    let version = Summary::read(message).map_or(0, |summary| summary.version);
                    let trace = Trace::Dropped { path, reason };
                    self.tell_of_stranger(path, version, trace, now, out);
                }
                IkeSpi::ZERO
            }
        };
        self.apply_all(spi, &mut actions, now, out);
        self.actions = actions;
        self.rearm_ike(spi);
    }

    /// Puts a new IKE SA into the table.
    pub(crate) fn adopt(&mut self, sa: IkeSa, now: Instant) -> IkeSpi {
        let spi = sa.local_spi();
        self.peers.insert(Peer::new(sa, now));
        spi
    }

    /// A message for an IKE SA of this shard.
    pub(crate) fn sa_message(
        &mut self,
        spi: IkeSpi,
        message: &[u8],
        path: Path,
        now: Instant,
        out: &mut impl Output,
    ) {
        self.tell_received(spi, message, path, now, out);
        // The same SPI in another VRF is not ours: a peer lives where it was met.
        let here = |peer: &Peer| peer.sa.path().fvrf == path.fvrf;
        let handled = match self.peers.get(spi).is_some_and(here) {
            true => self.with_sa(spi, now, out, |sa, ctx, actions| {
                sa.on_message(message, path, ctx, actions)
            }),
            false => None,
        };
        match handled.unwrap_or(Received::Rejected(Rejection::UnknownSpi)) {
            Received::FreshRequest { liveness: true } => self.heard(spi, Proof::Hello, now),
            Received::FreshResponse { liveness: true } => self.heard(spi, Proof::Answer, now),
            Received::FreshRequest { liveness: false } => {
                let proof = self.proof_by(spi, Proof::IkeRequest);
                self.heard(spi, proof, now);
            }
            Received::FreshResponse { liveness: false } => {
                let proof = self.proof_by(spi, Proof::IkeResponse);
                self.heard(spi, proof, now);
            }
            Received::RUThere { sequence } => self.asked(spi, sequence, now, out),
            Received::RUThereAck { sequence } => self.acknowledged(spi, sequence, now),
            Received::Keepalive => self.heard(spi, Proof::Hello, now),
            Received::KeepaliveAck => self.keepalive_answered(spi, now),
            Received::Retransmission => {
                self.counters.ike_retransmissions_in += 1;
                self.watch.counters.not_proof(NotProof::Retransmitted, 1);
            }
            Received::Rejected(reason) => {
                bump(&mut self.counters.ike_rejected, reason.index());
                self.tell(spi, now, out, || {
                    TraceStep::Ike(Trace::Dropped { path, reason })
                });
                match reason {
                    Rejection::IcvMismatch
                    | Rejection::HashMismatch
                    | Rejection::Undecipherable => {
                        self.watch.counters.not_proof(NotProof::Unauthenticated, 1);
                    }
                    Rejection::MessageIdReused => {
                        self.watch.counters.not_proof(NotProof::Retransmitted, 1);
                    }
                    Rejection::Unprotected => self.hinted(spi, now, out),
                    _ => {}
                }
            }
            Received::Fragment | Received::Unauthenticated => {}
        }
    }

    /// The result of slow work.
    pub fn computed(
        &mut self,
        ticket: Ticket,
        computed: Computed,
        now: Instant,
        out: &mut impl Output,
    ) {
        self.with_sa(ticket.spi, now, out, |sa, ctx, actions| {
            sa.on_computed(computed, ctx, actions);
        });
    }

    pub(crate) fn ike_timer_fired(&mut self, slot: u32, now: Instant, out: &mut impl Output) {
        let Some(spi) = self.peers.spi_at(slot) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(spi) {
            peer.ike_timer = None;
        }
        let again = self.with_sa(spi, now, out, |sa, ctx, actions| {
            let before = sa.retransmissions();
            sa.on_timer(ctx, actions);
            sa.retransmissions() > before
        });
        self.counters.ike_retransmissions_out += u64::from(again == Some(true));
    }

    /// Calls an IKE SA with its context, carries out its actions and re-arms its timer.
    pub(crate) fn with_sa<R>(
        &mut self,
        spi: IkeSpi,
        now: Instant,
        out: &mut impl Output,
        call: impl FnOnce(&mut IkeSa, &mut Context<'_>, &mut Vec<Action>) -> R,
    ) -> Option<R> {
        let tracing = self.traces(spi);
        let (spis, peer) = self.peers.split(spi);
        let peer = peer?;
        let mut actions = core::mem::take(&mut self.actions);
        let sa = &mut peer.sa;
        let before = tracing.then(|| (spi, sa.stage()));
        let result = self
            .world
            .ask(spis, now, tracing, |ctx| call(sa, ctx, &mut actions));
        let outer = core::mem::replace(&mut self.told_stage, before);
        self.apply_all(spi, &mut actions, now, out);
        self.told_stage = outer;
        self.actions = actions;
        self.rearm_ike(spi);
        Some(result)
    }

    pub(crate) fn apply_all(
        &mut self,
        spi: IkeSpi,
        actions: &mut Vec<Action>,
        now: Instant,
        out: &mut impl Output,
    ) {
        for action in actions.drain(..) {
            self.apply(spi, action, now, out);
        }
        self.forward_to_heir(spi, now, out);
        self.release_held(now, out);
    }

    fn apply(&mut self, spi: IkeSpi, action: Action, now: Instant, out: &mut impl Output) {
        match action {
            Action::Send { path, message } => {
                self.send_ike(spi, &path, &message, now, out);
            }
            Action::Compute(job) => out.compute(
                Ticket {
                    shard: self.id,
                    spi,
                },
                job,
            ),
            Action::Established(facts) => self.established(spi, *facts, now, out),
            Action::PeerInitialContact { .. } => {
                if let Some(peer) = self.peers.get_mut(spi) {
                    peer.initial_contact = true;
                }
                match self.version_of(spi) {
                    // The claim follows with `Established`, or was made before.
                    Some(IkeVersion::V1) => self.disown(spi, now, out),
                    _ => self.claim_identity(spi, now, out),
                }
            }
            Action::ChildInstalled(child) => self.install_child(spi, *child, now, out),
            Action::OutboundSwitched { child } => {
                self.activate_child(self.holder_of(spi, child), child, now, out);
            }
            Action::ChildRemoved { child, reason } => {
                self.remove_child(spi, child, reason, now, out);
            }
            Action::ChildFailed { policy, reason, .. } => {
                bump(&mut self.counters.children_failed, reason.index());
                let child = self.child_name(spi, policy);
                self.emit(spi, EventKind::ChildFailed { child, reason }, now, out);
                self.tell(spi, now, out, || {
                    TraceStep::Child(ChildStep::Failed { reason })
                });
                self.child_failed(spi, policy);
            }
            Action::Rekeyed { successor } => self.succeeded(spi, successor, now, out),
            Action::Redundant { sa } => {
                let redundant = sa.local_spi();
                self.peers.insert(Peer::new(sa.into(), now));
                self.rearm_ike(redundant);
            }
            Action::ReauthenticationDue => self.reauthenticate(spi, now, out),
            Action::Unanswered => self.unanswered(spi, now, out),
            Action::DeletedByPeer => self.deleted_by_peer(spi, now, out),
            Action::PathChanged { path } => self.path_changed(spi, path, now, out),
            Action::AddressProved(key) => self.front.address_proved(key),
            Action::HalfOpenEnded(key) => self.front.half_open_ended(key),
            Action::Refused(refusal) => bump(&mut self.counters.ike_refused, refusal.index()),
            Action::Trace(trace) => self.told(spi, *trace, now, out),
            Action::Closed { reason } => self.closed(spi, reason, now, out),
        }
    }

    fn version_of(&self, spi: IkeSpi) -> Option<IkeVersion> {
        self.peers.get(spi).map(|peer| peer.sa.version())
    }

    fn send_ike(
        &mut self,
        spi: IkeSpi,
        path: &Path,
        message: &[u8],
        now: Instant,
        out: &mut impl Output,
    ) {
        let disposition = out.send_ike(spi, path, message);
        let left = disposition == Disposition::Taken;
        self.tell_sent(spi, message, (*path, left), now, out);
        match disposition {
            Disposition::Taken => self.counters.ike_out += 1,
            Disposition::Refused => self.counters.dropped(ShardDrop::SendRefused),
        }
    }

    fn established(
        &mut self,
        spi: IkeSpi,
        facts: Established,
        now: Instant,
        out: &mut impl Output,
    ) {
        let random = self.world.spi_entropy.next_u32();
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        if peer.sa.version() == IkeVersion::V1 {
            peer.v1(random);
        }
        let setup = now - peer.born;
        let role = peer.sa.role();
        let replaces = peer.replaces;
        let given: Vec<_> = facts.leases.iter().map(|lease| lease.address).collect();
        peer.addresses = if given.is_empty() {
            facts.addresses.clone()
        } else {
            given.clone()
        };
        self.counters.established[usize::from(role == Role::Responder)] += 1;
        self.setups.count(now);
        let micros = u64::try_from(setup.as_micros()).unwrap_or(u64::MAX);
        self.counters.handshake_us.saturating_record(micros);
        for address in facts.addresses {
            out.route(
                facts.connection.ivrf,
                crate::RouteChange::AddAddress(address),
            );
        }
        self.watch(spi, &facts.connection, now);
        self.tell_dpd_enabled(spi, now, out);
        if facts.local_behind_nat {
            self.arm_keepalive(spi, now);
        }
        self.claim_identity(spi, now, out);
        self.emit(
            spi,
            EventKind::Established {
                role,
                setup,
                leases: given,
            },
            now,
            out,
        );
        self.reached(spi);
        if let Some(old) = replaces {
            self.replace(old, spi, now, out);
        }
    }

    /// The IKE SA that was to be authenticated anew has been: the old one goes.
    fn replace(&mut self, old: IkeSpi, new: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.get_mut(new) else {
            return;
        };
        if peer.sa.version() == IkeVersion::V1 {
            self.take_over(old, new, now, out);
            return;
        }
        peer.replaces = None;
        self.with_sa(old, now, out, |sa, ctx, actions| {
            sa.delete_ike(CloseReason::Reauthenticated, ctx, actions);
        });
    }

    /// Records that the peer's identity is ours now, and drops its former IKE SA if the connection
    /// wants identities unique or the peer said INITIAL_CONTACT (RFC 7296 §2.4).
    fn claim_identity(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let (Some(identity), Some(connection)) = (peer.sa.peer().cloned(), peer.sa.connection())
        else {
            return;
        };
        let (unique, contact) = (connection.unique, peer.initial_contact);
        let fvrf = peer.sa.path().fvrf;
        let replaced_on_purpose = peer.replaces.is_some();
        let owner = Ticket {
            shard: self.id,
            spi,
        };
        let former = self.world.directory.claim_identity(fvrf, &identity, owner);
        if let Some(peer) = self.peers.get_mut(spi) {
            peer.claimed = Some(identity);
        }
        let Some(former) = former.filter(|former| *former != owner) else {
            return;
        };
        if replaced_on_purpose {
            return;
        }
        if self.renews(spi, former) {
            self.take_over(former.spi, spi, now, out);
            return;
        }
        if !unique && !contact {
            return;
        }
        if former.shard == self.id {
            self.replaced(former.spi, !contact, now, out);
        } else {
            out.mail(
                former.shard,
                Mail::Replaced {
                    spi: former.spi,
                    notify: !contact,
                },
            );
        }
    }

    /// Drops an IKE SA whose identity has a newer one.
    pub(crate) fn replaced(
        &mut self,
        spi: IkeSpi,
        notify: bool,
        now: Instant,
        out: &mut impl Output,
    ) {
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            if notify {
                sa.close(CloseReason::Deleted, false, ctx, actions);
            } else {
                sa.close(CloseReason::Dropped, true, ctx, actions);
            }
        });
    }

    /// The IKE SA was rekeyed: its successor takes over all that belongs to the peer.
    fn succeeded(
        &mut self,
        spi: IkeSpi,
        successor: Box<v2::IkeSa>,
        now: Instant,
        out: &mut impl Output,
    ) {
        self.counters.ike_rekeyed += 1;
        let new = successor.local_spi();
        self.emit(spi, EventKind::Rekeyed { successor: new }, now, out);
        let Some(old) = self.peers.get_mut(spi) else {
            return;
        };
        let mut heir = Peer::new(successor.into(), old.born);
        heir.children = core::mem::take(&mut old.children);
        heir.draining = core::mem::take(&mut old.draining);
        heir.addresses = core::mem::take(&mut old.addresses);
        heir.liveness = old.liveness.take();
        heir.domains = old.domains;
        heir.initiated = old.initiated.take();
        heir.claimed = old.claimed.take();
        let (dpd_timer, keepalive_timer) = (old.dpd_timer.take(), old.keepalive_timer.take());
        let live = heir.children.iter().map(|child| child.inbound);
        for inbound in live.chain(heir.draining.iter().map(|draining| draining.inbound)) {
            if let Some(sa) = self.world.sad.inbound_mut(inbound) {
                sa.owner = slot_of(new);
            }
        }
        for child in &heir.children {
            if let Some(sa) = self.world.sad.outbound_mut(child.outbound) {
                sa.owner = slot_of(new);
            }
        }
        if let Some(identity) = &heir.claimed {
            self.world.directory.claim_identity(
                heir.sa.path().fvrf,
                identity,
                Ticket {
                    shard: self.id,
                    spi: new,
                },
            );
        }
        self.peers.insert(heir);
        self.inherited(spi, new);
        self.inherit_timers(new, dpd_timer, keepalive_timer, now);
        self.rearm_ike(new);
    }

    fn path_changed(&mut self, spi: IkeSpi, path: Path, now: Instant, out: &mut impl Output) {
        let mtu = self.path_mtu(path.fvrf, path.remote.ip(), now);
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let mut from = path;
        let mut moved = SmallVec::<[_; 4]>::new();
        for child in &peer.children {
            if let Some(sa) = self.world.sad.outbound_mut(child.outbound) {
                let mut outer = *sa.path();
                from.remote = core::mem::replace(&mut outer.remote, path.remote);
                from.local = core::mem::replace(&mut outer.local, path.local);
                outer.mtu = mtu;
                sa.set_path(outer);
                moved.push(child.outbound);
            }
        }
        for outbound in moved {
            self.moved(outbound, out);
        }
        self.emit(spi, EventKind::PathChanged { from, to: path }, now, out);
    }

    fn closed(&mut self, spi: IkeSpi, reason: CloseReason, now: Instant, out: &mut impl Output) {
        if reason == CloseReason::Unresponsive {
            self.unresponsive(spi, now, out);
        }
        let reference = self.peer_ref(spi);
        self.tell(spi, now, out, || TraceStep::Gone);
        self.leave(spi, now);
        let Some(peer) = self.peers.remove(spi) else {
            return;
        };
        for key in [
            peer.ike_timer.map(|(key, _)| key),
            peer.dpd_timer.map(|(key, _)| key),
            peer.keepalive_timer,
            peer.retire_timer(),
        ]
        .into_iter()
        .flatten()
        {
            self.wheel.cancel(key);
        }
        for draining in &peer.draining {
            self.wheel.cancel(draining.timer);
            self.world.sad.remove_inbound(draining.inbound);
        }
        if let Some(identity) = &peer.claimed {
            self.world.directory.release_identity(
                peer.sa.path().fvrf,
                identity,
                Ticket {
                    shard: self.id,
                    spi,
                },
            );
        }
        if peer.sa.role() == Role::Initiator {
            let ivrf = peer.ivrf();
            for address in &peer.addresses {
                out.route(ivrf, crate::RouteChange::RemoveAddress(*address));
            }
        }
        let was_established = peer.sa.peer().is_some();
        self.after_close(&peer, reason, now, out);
        let counters = if was_established {
            &mut self.counters.closed
        } else {
            &mut self.counters.setup_failed
        };
        bump(counters, reason.index());
        if let Some(reference) = reference {
            out.event(crate::Event {
                at: now,
                peer: reference,
                kind: EventKind::Closed {
                    reason,
                    established: was_established,
                },
            });
        }
    }

    /// Arms the timer of an IKE SA for what it waits for now.
    pub(crate) fn rearm_ike(&mut self, spi: IkeSpi) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let wanted = peer.sa.next_deadline();
        if peer.ike_timer.is_some_and(|(_, due)| due == wanted) {
            return;
        }
        if let Some((key, _)) = peer.ike_timer.take() {
            self.wheel.cancel(key);
        }
        if wanted != Instant::MAX {
            peer.ike_timer = Some((self.wheel.arm(wanted, Token::Ike(spi.slot())), wanted));
        }
    }

    /// Names a peer for logs and events.
    pub(crate) fn peer_ref(&self, spi: IkeSpi) -> Option<PeerRef> {
        let peer = self.peers.get(spi)?;
        let path = peer.sa.path();
        Some(PeerRef {
            shard: self.id,
            spi,
            connection: peer
                .sa
                .connection()
                .map_or_else(|| "".into(), |c| c.name.clone()),
            identity: peer.sa.peer().cloned(),
            local: path.local,
            remote: path.remote,
            fvrf: path.fvrf,
            ivrf: peer.ivrf(),
        })
    }

    pub(crate) fn emit(&self, spi: IkeSpi, kind: EventKind, now: Instant, out: &mut impl Output) {
        if let Some(peer) = self.peer_ref(spi) {
            out.event(crate::Event {
                at: now,
                peer,
                kind,
            });
        }
    }

    /// The IKE SA to which a Child SA belongs.
    pub(crate) fn owner_of_child(&self, inbound: EspSpi) -> Option<IkeSpi> {
        let owner = self.world.sad.inbound(inbound)?.owner;
        self.peers.spi_at(owner.index)
    }
}
