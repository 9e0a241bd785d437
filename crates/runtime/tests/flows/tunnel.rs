//! Both ends of the tunnels to a few peers.

use crypto::{EncryptionAlgorithm, Entropy, OpeningKey, ProtectionSuite, SealingKey};
use esp::{
    InboundPacket, InboundReport, OutboundPacket, OutboundReport, find_sas, open_batch, seal_batch,
};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpiLayout, FrontVrf, IkeSlot, InboundParameters,
    InboundSa, Instant, OutboundParameters, OutboundSa, OuterHeaderPolicy, Sad, Selectors, Spd,
    TrafficSelector, VolumeLimits,
};
use netio::segmentation::{Arriving, Coalescer, HEADER_LEN, Header, Leaving, Next, Split};
use netio::{Buffer, OuterPacket, SocketId, TunId};

use crate::packets::PEERS;

const NOW: Instant = Instant::from_secs(5);
/// What the kernel merges into one run, at most.
const RUN_PACKETS_MAX: usize = 64;
const RUN_LEN_MAX: usize = 65_000;

/// A frame on the network, and to which peer's address it goes.
#[derive(Clone)]
pub(crate) struct Frame {
    peer: u8,
    octets: Vec<u8>,
}

pub(crate) struct Tunnel {
    sad: Sad,
    spd: Spd,
    outbound: OutboundReport,
    inbound: InboundReport,
    pub(crate) supers_read: usize,
    pub(crate) runs_received: usize,
    pub(crate) supers_written: usize,
}

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_mul(5).wrapping_add(1);
        out.fill(self.0);
    }
}

impl Tunnel {
    pub(crate) fn new() -> Self {
        let mut sad = Sad::new(0, EspSpiLayout::for_shards(1), 16);
        let mut spd = Spd::new(7);
        for peer in 0..PEERS {
            add(&mut sad, &mut spd, peer);
        }
        Self {
            sad,
            spd,
            outbound: OutboundReport::default(),
            inbound: InboundReport::default(),
            supers_read: 0,
            runs_received: 0,
            supers_written: 0,
        }
    }

    /// The sender's TUN device gives packets as super-packets, which are split.
    pub(crate) fn read(&mut self, packets: &[Vec<u8>], reads: &[usize]) -> Vec<Vec<u8>> {
        let supers = in_parts(packets, reads, coalesce);
        self.supers_read += supers.len();
        supers.iter().flat_map(|octets| split(octets)).collect()
    }

    /// Seals packets in the buffers that a split leaves them in.
    pub(crate) fn seal(&mut self, packets: &[Vec<u8>], reads: &[usize]) -> Vec<Frame> {
        in_parts(packets, reads, |part| self.seal_batch(part))
    }

    fn seal_batch(&mut self, inner: &[Vec<u8>]) -> Vec<Frame> {
        let mut buffers: Vec<Buffer> = inner.iter().map(|octets| filled(octets)).collect();
        let mut packets: Vec<_> = buffers
            .iter_mut()
            .map(|buffer| {
                let range = buffer.range();
                OutboundPacket::read(buffer.storage_mut(), range)
            })
            .collect();
        find_sas(&self.spd, &self.sad, &mut packets);
        seal_batch(&mut self.sad, &mut packets, NOW, &mut self.outbound);
        let frame = |packet: &OutboundPacket<'_>| Frame {
            peer: self
                .sad
                .outbound(packet.sa.expect("an SA leads there"))
                .map(|sa| sa.owner.index as u8)
                .expect("it is there"),
            octets: packet.packet().expect("it was sealed").to_vec(),
        };
        packets.iter().map(frame).collect()
    }

    /// Frames arrive in runs as the kernel makes them; what is opened is coalesced read by read, and
    /// the kernel splits it.
    pub(crate) fn open(&mut self, frames: &[Frame], reads: &[usize]) -> Vec<Vec<u8>> {
        in_parts(frames, reads, |part| {
            let mut opened = Vec::new();
            for mut run in merge(part) {
                self.runs_received += 1;
                let mut packets: Vec<_> = run
                    .datagrams_mut()
                    .map(|octets| InboundPacket::new(octets, 0))
                    .collect();
                open_batch(&mut self.sad, &mut packets, NOW, &mut self.inbound);
                let inner = packets.iter().filter_map(InboundPacket::inner);
                opened.extend(inner.map(<[u8]>::to_vec));
            }
            let written = coalesce(&opened);
            self.supers_written += written.len();
            written.iter().flat_map(|octets| split(octets)).collect()
        })
    }
}

/// An SA for the hosts of a peer in each direction; the peer is this end, too.
fn add(sad: &mut Sad, spd: &mut Spd, peer: u8) {
    let suite = ProtectionSuite {
        encryption: if peer == 0 {
            EncryptionAlgorithm::Aes128Gcm16
        } else {
            EncryptionAlgorithm::ChaCha20Poly1305
        },
        integrity: None,
    };
    let keys = vec![peer + 1; suite.key_material_len()];
    let local = [TrafficSelector::ANY_V4, TrafficSelector::ANY_V6];
    let mut host = [0; 16];
    (host[0], host[1], host[15]) = (0xfd, 1, peer);
    let remote = [
        TrafficSelector::host([10, 0, 1, peer].into()),
        TrafficSelector::host(host.into()),
    ];
    let owner = IkeSlot {
        index: u32::from(peer),
        generation: 1,
    };
    let spi = sad.reserve_inbound(&mut Counting(peer)).expect("room");
    let inbound = InboundParameters {
        key: OpeningKey::new(suite, &keys),
        suite,
        esn: true,
        replay_window: 512,
        // Seen from the other end.
        selectors: Selectors::new(&remote, &local),
        limits: VolumeLimits::NONE,
        owner,
    };
    sad.install_inbound(InboundSa::new(spi, inbound))
        .expect("reserved");
    let selectors = Selectors::new(&local, &remote);
    let outbound = OutboundParameters {
        spi,
        key: SealingKey::new(suite, &keys),
        suite,
        esn: true,
        outer: OuterHeaderPolicy {
            df: DfPolicy::Copy,
            copy_dscp: true,
            mss_clamp: None,
        },
        selectors: selectors.clone(),
        limits: VolumeLimits::NONE,
        owner,
        path: EspPath {
            local: ([192, 0, 2, 1], 4500).into(),
            remote: ([192, 0, 2, 2], 4500).into(),
            encapsulation: Encapsulation::Udp,
            mtu: 1500,
            fvrf: FrontVrf::GLOBAL,
        },
    };
    let handle = sad
        .insert_outbound(OutboundSa::new(outbound))
        .expect("room");
    spd.insert(handle, &selectors);
}

/// Does `work` on parts of `all`, whose lengths are those of `reads` in turn.
fn in_parts<T, U>(all: &[T], reads: &[usize], mut work: impl FnMut(&[T]) -> Vec<U>) -> Vec<U> {
    let (mut rest, mut done, mut reads) = (all, Vec::new(), reads.iter().cycle());
    while !rest.is_empty() {
        let len = reads.next().map_or(rest.len(), |len| rest.len().min(*len));
        let (part, more) = rest.split_at(len);
        done.extend(work(part));
        rest = more;
    }
    done
}

fn filled(octets: &[u8]) -> Buffer {
    let mut buffer = Buffer::new(2000);
    assert!(buffer.fill(octets));
    buffer
}

/// What crosses a TUN device for these packets: each with the header that describes it.
fn coalesce(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut coalescer = Coalescer::new();
    let mut written = Vec::new();
    let source = |number: usize| packets[number].as_slice();
    let mut write = |leaving: &Leaving<'_>| {
        let parts: Vec<_> = leaving.parts().collect();
        written.push([leaving.head, &parts.concat()].concat());
    };
    for number in 0..packets.len() {
        let packet = Arriving {
            number,
            tun: TunId(0),
            udp: true,
        };
        coalescer.push(packet, &source, &mut write);
    }
    coalescer.flush(&source, &mut write);
    written
}

fn split(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut octets = octets.to_vec();
    let (header, packet) = octets
        .split_first_chunk_mut::<HEADER_LEN>()
        .expect("it is described");
    let mut split = Split::new(&Header::from_octets(header), packet).expect("it is as described");
    let (mut packets, mut buffer) = (Vec::new(), Buffer::new(2000));
    while !split.is_done() {
        assert_eq!(split.next(packet, &mut buffer), Next::Packet);
        packets.push(buffer.bytes().to_vec());
    }
    packets
}

/// Frames of one peer and one length become one run, whose last may be shorter.
fn merge(frames: &[Frame]) -> Vec<OuterPacket> {
    let mut runs: Vec<(u8, usize, Vec<u8>)> = Vec::new();
    for frame in frames {
        let len = frame.octets.len();
        match runs.last_mut() {
            Some((peer, segment, octets))
                if *peer == frame.peer
                    && len <= *segment
                    && octets.len().is_multiple_of(*segment)
                    && octets.len() / *segment < RUN_PACKETS_MAX
                    && octets.len() + len <= RUN_LEN_MAX =>
            {
                octets.extend_from_slice(&frame.octets);
            }
            _ => runs.push((frame.peer, len, frame.octets.clone())),
        }
    }
    let run = |(peer, segment, octets): (u8, usize, Vec<u8>)| {
        let mut buffer = Buffer::new(RUN_LEN_MAX);
        assert!(buffer.fill(&octets));
        OuterPacket {
            socket: SocketId(0),
            local: ([192, 0, 2, 1], 4500).into(),
            remote: ([192, 0, 2, 10 + peer], 4500).into(),
            tos: 0,
            segment: segment as u16,
            buffer,
        }
    };
    runs.into_iter().map(run).collect()
}
