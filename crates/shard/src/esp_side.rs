//! The packet path: batches of datagrams in, batches of inner packets out.

use core::net::SocketAddr;

use dpd::{NotProof, Proof};
use esp::{
    Aged, InboundPacket, Opened, OutboundPacket, Sealed, Touched, find_sas, open_batch, seal_batch,
};
use ike::{Path, RemovalReason};
use ike::{Route, route};
use ipsec::{EspSpi, FrontVrf, IkeVersion, InnerVrf, LifeStage};
use smallvec::SmallVec;
use timer::Instant;
use wire::udp_encap::{Encapsulated, classify};

use crate::counters::{ShardDrop, bump};
use crate::elephant::is_guest;
use crate::strangers::{Home, Newcomer};
use crate::trace::{ChildStep, TraceStep};
use crate::{Disposition, InnerPacket, Listener, OuterPacket, Output, Shard, ShardId};

/// Packets that go through ESP in one call.
pub(crate) const BATCH: usize = 64;

/// What a datagram is, before anything in it is believed.
enum Class {
    Esp,
    /// An IKE message that begins after this many octets, and where it goes.
    Ike(usize, Route),
    Keepalive,
    /// It belongs to another shard.
    Stray(ShardId),
    Dropped(ShardDrop),
    Unroutable(ike::Rejection),
}

pub(crate) type Opening<'a> = SmallVec<[InboundPacket<'a>; BATCH]>;
pub(crate) type Origins = SmallVec<[Origin; BATCH]>;
type Sealing<'a> = SmallVec<[OutboundPacket<'a>; BATCH]>;

/// Where a datagram came from and to.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) encapsulated: bool,
    pub(crate) fvrf: FrontVrf,
}

fn path_of(packet: &OuterPacket<'_>) -> Path {
    Path {
        local: packet.local,
        remote: packet.remote,
        encapsulated: packet.listener == Listener::Nat,
        fvrf: packet.fvrf,
    }
}

impl Shard {
    /// Takes datagrams from outside: whatever belongs to standing SAs in the order of its arrival, then
    /// whoever knocks. So no answer to a probe of ours, and none to a peer's, waits behind newcomers.
    pub fn outer(&mut self, packets: &mut [OuterPacket<'_>], now: Instant, out: &mut impl Output) {
        self.outer_from(packets, false, now, out);
    }

    /// Takes datagrams from outside that belong to standing SAs, and tells the others, first messages that come
    /// through the [gate](ike::FrontDoor::gate), to whoever has them wait. They come back through
    /// [`outer`](Self::outer) when there is time for them.
    pub fn outer_without_newcomers(
        &mut self,
        packets: &mut [OuterPacket<'_>],
        now: Instant,
        out: &mut impl Output,
        mut waits: impl FnMut(&OuterPacket<'_>, Newcomer),
    ) {
        let mut knocking: SmallVec<[(usize, usize, Route); BATCH]> = SmallVec::new();
        self.outer_known(packets, false, &mut knocking, now, out);
        for (place, start, route) in knocking {
            let Some(packet) = packets.get(place) else {
                continue;
            };
            let newcomer = match (route, packet.bytes.get(start..)) {
                (Route::FrontDoor, Some(message)) => self.gate(message, &path_of(packet), now, out),
                _ => Some(Newcomer::Stranger),
            };
            if let Some(newcomer) = newcomer {
                waits(packet, newcomer);
            }
        }
    }

    /// So many first messages were dropped because too many wait.
    pub fn turned_away(&mut self, count: u64) {
        self.counters
            .dropped_several(ShardDrop::NewcomersFull, count);
    }

    /// Takes a datagram that another shard handed over ([`Output::hand_over_outer`]).
    pub fn handed_over(&mut self, packet: OuterPacket<'_>, now: Instant, out: &mut impl Output) {
        self.outer_from(&mut [packet], true, now, out);
    }

    fn outer_from(
        &mut self,
        packets: &mut [OuterPacket<'_>],
        forwarded: bool,
        now: Instant,
        out: &mut impl Output,
    ) {
        let mut knocking: SmallVec<[(usize, usize, Route); BATCH]> = SmallVec::new();
        self.outer_known(packets, forwarded, &mut knocking, now, out);
        for (place, start, route) in knocking {
            if let Some(packet) = packets.get(place) {
                self.ike_message(packet, start, route, now, out);
            }
        }
    }

    /// Handles all but first messages, and says where in `packets` those are.
    fn outer_known(
        &mut self,
        packets: &mut [OuterPacket<'_>],
        forwarded: bool,
        knocking: &mut SmallVec<[(usize, usize, Route); BATCH]>,
        now: Instant,
        out: &mut impl Output,
    ) {
        let mut opening = Opening::new();
        let mut origins = Origins::new();
        for (place, packet) in packets.iter_mut().enumerate() {
            match self.classify(packet, forwarded) {
                Class::Esp => {
                    origins.push(Origin {
                        local: packet.local,
                        remote: packet.remote,
                        encapsulated: packet.listener == Listener::Nat,
                        fvrf: packet.fvrf,
                    });
                    let arrived = InboundPacket::new(&mut *packet.bytes, packet.tos);
                    opening.push(arrived.at(packet.fvrf));
                    if opening.len() == BATCH {
                        self.open_all(&mut opening, &mut origins, now, out);
                    }
                }
                Class::Ike(start, route @ (Route::FrontDoor | Route::FrontDoorV1)) => {
                    knocking.push((place, start, route));
                }
                Class::Ike(start, route) => {
                    // What came before it is finished before it: a DELETE must not overtake ESP.
                    self.open_all(&mut opening, &mut origins, now, out);
                    self.ike_message(packet, start, route, now, out);
                }
                Class::Keepalive => {
                    self.counters.keepalives[0] += 1;
                    self.watch.counters.not_proof(NotProof::NatKeepalive, 1);
                }
                Class::Stray(owner) => {
                    self.counters.strays += 1;
                    out.hand_over_outer(owner, packet);
                }
                Class::Dropped(reason) => self.counters.dropped(reason),
                Class::Unroutable(reason) => {
                    bump(&mut self.counters.ike_rejected, reason.index());
                }
            }
        }
        self.open_all(&mut opening, &mut origins, now, out);
    }

    fn classify(&self, packet: &OuterPacket<'_>, forwarded: bool) -> Class {
        match packet.listener {
            Listener::RawEsp => self.classify_esp(packet.bytes),
            Listener::Ike => self.classify_ike(packet, packet.bytes, forwarded),
            Listener::Nat => match classify(packet.bytes) {
                Encapsulated::Keepalive => Class::Keepalive,
                Encapsulated::Ike(message) => self.classify_ike(packet, message, forwarded),
                Encapsulated::Esp => self.classify_esp(packet.bytes),
                Encapsulated::TooShort => Class::Dropped(ShardDrop::TooShort),
            },
        }
    }

    fn classify_esp(&self, octets: &[u8]) -> Class {
        let Some(spi) = octets.first_chunk() else {
            return Class::Dropped(ShardDrop::TooShort);
        };
        let owner = self
            .world
            .sad
            .layout()
            .shard(EspSpi(u32::from_be_bytes(*spi)));
        self.ours_or_stray(owner).unwrap_or(Class::Esp)
    }

    fn classify_ike(&self, packet: &OuterPacket<'_>, message: &[u8], forwarded: bool) -> Class {
        let start = packet.bytes.len() - message.len();
        match route(message) {
            Err(reason) => Class::Unroutable(reason),
            Ok(Route::Sa(spi)) => self
                .ours_or_stray(spi.shard())
                .unwrap_or(Class::Ike(start, Route::Sa(spi))),
            Ok(Route::FrontDoor) => Class::Ike(start, Route::FrontDoor),
            Ok(Route::FrontDoorV1) => self
                .home_of_stranger(packet.remote.ip())
                .map_or(Class::Ike(start, Route::FrontDoorV1), Class::Stray),
            Ok(Route::SaV1 {
                responder,
                initiator,
            }) => match self.home_of(responder, initiator, packet.fvrf, forwarded) {
                Home::Here(spi) => Class::Ike(start, Route::Sa(spi)),
                Home::There(shard) => Class::Stray(shard),
                Home::Nowhere => Class::Unroutable(ike::Rejection::UnknownSpi),
            },
        }
    }

    /// `Some` if another shard owns it. The number of a shard that does not exist is nonsense that
    /// this shard drops as unknown.
    fn ours_or_stray(&self, owner: u8) -> Option<Class> {
        (owner != self.id.0 && u16::from(owner) < self.shards)
            .then_some(Class::Stray(ShardId(owner)))
    }

    fn ike_message(
        &mut self,
        packet: &OuterPacket<'_>,
        start: usize,
        route: Route,
        now: Instant,
        out: &mut impl Output,
    ) {
        self.counters.ike_in += 1;
        let Some(message) = packet.bytes.get(start..) else {
            return;
        };
        let path = path_of(packet);
        match route {
            Route::FrontDoor => self.knock(IkeVersion::V2, message, path, now, out),
            Route::FrontDoorV1 => self.knock(IkeVersion::V1, message, path, now, out),
            Route::Sa(spi) => self.sa_message(spi, message, path, now, out),
            // `classify_ike` has found the IKE SA already.
            Route::SaV1 { .. } => {}
        }
    }

    fn open_all(
        &mut self,
        opening: &mut Opening<'_>,
        origins: &mut Origins,
        now: Instant,
        out: &mut impl Output,
    ) {
        if self.elephants.relays() && !opening.is_empty() {
            self.relay_batch(opening, origins, out);
        }
        if opening.is_empty() {
            return;
        }
        let mut report = core::mem::take(&mut self.inbound_report);
        let before = report.authentic;
        open_batch(&mut self.world.sad, opening, now, &mut report);
        let proofs = report.authentic - before;
        self.watch.counters.proof(Proof::Esp, proofs);
        self.draw_consequences(&report, now, out);
        self.inbound_report = report;
        let mut checked = None;
        for (packet, origin) in opening.iter().zip(origins.iter()) {
            match packet.outcome {
                Opened::Inner { newest: true, .. } | Opened::Dummy { newest: true } => {
                    let seen = Some((packet.spi(), origin.remote));
                    if checked != seen {
                        checked = seen;
                        self.follow(packet.spi(), *origin, now, out);
                    }
                }
                _ => {}
            }
            if let Some(inner) = packet.inner() {
                out.deliver_inner(packet.ivrf(), inner);
            }
        }
        if let Some(first) = opening.first().filter(|packet| packet.inner().is_some()) {
            self.scout_inbound(first.spi(), opening.len() as u64, now, out);
        }
        opening.clear();
        origins.clear();
    }

    /// Authentic ESP came on an SA: its peer lives, and is ready for a Child SA that was held back.
    pub(crate) fn esp_heard(&mut self, touched: Touched, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.owner_mut(touched.owner) else {
            return;
        };
        if let Some(liveness) = peer.liveness.as_mut() {
            liveness.heard(now, Proof::Esp);
        }
        let held_back = peer
            .children
            .iter()
            .any(|child| child.awaits_traffic && child.inbound == touched.spi);
        if held_back {
            let spi = peer.sa.local_spi();
            self.with_sa(spi, now, out, |sa, _, actions| {
                sa.on_child_traffic(touched.spi, actions);
            });
        }
    }

    /// RFC 7296 §2.23: the newest authentic packet shows where the peer is now.
    pub(crate) fn follow(
        &mut self,
        spi: EspSpi,
        origin: Origin,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(owner) = self.world.sad.inbound(spi).map(|sa| sa.owner) else {
            return;
        };
        let Some(peer) = self.peers.owner_mut(owner) else {
            return;
        };
        let known = peer.sa.path();
        if !origin.encapsulated || !known.encapsulated || known.remote == origin.remote {
            return;
        }
        let path = Path {
            local: origin.local,
            remote: origin.remote,
            encapsulated: true,
            fvrf: origin.fvrf,
        };
        let ike_spi = peer.sa.local_spi();
        self.with_sa(ike_spi, now, out, |sa, _, actions| sa.follow(path, actions));
    }

    pub(crate) fn inbound_aged(&mut self, aged: Aged, now: Instant, out: &mut impl Output) {
        self.child_aged(aged, aged.spi, now, out);
    }

    pub(crate) fn outbound_aged(&mut self, aged: Aged, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.owner_mut(aged.owner) else {
            return;
        };
        let matches = |child: &&crate::peers::Child| {
            self.world
                .sad
                .outbound(child.outbound)
                .is_some_and(|sa| sa.spi == aged.spi)
        };
        if let Some(inbound) = peer
            .children
            .iter()
            .find(matches)
            .map(|child| child.inbound)
        {
            self.child_aged(aged, inbound, now, out);
        }
    }

    /// A volume limit was reached: soft asks for a rekey, hard ends the Child SA.
    fn child_aged(&mut self, aged: Aged, inbound: EspSpi, now: Instant, out: &mut impl Output) {
        let Some(spi) = self.peers.spi_at(aged.owner.index) else {
            return;
        };
        self.tell(spi, now, out, || {
            TraceStep::Child(ChildStep::Aged { inbound })
        });
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            // A failure is an action of its own, and a Child SA that is gone needs nothing.
            let _ = match aged.stage {
                LifeStage::Fresh => Ok(()),
                LifeStage::Soft => sa.rekey_child(inbound, ctx, actions),
                LifeStage::Hard => {
                    sa.delete_child(inbound, RemovalReason::HardLifetime, ctx, actions)
                }
            };
        });
    }

    /// Takes packets from the inner side.
    pub fn inner(&mut self, packets: &mut [InnerPacket<'_>], now: Instant, out: &mut impl Output) {
        let mut sealing = Sealing::new();
        let mut vrf = InnerVrf::default();
        for packet in packets {
            if packet.ivrf != vrf || sealing.len() == BATCH {
                self.seal_all(&mut sealing, vrf, now, out);
                vrf = packet.ivrf;
            }
            let range = packet.start..packet.start + packet.len;
            let packet = OutboundPacket::read(&mut *packet.buffer, range);
            if packet.flow().is_some() {
                sealing.push(packet);
            } else {
                self.counters.dropped(ShardDrop::InnerMalformed);
            }
        }
        self.seal_all(&mut sealing, vrf, now, out);
    }

    /// Finds the SAs of packets of one VRF; those without one are dealt with and leave the batch.
    fn find_all(
        &mut self,
        sealing: &mut Sealing<'_>,
        vrf: InnerVrf,
        now: Instant,
        out: &mut impl Output,
    ) {
        if let Some(spd) = self.spds.of(vrf) {
            find_sas(spd, &self.world.sad, sealing);
        }
        if sealing.iter().all(|packet| packet.sa.is_some()) {
            return;
        }
        for packet in sealing.iter().filter(|packet| packet.sa.is_none()) {
            if let Some(flow) = packet.flow() {
                self.missed(packet.inner_octets(), vrf, &flow, now, out);
            }
        }
        sealing.retain(|packet| packet.sa.is_some());
    }

    /// No SA of this shard takes the packet: another shard, a trap, or nobody.
    fn missed(
        &mut self,
        octets: &[u8],
        ivrf: InnerVrf,
        flow: &ipsec::Flow,
        now: Instant,
        out: &mut impl Output,
    ) {
        let directory = &self.world.directory;
        match directory.owner_of_address(ivrf, flow.destination) {
            Some(owner) if owner != self.id => {
                self.counters.strays += 1;
                out.hand_over_inner(owner, ivrf, octets);
            }
            _ if self.spring_trap(ivrf, flow, octets, now, out) => {}
            _ => self.counters.dropped(ShardDrop::NoSa),
        }
    }

    fn seal_all(
        &mut self,
        sealing: &mut Sealing<'_>,
        vrf: InnerVrf,
        now: Instant,
        out: &mut impl Output,
    ) {
        if !self.guests.is_empty() {
            self.heed_owners();
        }
        self.find_all(sealing, vrf, now, out);
        if sealing.is_empty() {
            return;
        }
        let mut report = core::mem::take(&mut self.outbound_report);
        seal_batch(&mut self.world.sad, sealing, now, &mut report);
        for sa in sealing.iter().filter_map(|packet| packet.sa) {
            if let Some(sa) = self.world.sad.outbound(sa) {
                sa.fetch_path();
            }
        }
        let mut refreshed = None;
        for packet in sealing.iter_mut() {
            if let Some(handle) = packet.sa
                && refreshed.replace(handle) != Some(handle)
            {
                self.refresh_path_mtu(handle, now);
            }
            match &packet.outcome {
                Sealed::Packet { range, outer } => {
                    let sa = packet.sa.and_then(|handle| self.world.sad.outbound(handle));
                    let (Some(sa), Some(octets)) = (sa, packet.buffer.get(range.clone())) else {
                        continue;
                    };
                    if out.send_esp(sa.path(), *outer, octets) == Disposition::Refused {
                        self.counters.dropped(ShardDrop::SendRefused);
                    }
                }
                Sealed::TooBig { mtu } => {
                    self.answer_too_big(vrf, packet.inner_octets(), *mtu, now, out);
                }
                Sealed::Dropped(_) | Sealed::Pending => {}
            }
        }
        for touched in &report.used {
            if is_guest(touched.owner) {
                self.guest_sealed(touched.owner, out);
            } else {
                self.sent_esp(touched.owner, now, out);
            }
        }
        for aged in &report.aged {
            if is_guest(aged.owner) {
                self.guest_aged(aged.owner, out);
            } else {
                self.outbound_aged(*aged, now, out);
            }
        }
        self.outbound_report = report;
        if let Some(sa) = sealing.first().and_then(|packet| packet.sa) {
            self.scout_outbound(sa, sealing.len() as u64, now, out);
        }
        sealing.clear();
    }
}
