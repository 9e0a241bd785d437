use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shard::{Command, Listener, Policy, Shard, Topics, TraceFilter, Watched};
use sim::{Datagram, Dice, Estate, HEADEND, Invariants, Side, service_address, udp_packet};
use timer::Instant;

use crate::ikev1_policy::Variant;
use crate::operations::Operations;

const PEERS: u16 = 2;
/// Operations of one run at most.
const OPERATIONS_MAX: usize = 300;
/// Datagrams under way at most; more are lost.
const UNDER_WAY_MAX: usize = 128;
/// Virtual time in which everything must have ended after a shutdown.
const END_LIMIT: Duration = Duration::from_secs(1_200);

/// A headend and two peers, real shards both, on a network that does what `data` says: delivers,
/// loses, doubles, reorders and changes datagrams, forges others, lets time pass, and has either
/// side rekey, delete and send. Whatever happens, what comes out of a tunnel went into it, no nonce
/// is used twice, no Child SA lacks an authenticated peer, and after a shutdown nothing is left.
pub fn tunnels(data: &[u8]) {
    let estate = estate();
    let table = Table::new(&estate.headend_policy(), &estate.peers_policy());
    run(table, Operations::new(data));
}

/// As [`tunnels`], between ends that speak IKEv1; the first octet says in which mode, with which
/// extensions, and whether somebody watches.
pub fn ikev1_tunnels(data: &[u8]) {
    let mut operations = Operations::new(data);
    let variant = Variant::of_octet(operations.octet());
    run(Table::of_ikev1(variant), operations);
}

fn estate() -> Estate {
    Estate {
        shards: 1,
        ..Estate::new(PEERS)
    }
}

/// Everybody is watched in everything, and nobody looks.
pub(crate) fn watch_everything() -> Command {
    let everything = TraceFilter {
        topics: Topics::ALL,
        whom: Watched::Everybody,
    };
    Command::Watch([everything].into())
}

fn run(mut table: Table, mut operations: Operations<'_>) {
    table.initiate(0);
    for _ in 0..OPERATIONS_MAX {
        let Some(operation) = operations.next() else {
            break;
        };
        table.step(operation, &mut operations);
    }
    table.end();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Headend,
    Peers,
}

struct Table {
    now: Instant,
    headend: Side,
    peers: Side,
    under_way: VecDeque<Datagram>,
    sent_inside: HashSet<Vec<u8>>,
    packets: u32,
    invariants: Invariants,
}

impl Table {
    fn new(headend: &Policy, peers: &Policy) -> Self {
        let mut dice = Dice::new(7);
        let now = Instant::from_secs(1);
        let settings = Side::settings(16);
        let side = |policy, dice: &mut Dice| Side::new(1, &settings, policy, now, dice);
        Self {
            now,
            headend: side(headend, &mut dice),
            peers: side(peers, &mut dice),
            under_way: VecDeque::new(),
            sent_inside: HashSet::new(),
            packets: 0,
            invariants: Invariants::default(),
        }
    }

    fn of_ikev1(variant: Variant) -> Self {
        let estate = estate();
        let (headend, peers) = (estate.headend_policy(), estate.peers_policy());
        let mut table = Self::new(&variant.server(&headend), &variant.client(&peers));
        if variant.watched {
            table.headend.command(0, watch_everything(), table.now);
            table.peers.command(0, watch_everything(), table.now);
        }
        table
    }

    fn side(&mut self, end: End) -> &mut Side {
        match end {
            End::Headend => &mut self.headend,
            End::Peers => &mut self.peers,
        }
    }

    fn initiate(&mut self, connection: u32) {
        let command = Command::Initiate {
            connection: connection % u32::from(PEERS),
            child: 0,
        };
        self.peers.command(0, command, self.now);
        self.collect();
    }

    fn step(&mut self, operation: u8, operations: &mut Operations<'_>) {
        match operation % 16 {
            0..=4 => self.deliver_next(),
            5 => {
                self.under_way.pop_front();
            }
            6 => self
                .under_way
                .rotate_left(usize::from(!self.under_way.is_empty())),
            7 => {
                if let Some(datagram) = self.under_way.front().cloned() {
                    self.under_way.push_back(datagram);
                }
            }
            8 => self.deliver_changed(operations),
            9 => self.forge(operations),
            10 => self.pass(Duration::from_millis(u64::from(operations.octet()) * 100)),
            11 => self.pass(Duration::from_secs(u64::from(operations.octet()))),
            12 => self.initiate(u32::from(operations.octet())),
            13 => self.command(End::Headend, operations.octet()),
            14 => self.command(End::Peers, operations.octet()),
            _ => self.send_inside(operations.octet()),
        }
    }

    fn deliver_next(&mut self) {
        if let Some(datagram) = self.under_way.pop_front() {
            self.deliver(datagram);
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        let end = if datagram.to.ip() == IpAddr::V4(HEADEND) {
            End::Headend
        } else {
            End::Peers
        };
        let now = self.now;
        self.side(end).receive(vec![datagram], now);
        self.collect();
    }

    /// Delivers a datagram with one octet changed, from another port, or cut; the original is still
    /// under way.
    fn deliver_changed(&mut self, operations: &mut Operations<'_>) {
        let Some(mut datagram) = self.under_way.front().cloned() else {
            return;
        };
        let (how, place) = (operations.octet(), usize::from(operations.octet()));
        match how % 8 {
            0 => datagram.bytes.truncate(place),
            1 => datagram
                .from
                .set_port(1_024 + u16::from(operations.octet())),
            _ => {
                let value = operations.octet();
                if let Some(octet) = datagram.bytes.get_mut(place) {
                    *octet = value;
                }
            }
        }
        self.deliver(datagram);
    }

    fn forge(&mut self, operations: &mut Operations<'_>) {
        let (port, listener) = match operations.octet() % 3 {
            0 => (500, Listener::Ike),
            1 => (4_500, Listener::Nat),
            _ => (0, Listener::RawEsp),
        };
        let stranger = Ipv4Addr::new(198, 51, 100, operations.octet());
        self.deliver(Datagram {
            from: SocketAddr::new(stranger.into(), port),
            to: SocketAddr::new(HEADEND.into(), port),
            listener,
            traffic_class: 0,
            bytes: operations.run().to_vec(),
        });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.headend.tick(self.now);
        self.peers.tick(self.now);
        self.collect();
    }

    fn command(&mut self, end: End, which: u8) {
        let now = self.now;
        let side = self.side(end);
        let Some(shard) = side.shards().first() else {
            return;
        };
        let pick = usize::from(which >> 4);
        let (rows, _) = shard.peers(0, usize::MAX, now);
        let (children, _) = shard.sas(0, usize::MAX);
        let spi = rows.get(pick % rows.len().max(1)).map(|row| row.peer.spi);
        let child = children.get(pick % children.len().max(1));
        let inbound = child.map(|row| row.inbound);
        let command = match which % 6 {
            0 | 1 => spi.map(|spi| Command::RekeyIke { spi }),
            2 | 3 => inbound.map(|inbound| Command::RekeyChild { inbound }),
            4 => inbound.map(|inbound| Command::TerminateChild { inbound }),
            _ => spi.map(|spi| Command::Terminate { spi }),
        };
        if let Some(command) = command {
            side.command(0, command, now);
            self.collect();
        }
    }

    /// Sends a packet, unlike every other, from a peer to its service or back.
    fn send_inside(&mut self, which: u8) {
        let shards = self.peers.shards();
        let (rows, _) = shards.first().map_or_else(Default::default, |shard| {
            shard.peers(0, usize::MAX, self.now)
        });
        let addresses: Vec<IpAddr> = rows.iter().flat_map(|row| row.addresses.clone()).collect();
        let pick = usize::from(which >> 1);
        let Some(IpAddr::V4(inner)) = addresses.get(pick % addresses.len().max(1)) else {
            return;
        };
        let service = service_address(u32::from(which >> 1) % u32::from(PEERS));
        self.packets += 1;
        let payload = self.packets.to_be_bytes();
        let (end, packet) = if which & 1 == 0 {
            (End::Peers, udp_packet(*inner, service, &payload))
        } else {
            (End::Headend, udp_packet(service, *inner, &payload))
        };
        self.sent_inside.insert(packet.clone());
        let now = self.now;
        self.side(end).send_inner(0, &packet, now);
        self.collect();
    }

    /// Looks at what the sides did, and puts what they sent under way.
    fn collect(&mut self) {
        for end in [End::Headend, End::Peers] {
            let now = self.now;
            let side = self.side(end);
            let (sent, events) = (side.take_datagrams(), side.take_events());
            for packet in side.take_delivered() {
                assert!(
                    self.sent_inside.contains(&packet),
                    "what came out of a tunnel went into it"
                );
            }
            for datagram in sent {
                self.invariants.sent(&datagram, now);
                if self.under_way.len() < UNDER_WAY_MAX {
                    self.under_way.push_back(datagram);
                }
            }
            for event in &events {
                self.invariants.happened(event, end == End::Headend);
            }
        }
        self.invariants.bounds(&self.headend, 16, 0, self.now);
        assert_eq!(self.invariants.breaches(), []);
    }

    /// Shuts both sides down on a good network: nothing may be left.
    fn end(&mut self) {
        self.peers.command(0, Command::Shutdown, self.now);
        self.headend.command(0, Command::Shutdown, self.now);
        self.collect();
        let limit = self.now + END_LIMIT;
        while self.now < limit && !self.is_empty() {
            while !self.under_way.is_empty() {
                self.deliver_next();
            }
            let deadlines = [self.headend.next_deadline(), self.peers.next_deadline()];
            let next = deadlines.into_iter().flatten().min();
            self.now = next
                .unwrap_or(limit)
                .max(self.now + Duration::from_millis(8));
            self.pass(Duration::ZERO);
        }
        assert!(self.is_empty(), "something outlived the shutdown");
        for side in [&self.headend, &self.peers] {
            for shard in side.shards() {
                assert_eq!(shard.spis_taken(), [0, 0], "SPIs are left");
                let counters = shard.counters();
                assert_eq!((counters.ike_sas, counters.half_open), (0, 0));
                assert_eq!(counters.children, 0, "Child SAs are left");
            }
            assert_eq!(side.directory().leases(), 0, "leases are left");
            assert_eq!(side.directory().identities(), 0, "identities are left");
        }
    }

    fn is_empty(&self) -> bool {
        let all = |side: &Side| side.shards().iter().all(Shard::is_empty);
        all(&self.headend) && all(&self.peers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the target would be about ends that never meet.
    #[test]
    fn in_peace_ends_of_ikev1_get_their_tunnel() {
        for octet in [0, 1, 2, 3, 8, 10, 12, 16 + 14, 64 + 8] {
            let mut table = Table::of_ikev1(Variant::of_octet(octet));
            table.initiate(0);
            for _ in 0..24 {
                table.deliver_next();
            }
            for side in [&table.headend, &table.peers] {
                let counters = side.shards()[0].counters();
                assert_eq!(counters.established.iter().sum::<u64>(), 1, "{octet}");
                assert_eq!(counters.children, 1, "variant {octet}");
            }
            table.end();
        }
    }
}
