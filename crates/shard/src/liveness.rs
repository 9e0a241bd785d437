//! Dead peer detection: `dpd` says when, the IKE SA says what, this file carries it between them.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use dpd::{
    Act, Action, Decision, DomainKey, DpdPolicy, Evidence, FaultDomain, Liveness, Nat, NotProof,
    Proof, Protocol, TimerChange,
};
use ike::{CloseReason, LivenessCheck, Path, Probe};
use ipsec::{ConnectionPolicy, FrontVrf, IkeSlot, IkeSpi, IkeVersion, InnerVrf};
use timer::{Instant, TimerKey};

use crate::adoption::Adoption;
use crate::counters::ShardDrop;
use crate::obituary::Obituary;
use crate::peers::Peer;
use crate::shard::Token;
use crate::trace::{DpdStep, TraceStep};
use crate::{Disposition, Event, EventKind, Output, PeerRef, Shard, ShardId};

impl Shard {
    /// Begins to watch a peer that was just authenticated.
    pub(crate) fn watch(&mut self, spi: IkeSpi, connection: &ConnectionPolicy, now: Instant) {
        let Some(peer) = self.peers.get(spi) else {
            return;
        };
        let protocol = match peer.sa.liveness_check() {
            LivenessCheck::Informational => Protocol::Ikev2,
            LivenessCheck::RUThere | LivenessCheck::IosKeepalive => Protocol::Ikev1,
            // RFC 3706 §5.1: a peer that does not know the question is not asked.
            LivenessCheck::Unknown => return,
        };
        let seed = self.world.spi_entropy.next_u32();
        let terms = self.liveness_terms(spi);
        let index = terms.dpd_of(&connection.name, peer.sa.peer());
        let Some(settings) = terms.dpd.get(usize::from(index)) else {
            return;
        };
        let (liveness, timer) = Liveness::new(now, settings, index, protocol, seed);
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        peer.domains = domains(self.id.0, peer.sa.path());
        peer.liveness = Some(liveness);
        self.watch.joined(&peer.domains);
        self.change_timer(spi, timer);
    }

    /// The liveness policy of a peer.
    pub(crate) fn dpd_policy(&self, peer: &Peer) -> Option<&DpdPolicy> {
        let index = peer.liveness.as_ref()?.policy();
        let terms = self.liveness_terms(peer.sa.local_spi());
        terms.dpd.get(usize::from(index))
    }

    /// A message proved that the peer lives.
    pub(crate) fn heard(&mut self, spi: IkeSpi, proof: Proof, now: Instant) {
        if proof == Proof::Answer {
            self.answered(spi, None, now);
            return;
        }
        self.watch.counters.proof(proof, 1);
        let peer = self.peers.get_mut(spi);
        if let Some(liveness) = peer.and_then(|peer| peer.liveness.as_mut()) {
            liveness.heard(now, proof);
        }
    }

    /// The peer answered a try of ours, with its number if that is known.
    pub(crate) fn answered(&mut self, spi: IkeSpi, try_number: Option<u8>, now: Instant) {
        self.watch.counters.proof(Proof::Answer, 1);
        let peer = self.peers.get_mut(spi);
        let Some(liveness) = peer.and_then(|peer| peer.liveness.as_mut()) else {
            return;
        };
        if let Some(round_trip) = liveness.answered(now, try_number) {
            let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
            self.counters.dpd_round_trip_us.saturating_record(micros);
        }
    }

    /// Traffic went to the owner of an SA. If nobody watched that peer, the question is asked now.
    pub(crate) fn sent_esp(&mut self, owner: IkeSlot, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.owner_mut(owner) else {
            return;
        };
        let spi = peer.sa.local_spi();
        if peer.liveness.as_mut().is_some_and(Liveness::sent_outbound) {
            self.with_liveness(spi, now, out, Liveness::woken);
        }
    }

    pub(crate) fn dpd_timer_fired(
        &mut self,
        slot: u32,
        due: Instant,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(spi) = self.peers.spi_at(slot) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(spi) {
            peer.dpd_timer = None;
        }
        let lateness = u64::try_from((now - due).as_micros()).unwrap_or(u64::MAX);
        self.counters.dpd_lateness_us.saturating_record(lateness);
        self.with_liveness(spi, now, out, |liveness, ctx| liveness.fired(due, ctx));
    }

    /// The IKE SA gave up a request of ours (RFC 7296 §2.4).
    pub(crate) fn unresponsive(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(decision) = self.decide(spi, now, Liveness::gave_up) else {
            return;
        };
        if let Act::Dead(evidence) = decision.act {
            self.record_death(spi, evidence, now, out);
        }
    }

    /// A request of ours went unanswered to its last retransmission. Whether that means a death is for `dpd` to say; who is
    /// not watched at all goes at once (RFC 7296 §2.4).
    pub(crate) fn unanswered(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let watched = |peer: &Peer| peer.liveness.is_some();
        if self.peers.get(spi).is_some_and(watched) {
            self.with_liveness(spi, now, out, Liveness::gave_up);
            return;
        }
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            sa.close(CloseReason::Unresponsive, false, ctx, actions);
        });
    }

    fn with_liveness(
        &mut self,
        spi: IkeSpi,
        now: Instant,
        out: &mut impl Output,
        call: impl FnOnce(&mut Liveness, &mut dpd::Context<'_>) -> Decision,
    ) {
        let Some(decision) = self.decide(spi, now, call) else {
            return;
        };
        self.change_timer(spi, decision.timer);
        if decision.recovered {
            self.emit(spi, EventKind::Recovered, now, out);
            self.tell(spi, now, out, || TraceStep::Dpd(DpdStep::Recovered));
        }
        match decision.act {
            Act::Nothing => {}
            Act::Probe { try_number, first } => {
                if !first {
                    self.tell(spi, now, out, || TraceStep::Dpd(DpdStep::Unanswered));
                }
                self.tell(spi, now, out, || {
                    TraceStep::Dpd(DpdStep::Asking { try_number })
                });
                self.send_probe(spi, first, now, out);
            }
            Act::Suspect => {
                self.emit(spi, EventKind::Suspect, now, out);
                self.tell(spi, now, out, || TraceStep::Dpd(DpdStep::Suspect));
            }
            Act::Dead(evidence) => self.bury(spi, evidence, now, out),
        }
    }

    /// Says once when the breaker opens for a fault domain, and once when it closes.
    pub(crate) fn raise_alarms(&mut self, out: &mut impl Output) {
        while let Some(alarm) = self.watch.breaker.take_event() {
            out.event(Event {
                at: alarm.at,
                peer: nobody(self.id),
                kind: EventKind::Breaker(alarm),
            });
        }
    }

    /// Somebody who may be the peer sent a message in the clear, as one does who has lost the keys.
    /// It proves nothing, but it may make us ask.
    pub(crate) fn hinted(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        self.watch
            .counters
            .not_proof(NotProof::UnprotectedNotify, 1);
        self.with_liveness(spi, now, out, Liveness::hinted);
    }

    /// Asks the liveness machine of a peer with the world around it.
    fn decide<R>(
        &mut self,
        spi: IkeSpi,
        now: Instant,
        call: impl FnOnce(&mut Liveness, &mut dpd::Context<'_>) -> R,
    ) -> Option<R> {
        let terms = Adoption::terms(&self.adoption, &self.world.policy, spi);
        let peer = self.peers.get_mut(spi)?;
        let nat = nat_of(peer);
        let liveness = peer.liveness.as_mut()?;
        let mut ctx = dpd::Context {
            now,
            policy: terms.dpd.get(usize::from(liveness.policy()))?,
            health: self.health,
            domains: &peer.domains,
            nat,
            watch: &mut self.watch,
        };
        Some(call(liveness, &mut ctx))
    }

    /// The peer goes: the breaker must not count it any longer.
    pub(crate) fn leave(&mut self, spi: IkeSpi, now: Instant) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        if let Some(liveness) = peer.liveness.as_mut() {
            liveness.leave(now, &peer.domains, &mut self.watch);
        }
    }

    pub(crate) fn change_timer(&mut self, spi: IkeSpi, change: TimerChange) {
        let due = match change {
            TimerChange::Keep => return,
            TimerChange::At(due) => Some(due),
            TimerChange::None => None,
        };
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        if let Some((key, _)) = peer.dpd_timer.take() {
            self.wheel.cancel(key);
        }
        peer.dpd_timer = due.map(|due| (self.wheel.arm(due, Token::Dpd(spi.slot())), due));
    }

    /// Carries the timers of an IKE SA over to its successor.
    pub(crate) fn inherit_timers(
        &mut self,
        spi: IkeSpi,
        dpd: Option<(TimerKey, Instant)>,
        keepalive: Option<TimerKey>,
        now: Instant,
    ) {
        if let Some((key, due)) = dpd {
            self.wheel.cancel(key);
            self.change_timer(spi, TimerChange::At(due));
        }
        if let Some(key) = keepalive {
            self.wheel.cancel(key);
            self.arm_keepalive(spi, now);
        }
    }

    /// One try. In IKEv2 an outstanding request of ours is the check (RFC 7296 §2.4), else an empty
    /// one; in IKEv1 each try is an R-U-THERE of its own. `first` opens a probe.
    fn send_probe(&mut self, spi: IkeSpi, first: bool, now: Instant, out: &mut impl Output) {
        let refused = self.counters.dropped_count(ShardDrop::SendRefused);
        let sequence = self.next_sequence(spi, first);
        let asked = self.with_sa(spi, now, out, |sa, ctx, actions| {
            let again = sa.version() == IkeVersion::V2 && sa.retransmit_outstanding(actions);
            (
                again,
                again || sa.probe(sequence, ctx, actions) == Probe::Sent,
            )
        });
        let (again, asked) = asked.unwrap_or_default();
        self.counters.ike_retransmissions_out += u64::from(again);
        let left = self.counters.dropped_count(ShardDrop::SendRefused) == refused;
        if asked && left {
            return;
        }
        let peer = self.peers.get_mut(spi);
        if let Some(liveness) = peer.and_then(|peer| peer.liveness.as_mut()) {
            liveness.unsent();
        }
    }

    /// An IKE message that was taken ([`Disposition::Taken`]) did not leave after all. Whatever it
    /// was, the try that is under way may not have reached the peer, and does not count.
    pub fn refused(&mut self, sender: IkeSpi) {
        self.counters.dropped(ShardDrop::SendRefused);
        let peer = self.peers.get_mut(sender);
        if let Some(liveness) = peer.and_then(|peer| peer.liveness.as_mut()) {
            liveness.unsent();
        }
    }

    /// The verdict: one DELETE that is never repeated, then the SAs go, then the policy's action.
    fn bury(&mut self, spi: IkeSpi, evidence: Box<Evidence>, now: Instant, out: &mut impl Output) {
        self.tell(spi, now, out, || TraceStep::Dpd(DpdStep::Unanswered));
        self.record_death(spi, evidence, now, out);
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            sa.close(CloseReason::Unresponsive, false, ctx, actions);
        });
    }

    fn record_death(
        &mut self,
        spi: IkeSpi,
        evidence: Box<Evidence>,
        now: Instant,
        out: &mut impl Output,
    ) {
        let detection = now - evidence.last_proof_at;
        let millis = u64::try_from(detection.as_millis()).unwrap_or(u64::MAX);
        self.counters.dpd_detection_ms.saturating_record(millis);
        if let Some(peer) = self.peer_ref(spi) {
            self.obituaries.add(Obituary {
                peer,
                at: now,
                evidence: (*evidence).clone(),
            });
        }
        self.tell(spi, now, out, || TraceStep::Dpd(DpdStep::NotResponding));
        self.emit(spi, EventKind::Dead { evidence }, now, out);
    }

    /// What the policy of a dead peer says should follow.
    pub(crate) fn action_after_death(&self, peer: &Peer) -> Action {
        self.dpd_policy(peer)
            .map_or(Action::Clear, |policy| policy.action)
    }

    pub(crate) fn arm_keepalive(&mut self, spi: IkeSpi, now: Instant) {
        let due = now + self.world.settings.keepalive;
        if let Some(peer) = self.peers.get_mut(spi) {
            let key = self.wheel.arm(due, Token::Keepalive(spi.slot()));
            if let Some(old) = peer.keepalive_timer.replace(key) {
                self.wheel.cancel(old);
            }
        }
    }

    pub(crate) fn keepalive_timer_fired(&mut self, slot: u32, now: Instant, out: &mut impl Output) {
        let Some(spi) = self.peers.spi_at(slot) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        peer.keepalive_timer = None;
        match out.send_keepalive(&peer.sa.path()) {
            Disposition::Taken => self.counters.keepalives[1] += 1,
            Disposition::Refused => self.counters.dropped(ShardDrop::SendRefused),
        }
        self.arm_keepalive(spi, now);
    }
}

/// Address translation on the path to a peer, in the words of dead peer detection.
pub(crate) fn nat_of(peer: &Peer) -> Nat {
    let nat = peer.sa.nat();
    Nat {
        local: nat.local,
        remote: nat.remote,
    }
}

/// Names no peer, for what happens to many or to none.
pub(crate) fn nobody(shard: ShardId) -> PeerRef {
    let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    PeerRef {
        shard,
        spi: IkeSpi::ZERO,
        connection: "".into(),
        identity: None,
        local: nowhere,
        remote: nowhere,
        fvrf: FrontVrf::GLOBAL,
        ivrf: InnerVrf::GLOBAL,
    }
}

/// What a peer shares with others, so that one fault may silence them together. The same address in
/// another front-door VRF is somewhere else.
fn domains(shard: u8, path: Path) -> [DomainKey; 4] {
    let vrf = u32::from(path.fvrf.0).rotate_right(8);
    let (family, prefix) = match path.remote.ip().to_canonical() {
        IpAddr::V4(address) => (4, u32::from(address) >> 8),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            (
                6,
                (u32::from(a) << 16 | u32::from(b)) ^ u32::from(c).rotate_left(7),
            )
        }
    };
    // Each uplink has an address of ours; which one a datagram takes is the kernel's business.
    let uplink = match path.local.ip().to_canonical() {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(address) => {
            let words = address.segments().into_iter().map(u32::from);
            words.fold(0_u32, |mixed, word| mixed.rotate_left(7) ^ word)
        }
    };
    [
        DomainKey::new(FaultDomain::Shard, u32::from(shard)),
        DomainKey::new(FaultDomain::AddressFamily, family),
        DomainKey::new(FaultDomain::SourcePrefix, prefix ^ vrf),
        DomainKey::new(FaultDomain::EgressInterface, uplink ^ vrf),
    ]
}
