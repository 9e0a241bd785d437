//! The SAs at both ends of the tunnels to a few peers.

use crypto::{EncryptionAlgorithm, Entropy, OpeningKey, ProtectionSuite, SealingKey};
use esp::{
    InboundPacket, InboundReport, OutboundPacket, OutboundReport, find_sas, open_batch, seal_batch,
};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpiLayout, FrontVrf, IkeSlot, InboundParameters,
    InboundSa, Instant, OutboundParameters, OutboundSa, OuterHeaderPolicy, Sad, Selectors, Spd,
    TrafficSelector, VolumeLimits,
};
use netio::{Buffer, OuterPacket};

use crate::packets::PEERS;

const NOW: Instant = Instant::from_secs(5);

/// A frame on the network, and to which peer's address it goes.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) peer: u8,
    pub(crate) octets: Vec<u8>,
}

pub(crate) struct Ends {
    sad: Sad,
    spd: Spd,
    outbound: OutboundReport,
    inbound: InboundReport,
}

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_mul(5).wrapping_add(1);
        out.fill(self.0);
    }
}

impl Ends {
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
        }
    }

    /// Seals a batch of packets in the buffers that a split leaves them in.
    pub(crate) fn seal(&mut self, inner: &[Vec<u8>]) -> Vec<Frame> {
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

    /// Opens the packets of a run as one batch and hands on what was in them.
    pub(crate) fn open(&mut self, run: &mut OuterPacket, deliver: impl FnMut(&[u8])) {
        let mut packets: Vec<_> = run
            .datagrams_mut()
            .map(|octets| InboundPacket::new(octets, 0))
            .collect();
        open_batch(&mut self.sad, &mut packets, NOW, &mut self.inbound);
        let inner = packets.iter().filter_map(InboundPacket::inner);
        inner.for_each(deliver);
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
pub(crate) fn in_parts<T, U>(
    all: &[T],
    reads: &[usize],
    mut work: impl FnMut(&[T]) -> Vec<U>,
) -> Vec<U> {
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
