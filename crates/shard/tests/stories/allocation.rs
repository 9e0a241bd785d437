//! The packet path of a shard takes no memory from the allocator.

use std::sync::Arc;

use esp::{HEADROOM, OuterFields, TAILROOM};
use ike::{Job, Path};
use ipsec::{EspPath, IkeSpi, InnerVrf};
use shard::{
    Disposition, Event, InnerPacket, Mail, OuterPacket, Output, Parcel, Question, RouteChange,
    ShardId, Ticket, TraceRecord,
};
use wire::ip::build_udp;

use crate::world::{Datagram, End, Terms, World};

/// Counts what comes out and keeps nothing of it.
#[derive(Default)]
pub(crate) struct Counted {
    sealed: usize,
    opened: usize,
    pub(crate) other: usize,
}

impl Output for Counted {
    fn send_ike(&mut self, _: IkeSpi, _: &Path, _: &[u8]) -> Disposition {
        self.other += 1;
        Disposition::Taken
    }

    fn send_esp(&mut self, _: &EspPath, _: OuterFields, _: &[u8]) -> Disposition {
        self.sealed += 1;
        Disposition::Taken
    }

    fn send_keepalive(&mut self, _: &Path) -> Disposition {
        self.other += 1;
        Disposition::Taken
    }

    fn deliver_inner(&mut self, _: InnerVrf, _: &[u8]) {
        self.opened += 1;
    }

    fn compute(&mut self, _: Ticket, _: Job) {
        self.other += 1;
    }

    fn has_room_to_compute(&self) -> bool {
        true
    }

    fn resolve(&mut self, _: Question, _: &Arc<str>) {
        self.other += 1;
    }

    fn hand_over_outer(&mut self, _: ShardId, _: &OuterPacket<'_>) {
        self.other += 1;
    }

    fn hand_over_inner(&mut self, _: ShardId, _: InnerVrf, _: &[u8]) {
        self.other += 1;
    }

    fn shares_inside(&self) -> bool {
        false
    }

    /// Nobody has time.
    fn spare_shard(&mut self) -> Option<ShardId> {
        None
    }

    fn hand_over_parcel(&mut self, _: ShardId, parcel: Parcel) -> Result<(), Parcel> {
        Err(parcel)
    }

    fn flush_inner(&mut self) {}

    fn mail(&mut self, _: ShardId, _: Mail) {
        self.other += 1;
    }

    fn route(&mut self, _: InnerVrf, _: RouteChange) {
        self.other += 1;
    }

    fn event(&mut self, _: Event) {
        self.other += 1;
    }

    fn trace(&mut self, _: TraceRecord) {
        self.other += 1;
    }
}

/// More than a batch.
const PACKETS: usize = 150;

fn from_client() -> Vec<Vec<u8>> {
    let (source, destination) = ("10.9.0.1:4000", "10.1.0.1:7");
    (0..PACKETS)
        .map(|number| {
            let mut packet = Vec::new();
            let body = vec![0x5a; number * 8];
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            assert!(build_udp(source, destination, &body, &mut packet));
            packet
        })
        .collect()
}

#[test]
fn nothing_is_allocated_for_a_packet() {
    let mut world = World::connected(&Terms::default());
    let packets = from_client();
    for round in 0..3 {
        let mut out = Counted::default();
        let mut buffers: Vec<Vec<u8>> = packets
            .iter()
            .map(|packet| [&[0; HEADROOM], &packet[..], &[0; TAILROOM]].concat())
            .collect();
        let mut inner: Vec<_> = buffers
            .iter_mut()
            .map(|buffer| InnerPacket {
                start: HEADROOM,
                len: buffer.len() - HEADROOM - TAILROOM,
                ivrf: InnerVrf::GLOBAL,
                buffer,
            })
            .collect();
        let now = world.now;
        let shard = &mut world.client.shard;
        let sealing = allocation_counter::measure(|| shard.inner(&mut inner, now, &mut out));
        assert_eq!(out.sealed, PACKETS);

        let mut held = world.hold(End::Client, &packets);
        let mut arriving: Vec<_> = held.iter_mut().map(Datagram::packet).collect();
        let shard = &mut world.headend.shard;
        let opening = allocation_counter::measure(|| shard.outer(&mut arriving, now, &mut out));
        assert_eq!((out.opened, out.other), (PACKETS, 0));
        if round > 0 {
            assert_eq!(sealing.count_total, 0, "sealing");
            assert_eq!(opening.count_total, 0, "opening");
        }
    }
}
