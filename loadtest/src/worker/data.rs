//! Test packets: out through ESP, back through ESP, compared octet for octet.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use esp::{
    InboundDrop, InboundPacket, Opened, OutboundDrop, OutboundPacket, open_batch, seal_batch,
};
use ike::Path;
use ipsec::OutboundHandle;
use netio::{Batch, Buffer};
use timer::Instant;
use wire::ip::{InnerPacket, Upper, build_udp, protocol};
use wire::udp_encap::{Encapsulated, classify};

use super::peer::State;
use super::unrest::Mark;
use super::{Token, Worker};
use crate::pattern::{self, Stamp};

/// Packets that are sealed together.
const SEAL_BATCH: usize = 64;

/// A test packet on its way out.
pub(super) struct Outgoing {
    buffer: Buffer,
    slot: u32,
    sa: OutboundHandle,
    path: (SocketAddr, SocketAddr),
}

impl Worker {
    /// Seconds between the test packets of a peer; `None` if it sends none.
    pub(super) fn packet_gap_s(&self, slot: u32) -> Option<f64> {
        let plan = &self.shared.plan;
        let peer = self.peers.get(slot as usize)?;
        let rate = plan
            .classes
            .get(usize::from(peer.class))
            .and_then(|class| class.packets_per_second)
            .unwrap_or(plan.scenario.traffic.packets_per_second);
        let passes = plan
            .classes
            .get(usize::from(peer.class))
            .is_some_and(|class| class.esp);
        (rate > 0.0 && passes).then(|| 1.0 / rate)
    }

    pub(super) fn on_packet_due(&mut self, slot: u32, due: Instant, now: Instant) {
        let Some(gap_s) = self.packet_gap_s(slot) else {
            return;
        };
        if self.peers.get(slot as usize).map(|peer| peer.state) != Some(State::Up) {
            return;
        }
        self.queue_packet(slot, now);
        // From the due time, not from now: a late worker does not slow the traffic down.
        let next = due + Duration::from_secs_f64(gap_s);
        self.wheel.arm(next, Token::Packet(slot));
        if self.outgoing.len() >= SEAL_BATCH {
            self.seal_outgoing(now);
        }
    }

    pub(super) fn queue_packet(&mut self, slot: u32, now: Instant) {
        let number = self.peer_number(slot);
        let mark = self.mark(slot, now);
        let scenario = &self.shared.plan.scenario;
        let traffic = &scenario.traffic;
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        let (Some(child), Some(inner)) = (peer.sending_child().copied(), peer.inner) else {
            return;
        };
        let mut payload = vec![0; usize::from(traffic.payload_bytes)];
        let stamp = Stamp {
            peer: number,
            sequence: mark.on(peer.packets),
            sent_ns: now.as_nanos(),
        };
        pattern::write(stamp, scenario.seed, &mut payload);
        let source = SocketAddr::new(inner, traffic.source_port);
        let mut packet = Vec::with_capacity(payload.len() + 48);
        if !build_udp(source, traffic.destination, &payload, &mut packet) {
            return;
        }
        let Some(mut buffer) = self.engine.buffer() else {
            return;
        };
        if !buffer.fill(&packet) {
            self.engine.give(buffer);
            return;
        }
        peer.packets += 1;
        match mark {
            Mark::Quiet => {}
            Mark::Rekey => self.stats.during_rekey.sent += 1,
            Mark::Failover => self.stats.during_failover.sent += 1,
        }
        self.outgoing.push(Outgoing {
            buffer,
            slot,
            sa: child.outbound,
            path: peer.esp_path,
        });
    }

    /// Seals what has been queued and sends it.
    pub(super) fn seal_outgoing(&mut self, now: Instant) {
        if self.outgoing.is_empty() {
            return;
        }
        let mut outgoing = core::mem::take(&mut self.outgoing);
        let mut packets: Vec<OutboundPacket<'_>> = outgoing
            .iter_mut()
            .map(|out| {
                let range = out.buffer.range();
                OutboundPacket::new(out.buffer.storage_mut(), range, out.sa)
            })
            .collect();
        seal_batch(&mut self.sad, &mut packets, now, &mut self.outbound);
        let sealed: Vec<_> = packets
            .into_iter()
            .map(|packet| match packet.outcome {
                esp::Sealed::Packet { range, .. } => Some(range),
                _ => None,
            })
            .collect();
        for (mut out, range) in outgoing.drain(..).zip(sealed) {
            let (local, remote) = out.path;
            match (range, self.way(out.slot, local, remote)) {
                (Some(range), Some(way)) if out.buffer.set_range(range.clone()) => {
                    self.depart(out.slot, way, out.buffer, now);
                    self.stats.counts.sent += 1;
                }
                _ => self.engine.give(out.buffer),
            }
        }
        // Keep the room for the next batch.
        self.outgoing = outgoing;
    }

    /// Takes received datagrams apart: IKE goes to its SA at once, ESP is opened together.
    pub(super) fn take_in(&mut self, batch: &mut Batch, now: Instant) {
        let mut packets = Vec::with_capacity(batch.outer.len());
        for outer in &mut batch.outer {
            let encapsulated = self.sockets.is_encapsulated(outer.socket);
            let path = Path {
                local: outer.local,
                remote: outer.remote,
                encapsulated,
                fvrf: ipsec::FrontVrf::GLOBAL,
            };
            let bytes = outer.buffer.bytes_mut();
            let segment = match usize::from(outer.segment) {
                0 => bytes.len().max(1),
                segment => segment,
            };
            for datagram in bytes.chunks_mut(segment) {
                if !self.arrives(datagram, path, outer.tos, now) {
                    continue;
                }
                if self.takes_ike(datagram, path, now) {
                    continue;
                }
                packets.push(InboundPacket::new(datagram, outer.tos));
            }
        }
        self.open(&mut packets, now);
    }

    /// Takes one datagram that arrived late.
    pub(super) fn take_one(&mut self, datagram: &mut [u8], path: Path, tos: u8, now: Instant) {
        if !self.takes_ike(datagram, path, now) {
            self.open(&mut [InboundPacket::new(datagram, tos)], now);
        }
    }

    /// Hands IKE to its peer; false for ESP, which is left to the caller.
    fn takes_ike(&mut self, datagram: &[u8], path: Path, now: Instant) -> bool {
        if !path.encapsulated {
            self.on_ike(datagram, path, now);
            return true;
        }
        match classify(datagram) {
            Encapsulated::Esp => return false,
            Encapsulated::Ike(message) => self.on_ike(message, path, now),
            Encapsulated::Keepalive | Encapsulated::TooShort => {}
        }
        true
    }

    fn open(&mut self, packets: &mut [InboundPacket<'_>], now: Instant) {
        if packets.is_empty() {
            return;
        }
        open_batch(&mut self.sad, packets, now, &mut self.inbound);
        let heard = core::mem::take(&mut self.inbound.heard);
        for touched in &heard {
            self.on_child_heard(touched.owner.index, touched.spi, now);
        }
        self.inbound.heard = heard;
        for packet in packets {
            if !matches!(packet.outcome, Opened::Inner { .. }) {
                continue;
            }
            let owner = self.sad.inbound(packet.spi()).map(|sa| sa.owner.index);
            if let (Some(slot), Some(inner)) = (owner, packet.inner())
                && self
                    .class_of(slot)
                    .is_some_and(|class| class.receives && class.esp)
            {
                self.judge(slot, inner, now);
            }
        }
    }

    /// The other end sends on a Child SA: it is ready for what we send on it.
    fn on_child_heard(&mut self, slot: u32, spi: ipsec::EspSpi, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if peer.child_mut(spi).is_none_or(|child| child.ready) {
            return;
        }
        if let Some(ike_spi) = peer.ike.as_ref().map(|sa| sa.local_spi()) {
            self.drive(slot, ike_spi, now, |sa, _, actions| {
                sa.on_child_traffic(spi, actions);
            });
        }
    }

    /// Compares an inner packet with what its peer sent.
    fn judge(&mut self, slot: u32, packet: &[u8], now: Instant) {
        let counts = &mut self.stats.counts;
        counts.received += 1;
        let scenario = &self.shared.plan.scenario;
        let peer = self.peers.get(slot as usize);
        let own_address = peer.and_then(|peer| peer.inner);
        let Some(payload) = echo_payload(packet, scenario.traffic.destination.ip(), own_address)
        else {
            counts.unrelated += 1;
            return;
        };
        let number = slot * u32::from(self.count) + u32::from(self.number);
        match pattern::verify(payload, scenario.seed) {
            Some(stamp)
                if stamp.peer == number
                    && payload.len() == usize::from(scenario.traffic.payload_bytes) =>
            {
                counts.verified += 1;
                match Mark::of(stamp.sequence) {
                    Mark::Quiet => {}
                    Mark::Rekey => self.stats.during_rekey.verified += 1,
                    Mark::Failover => self.stats.during_failover.verified += 1,
                }
                let nanos = now.as_nanos().saturating_sub(stamp.sent_ns);
                self.stats.echo_us.saturating_record(nanos / 1_000);
                self.first_echo(slot, now);
            }
            _ => counts.mismatched += 1,
        }
    }

    /// Counts the time from the moment when the peer was due to its first packet that came back.
    fn first_echo(&mut self, slot: u32, now: Instant) {
        if let Some(peer) = self.peers.get_mut(slot as usize)
            && !core::mem::replace(&mut peer.echoed, true)
        {
            let micros = u64::try_from((now - peer.due).as_micros()).unwrap_or(u64::MAX);
            self.stats.first_packet_us.saturating_record(micros);
        }
    }

    /// Moves the counters of ESP drops to where the report looks for them.
    pub(super) fn collect_drops(&mut self) {
        for reason in InboundDrop::ALL {
            let count = self.inbound.drops.get(reason.index()).copied();
            self.add_drops(reason.label(), count);
        }
        for reason in OutboundDrop::ALL {
            let count = self.outbound.drops.get(reason.index()).copied();
            self.add_drops(reason.label(), count);
        }
    }

    fn add_drops(&mut self, label: &'static str, count: Option<u64>) {
        if let Some(count) = count.filter(|count| *count > 0) {
            *self.stats.drops.entry(label).or_default() += count;
        }
    }
}

/// The UDP payload of a packet from the echoing host to the peer.
fn echo_payload(packet: &[u8], echo: IpAddr, peer: Option<IpAddr>) -> Option<&[u8]> {
    let inner = InnerPacket::parse(packet).ok()?;
    let matches = inner.protocol == protocol::UDP
        && matches!(inner.upper, Upper::Ports { .. })
        && inner.source == echo
        && Some(inner.destination) == peer;
    if !matches {
        return None;
    }
    packet.get(inner.header_len + 8..inner.total_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_echo_to_the_peer_itself_is_judged() {
        let mut packet = Vec::new();
        let (echo, peer): (SocketAddr, SocketAddr) = (
            "10.99.0.1:7".parse().unwrap(),
            "10.9.0.5:40000".parse().unwrap(),
        );
        assert!(build_udp(echo, peer, b"payload", &mut packet));
        let payload =
            |echo: SocketAddr, peer: Option<IpAddr>| echo_payload(&packet, echo.ip(), peer);
        assert_eq!(payload(echo, Some(peer.ip())), Some(&b"payload"[..]));
        assert_eq!(payload(echo, None), None);
        assert_eq!(payload(peer, Some(echo.ip())), None);
    }
}
