use core::net::SocketAddr;
use std::sync::Arc;

use esp::OuterFields;
use ike::{Job, Path};
use ipsec::{Encapsulation, EspPath, IkeSpi, InnerVrf};
use shard::{
    Disposition, Event, Listener, Mail, OuterPacket, Output, Parcel, Question, RouteChange,
    ShardId, Ticket, TraceRecord,
};

use crate::Datagram;

/// What a shard asked of the world, kept until the side sees to it.
#[derive(Default)]
pub struct Outbox {
    pub(crate) datagrams: Vec<Datagram>,
    pub(crate) jobs: Vec<(Ticket, Job)>,
    pub(crate) strays: Vec<(ShardId, Datagram)>,
    pub(crate) inner_strays: Vec<(ShardId, Vec<u8>)>,
    pub(crate) mail: Vec<(ShardId, Mail)>,
    pub(crate) delivered: Vec<Vec<u8>>,
    pub(crate) routes: Vec<RouteChange>,
    pub(crate) events: Vec<Event>,
}

impl Outbox {
    fn send(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        listener: Listener,
        class: u8,
        bytes: Vec<u8>,
    ) -> Disposition {
        self.datagrams.push(Datagram {
            from,
            to,
            listener,
            traffic_class: class,
            bytes,
        });
        Disposition::Taken
    }
}

impl Output for Outbox {
    fn send_ike(&mut self, _sender: IkeSpi, path: &Path, message: &[u8]) -> Disposition {
        if !path.encapsulated {
            return self.send(path.local, path.remote, Listener::Ike, 0, message.to_vec());
        }
        // RFC 3948 §2.2: the non-ESP marker.
        let bytes = [&[0; 4], message].concat();
        self.send(path.local, path.remote, Listener::Nat, 0, bytes)
    }

    fn send_esp(&mut self, path: &EspPath, outer: OuterFields, packet: &[u8]) -> Disposition {
        let listener = match path.encapsulation {
            Encapsulation::Udp => Listener::Nat,
            Encapsulation::Raw => Listener::RawEsp,
        };
        let class = outer.traffic_class;
        self.send(path.local, path.remote, listener, class, packet.to_vec())
    }

    fn send_keepalive(&mut self, path: &Path) -> Disposition {
        self.send(path.local, path.remote, Listener::Nat, 0, vec![0xff])
    }

    /// The simulation knows its peers by their addresses.
    fn resolve(&mut self, _question: Question, _name: &Arc<str>) {}

    fn deliver_inner(&mut self, _ivrf: InnerVrf, packet: &[u8]) {
        self.delivered.push(packet.to_vec());
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.jobs.push((ticket, job));
    }

    fn has_room_to_compute(&self) -> bool {
        true
    }

    fn hand_over_outer(&mut self, to: ShardId, packet: &OuterPacket<'_>) {
        let datagram = Datagram {
            from: packet.remote,
            to: packet.local,
            listener: packet.listener,
            traffic_class: packet.tos,
            bytes: packet.bytes.to_vec(),
        };
        self.strays.push((to, datagram));
    }

    fn hand_over_inner(&mut self, to: ShardId, _ivrf: InnerVrf, packet: &[u8]) {
        self.inner_strays.push((to, packet.to_vec()));
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

    fn mail(&mut self, to: ShardId, mail: Mail) {
        self.mail.push((to, mail));
    }

    fn route(&mut self, _ivrf: InnerVrf, change: RouteChange) {
        self.routes.push(change);
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Nobody watches a simulation.
    fn trace(&mut self, _record: TraceRecord) {}
}
