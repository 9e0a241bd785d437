use core::ops::Range;
use std::hint::black_box;
use std::time::{Duration, Instant as Stopwatch};

use esp::{
    HEADROOM, InboundPacket, OutboundPacket, Sealed, TAILROOM, find_sas, open_batch, seal_batch,
};
use ipsec::Instant;
use smallvec::SmallVec;

use crate::World;

/// Packets that pass through ESP in one call.
pub const BATCH: usize = 64;
/// Where an IPv4 header has its destination.
const DESTINATION: Range<usize> = HEADROOM + 16..HEADROOM + 20;

/// How long the inner packets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mix {
    /// All of one length, in octets.
    Fixed(usize),
    /// Seven of 64 octets, four of 576, one of 1,400, and so on.
    Imix,
}

impl Mix {
    /// The length of the packet in a place of the batch, in octets.
    #[must_use]
    pub const fn len(self, place: usize) -> usize {
        match self {
            Self::Fixed(octets) => octets,
            Self::Imix => match place % 12 {
                11 => 1400,
                1 | 4 | 7 | 10 => 576,
                _ => 64,
            },
        }
    }

    /// The name in tables.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Fixed(octets) => octets.to_string(),
            Self::Imix => "imix".to_owned(),
        }
    }
}

/// A batch of packets that is sealed and opened again and again in the same buffers.
pub struct Traffic {
    buffers: Vec<Vec<u8>>,
    inner: Vec<Range<usize>>,
    sealed: Vec<Range<usize>>,
    /// Decides about the peers.
    random: u64,
}

impl Traffic {
    /// UDP packets of the lengths of a mix.
    ///
    /// # Panics
    /// When a length has no room for the headers.
    #[must_use]
    pub fn new(mix: Mix) -> Self {
        Self::of(mix, BATCH)
    }

    /// As [`Traffic::new`], so many of them, a whole batch at most.
    ///
    /// # Panics
    /// When a length has no room for the headers.
    #[must_use]
    pub fn of(mix: Mix, count: usize) -> Self {
        assert!(count <= BATCH, "one batch");
        let (source, destination) = (([192, 168, 0, 1], 1).into(), ([10, 0, 0, 0], 2).into());
        let mut traffic = Self {
            buffers: Vec::new(),
            inner: Vec::new(),
            sealed: vec![0..0; count],
            random: 1,
        };
        for place in 0..count {
            let (len, mut inner) = (mix.len(place), Vec::new());
            let built = wire::ip::build_udp(source, destination, &vec![7; len - 28], &mut inner);
            assert!(built, "the packet is short enough");
            let mut buffer = vec![0; HEADROOM + len + TAILROOM];
            buffer[HEADROOM..HEADROOM + len].copy_from_slice(&inner);
            traffic.buffers.push(buffer);
            traffic.inner.push(HEADROOM..HEADROOM + len);
        }
        traffic
    }

    /// Sends each packet to a peer of the world, at random if there are several.
    pub fn address(&mut self, world: &World) {
        for buffer in &mut self.buffers {
            self.random = self
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let [.., a, b, c, d] = (self.random >> 33).to_be_bytes();
            let peer = u32::from_be_bytes([a, b, c, d]) % world.count();
            buffer[DESTINATION].copy_from_slice(&World::address(peer).octets());
        }
    }

    /// Seals the batch as a shard does: reads the headers, looks the SAs up, seals.
    ///
    /// # Panics
    /// When a packet was not sealed.
    pub fn seal(&mut self, world: &mut World) -> Duration {
        let begin = Stopwatch::now();
        let mut packets: SmallVec<[OutboundPacket<'_>; BATCH]> = SmallVec::new();
        for (buffer, range) in self.buffers.iter_mut().zip(&self.inner) {
            packets.push(OutboundPacket::read(buffer, range.clone()));
        }
        find_sas(&world.spd, &world.sad, &mut packets);
        seal_batch(
            &mut world.sad,
            &mut packets,
            Instant::ZERO,
            &mut world.outbound,
        );
        let taken = begin.elapsed();
        for (packet, place) in packets.iter().zip(&mut self.sealed) {
            match &packet.outcome {
                Sealed::Packet { range, .. } => *place = range.clone(),
                other => panic!("{other:?}"),
            }
        }
        taken
    }

    /// Opens the batch that was sealed.
    pub fn open(&mut self, world: &mut World) -> Duration {
        let begin = Stopwatch::now();
        let mut packets: SmallVec<[InboundPacket<'_>; BATCH]> = self
            .buffers
            .iter_mut()
            .zip(&self.sealed)
            .map(|(buffer, range)| {
                InboundPacket::new(buffer.get_mut(range.clone()).expect("inside"), 0)
            })
            .collect();
        open_batch(
            &mut world.sad,
            &mut packets,
            Instant::ZERO,
            &mut world.inbound,
        );
        let taken = begin.elapsed();
        black_box(&packets);
        taken
    }
}
