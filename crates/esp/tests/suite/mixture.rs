//! Many SAs and flows at once, in batches of any size, over a network that loses, repeats and
//! reorders.

use esp::{
    HEADROOM, InboundDrop, InboundPacket, InboundReport, Opened, OutboundPacket, OutboundReport,
    TAILROOM, find_sas, open_batch, seal_batch,
};
use ipsec::{EspSpiLayout, Sad, Selectors, Spd, TrafficSelector};
use proptest::prelude::*;

use crate::support::{NOW, SUITES, Setup, udp};

const SAS: u8 = 5;

/// Something to send: into which SA, on which flow, how long.
#[derive(Clone, Debug)]
struct Item {
    sa: u8,
    flow: u8,
    len: usize,
}

/// What the network does to a packet.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    /// It arrives so many packets later.
    Late(usize),
    Twice,
    Lost,
}

fn item() -> impl Strategy<Value = Item> {
    let len = prop_oneof![4 => 0_usize..80, 2 => 500_usize..600, 1 => 1200_usize..1372];
    (0..SAS, 0_u8..3, len).prop_map(|(sa, flow, len)| Item { sa, flow, len })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Arrives),
        2 => (1_usize..30).prop_map(Fate::Late),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Lost),
    ]
}

struct World {
    sad: Sad,
    spd: Spd,
    outbound: OutboundReport,
    inbound: InboundReport,
}

impl World {
    /// SAs of different suites, each to a host of its own. Those whose numbers are extended are about
    /// to leave the low 32 bits.
    fn new(first_suite: usize) -> Self {
        let mut sad = Sad::new(0, EspSpiLayout::for_shards(1), 16);
        let mut spd = Spd::new(7);
        for sa in 0..SAS {
            let esn = sa % 2 == 0;
            let remote = [TrafficSelector::host([10, 0, 1, sa].into())];
            let (spi, handle) = Setup {
                suite: SUITES[(first_suite + usize::from(sa)) % SUITES.len()],
                esn,
                replay_window: 256,
                remote: remote.to_vec(),
                local: vec![TrafficSelector::ANY_V4],
                ..Setup::default()
            }
            .build_in(&mut sad);
            if esn {
                let used = u64::from(u32::MAX) - 20;
                sad.outbound_mut(handle).unwrap().sequence.skip(used);
                let window = &mut sad.inbound_mut(spi).unwrap().window;
                window.advance(used).unwrap();
            }
            spd.insert(handle, &Selectors::new(&[TrafficSelector::ANY_V4], &remote));
        }
        Self {
            sad,
            spd,
            outbound: OutboundReport::default(),
            inbound: InboundReport::default(),
        }
    }

    fn seal(&mut self, inners: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut buffers: Vec<Vec<u8>> = inners
            .iter()
            .map(|inner| [&[0; HEADROOM], &inner[..], &[0; TAILROOM]].concat())
            .collect();
        let mut packets: Vec<_> = buffers
            .iter_mut()
            .zip(inners)
            .map(|(buffer, inner)| OutboundPacket::read(buffer, HEADROOM..HEADROOM + inner.len()))
            .collect();
        find_sas(&self.spd, &self.sad, &mut packets);
        seal_batch(&mut self.sad, &mut packets, NOW, &mut self.outbound);
        let sealed = packets
            .iter()
            .map(|packet| packet.packet().unwrap().to_vec());
        sealed.collect()
    }

    fn open(&mut self, sealed: &[Vec<u8>]) -> Vec<Result<Vec<u8>, InboundDrop>> {
        let mut copies = sealed.to_vec();
        let mut packets: Vec<_> = copies
            .iter_mut()
            .map(|octets| InboundPacket::new(octets, 0))
            .collect();
        open_batch(&mut self.sad, &mut packets, NOW, &mut self.inbound);
        let opened = packets.iter().map(|packet| match packet.outcome {
            Opened::Dropped(reason) => Err(reason),
            _ => Ok(packet.inner().unwrap().to_vec()),
        });
        opened.collect()
    }
}

/// The inner packet of an item; the number in its ports tells it from others of its flow.
fn inner(item: &Item, number: usize) -> Vec<u8> {
    let source = format!("192.168.0.{}:{}", item.flow, 1 + number);
    udp(&source, &format!("10.0.1.{}:9", item.sa), item.len)
}

/// The order in which packets arrive, by their place when sent.
fn arrivals(fates: &[Fate], count: usize) -> Vec<usize> {
    let mut moments: Vec<(usize, usize)> = Vec::new();
    for (sent, fate) in (0..count).zip(fates.iter().cycle()) {
        match fate {
            Fate::Arrives => moments.push((sent, sent)),
            Fate::Late(by) => moments.push((sent + by, sent)),
            Fate::Twice => moments.extend([(sent, sent), (sent + 3, sent)]),
            Fate::Lost => {}
        }
    }
    moments.sort_by_key(|(moment, _)| *moment);
    moments.into_iter().map(|(_, sent)| sent).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What arrives first of each packet comes out with the octets that went in, in the order of
    /// arrival, hence in the order of its flow where the network kept that; what arrives again does
    /// not come out.
    #[test]
    fn every_packet_comes_out_once_as_it_went_in(
        items in proptest::collection::vec(item(), 1..250),
        fates in proptest::collection::vec(fate(), 1..60),
        batches in proptest::collection::vec(1_usize..70, 1..8),
        first_suite in 0_usize..8,
    ) {
        let mut world = World::new(first_suite);
        let inners: Vec<_> = (0..).zip(&items).map(|(number, item)| inner(item, number)).collect();
        let (mut sealed, mut sizes) = (Vec::new(), batches.iter().cycle());
        while sealed.len() < inners.len() {
            let until = inners.len().min(sealed.len() + sizes.next().unwrap());
            sealed.extend(world.seal(&inners[sealed.len()..until]));
        }
        let order = arrivals(&fates, sealed.len());
        let arriving: Vec<_> = order.iter().map(|&sent| sealed[sent].clone()).collect();
        let mut opened = Vec::new();
        while opened.len() < arriving.len() {
            let until = arriving.len().min(opened.len() + sizes.next().unwrap());
            opened.extend(world.open(&arriving[opened.len()..until]));
        }
        let mut seen = vec![false; sealed.len()];
        for (&sent, outcome) in order.iter().zip(opened) {
            let again = std::mem::replace(&mut seen[sent], true);
            let expected = if again {
                Err(InboundDrop::SequenceDuplicate)
            } else {
                Ok(inners[sent].clone())
            };
            prop_assert_eq!(outcome, expected, "sent as number {}", sent);
        }
    }
}

/// The packet path takes no memory from the allocator: everything that grows has grown after the
/// first batches.
#[test]
fn nothing_is_allocated_for_a_packet() {
    for first_suite in 0..SUITES.len() {
        let mut world = World::new(first_suite);
        let items = (0..60_u8).map(|n| Item {
            sa: n % SAS,
            flow: n % 3,
            len: usize::from(n) * 20,
        });
        let inners: Vec<_> = items.map(|item| inner(&item, 1)).collect();
        for round in 0..4 {
            let mut buffers: Vec<Vec<u8>> = inners
                .iter()
                .map(|inner| [&[0; HEADROOM], &inner[..], &[0; TAILROOM]].concat())
                .collect();
            let mut packets: Vec<_> = buffers
                .iter_mut()
                .zip(&inners)
                .map(|(buffer, inner)| {
                    OutboundPacket::read(buffer, HEADROOM..HEADROOM + inner.len())
                })
                .collect();
            let sealing = allocation_counter::measure(|| {
                find_sas(&world.spd, &world.sad, &mut packets);
                seal_batch(&mut world.sad, &mut packets, NOW, &mut world.outbound);
            });
            let mut sealed: Vec<_> = packets
                .iter()
                .map(|packet| packet.packet().unwrap().to_vec())
                .collect();
            let mut packets: Vec<_> = sealed
                .iter_mut()
                .map(|octets| InboundPacket::new(octets, 0))
                .collect();
            let opening = allocation_counter::measure(|| {
                open_batch(&mut world.sad, &mut packets, NOW, &mut world.inbound);
            });
            assert!(packets.iter().all(|packet| packet.inner().is_some()));
            if round > 0 {
                assert_eq!(sealing.count_total, 0, "sealing, suite {first_suite}");
                assert_eq!(opening.count_total, 0, "opening, suite {first_suite}");
            }
        }
    }
}
