use std::collections::HashSet;

use crypto::{EncryptionAlgorithm, Entropy, OpeningKey, ProtectionSuite, SealingKey};
use esp::{HEADROOM, InboundPacket, InboundReport, OutboundPacket, OutboundReport, TAILROOM};
use esp::{Opened, open_batch, seal_batch};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpiLayout, IkeSlot, InboundParameters, InboundSa,
    OutboundHandle, OutboundParameters, OutboundSa, OuterHeaderPolicy, Sad, Selectors,
    TrafficSelector, VolumeLimits,
};
use timer::Instant;

const PACKETS: usize = 40;
const SUITE: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::ChaCha20Poly1305,
    integrity: None,
};

/// A packet as it is, and as it travels.
type PlainAndSealed = (Vec<u8>, Vec<u8>);

/// A run of ESP packets that `data` reorders, repeats, cuts, changes and mixes with its own. Each
/// packet comes out at most once, and only as it went in.
pub fn esp_packets(data: &[u8]) {
    let (mut sad, sealed) = sealed_packets(data.first().is_some_and(|octet| octet & 1 == 1));
    let mut batch: Vec<Vec<u8>> = Vec::new();
    for operation in data.chunks(4) {
        let &[which, how, at, value] = operation else {
            break;
        };
        let Some((_, packet)) = sealed.get(usize::from(which) % PACKETS) else {
            break;
        };
        let mut packet = packet.clone();
        match how % 8 {
            0 => packet.truncate(usize::from(at)),
            1 | 2 => {
                if let Some(octet) = packet.get_mut(usize::from(at)) {
                    *octet = value;
                }
            }
            3 => packet = data.to_vec(),
            _ => {}
        }
        batch.push(packet);
    }
    let mut report = InboundReport::default();
    let mut seen = HashSet::new();
    for batch in batch.chunks_mut(7) {
        let mut packets: Vec<_> = batch
            .iter_mut()
            .map(|octets| InboundPacket::new(octets, 0))
            .collect();
        open_batch(&mut sad, &mut packets, Instant::ZERO, &mut report);
        for packet in &packets {
            assert_ne!(packet.outcome, Opened::Pending);
            if let Some(inner) = packet.inner() {
                let known = sealed.iter().any(|(plain, _)| plain == inner);
                assert!(known, "a packet came out that had not gone in");
                assert!(seen.insert(inner.to_vec()), "a packet came out twice");
            }
        }
    }
}

/// A database with a pair of SAs, and packets as they are and as they travel.
fn sealed_packets(esn: bool) -> (Sad, Vec<PlainAndSealed>) {
    let mut sad = Sad::new(0, EspSpiLayout::for_shards(1), 4);
    let outbound = install(&mut sad, esn);
    let mut report = OutboundReport::default();
    let packets = (0..PACKETS).map(|number| {
        let plain = plain_packet(number as u8);
        let mut buffer = vec![0; HEADROOM + plain.len() + TAILROOM];
        let inner = HEADROOM..HEADROOM + plain.len();
        buffer[inner.clone()].copy_from_slice(&plain);
        let mut packet = [OutboundPacket::new(&mut buffer, inner, outbound)];
        seal_batch(&mut sad, &mut packet, Instant::ZERO, &mut report);
        let sealed = packet[0].packet().expect("a sound packet is sealed");
        (plain, sealed.to_vec())
    });
    let packets = packets.collect();
    (sad, packets)
}

fn plain_packet(number: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    let (from, to) = ("10.0.0.1:1", "10.0.0.2:2");
    let (from, to) = (from.parse().expect("sound"), to.parse().expect("sound"));
    wire::ip::build_udp(from, to, &[number; 9], &mut packet);
    packet
}

fn install(sad: &mut Sad, esn: bool) -> OutboundHandle {
    let key = vec![7; SUITE.key_material_len()];
    let selectors = Selectors::new(&[TrafficSelector::ANY_V4], &[TrafficSelector::ANY_V4]);
    let spi = sad.reserve_inbound(&mut Zeros).expect("there is room");
    let (limits, owner) = (VolumeLimits::NONE, IkeSlot::default());
    let inbound = InboundParameters {
        key: OpeningKey::new(SUITE, &key),
        suite: SUITE,
        esn,
        replay_window: 64,
        selectors: selectors.clone(),
        limits,
        owner,
    };
    sad.install_inbound(InboundSa::new(spi, inbound))
        .expect("the SPI was reserved");
    let outbound = OutboundParameters {
        spi,
        key: SealingKey::new(SUITE, &key),
        suite: SUITE,
        esn,
        outer: OuterHeaderPolicy {
            df: DfPolicy::Clear,
            copy_dscp: false,
            mss_clamp: None,
        },
        selectors,
        limits,
        owner,
        path: EspPath {
            local: ([192, 0, 2, 1], 4_500).into(),
            remote: ([192, 0, 2, 2], 4_500).into(),
            encapsulation: Encapsulation::Udp,
            mtu: 1_500,
            fvrf: ipsec::FrontVrf::GLOBAL,
        },
    };
    sad.insert_outbound(OutboundSa::new(outbound))
        .expect("there is room")
}

/// Enough for an SPI that nobody has to guess.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0);
    }
}
