//! Two peers that have everything in common but the VRFs in which they live.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use dpd::{DpdPolicy, Mode, ServiceHealth};
use esp::{HEADROOM, InboundDrop, TAILROOM};
use ipsec::{ConnectionPolicy, FrontVrf, InnerVrf};
use shard::{Command, EventKind, InnerPacket, RouteChange, Shard, Which};
use timer::Instant;
use wire::ip::build_udp;

use crate::world::{Datagram, Effects, End, Side, Terms, connection, side, side_with};

const SITE: &str = "10.2.0.1";
const HERE: &str = "10.1.0.1";

/// A headend with two connections, and a client of the same address in each of the front-door VRFs 1
/// and 2; their traffic belongs to the inner VRFs 11 and 12.
struct Twins {
    now: Instant,
    headend: Side,
    clients: [Side; 2],
    /// Which clients can be reached.
    alive: [bool; 2],
    /// ESP to the headend, held back instead of delivered.
    held: Option<Vec<Datagram>>,
}

fn fvrf(client: usize) -> FrontVrf {
    FrontVrf(u16::try_from(client).unwrap() + 1)
}

fn ivrf(client: usize) -> InnerVrf {
    InnerVrf(u16::try_from(client).unwrap() + 11)
}

impl Twins {
    fn new() -> Self {
        let periodic = DpdPolicy {
            mode: Mode::Periodic,
            ..DpdPolicy::default()
        };
        let terms = Terms {
            virtual_address: false,
            encap: true,
            vrfs: 2,
            headend_dpd: periodic,
            ..Terms::default()
        };
        let of = |client: usize| ConnectionPolicy {
            name: format!("twin-{client}").into(),
            fvrf: fvrf(client),
            ivrf: ivrf(client),
            ..connection(End::Headend, &terms)
        };
        Self {
            now: Instant::ZERO,
            headend: side_with(End::Headend, &terms, vec![of(0), of(1)], 0x1234_5678_9abc),
            clients: [0x1111_2222, 0x3333_4444].map(|seed| side(End::Client, &terms, seed)),
            alive: [true; 2],
            held: None,
        }
    }

    fn connected() -> Self {
        let mut twins = Self::new();
        for client in 0..2 {
            twins.act(Some(client), |shard, now, out| {
                let connection = Command::Initiate {
                    connection: 0,
                    child: 0,
                };
                assert!(shard.command(connection, now, out));
            });
        }
        twins
    }

    /// Lets a client or the headend act and carries what follows to its end.
    fn act(&mut self, who: Option<usize>, act: impl FnOnce(&mut Shard, Instant, &mut Effects)) {
        let now = self.now;
        let side = match who {
            Some(client) => &mut self.clients[client],
            None => &mut self.headend,
        };
        let effects = side.step(now, Effects::default(), act);
        let mut flying: VecDeque<_> = effects.sent.into_iter().map(|sent| (who, sent)).collect();
        while let Some((from, datagram)) = flying.pop_front() {
            let mut datagram = datagram.arrived();
            let (to, side) = match from {
                Some(client) => {
                    datagram.fvrf = fvrf(client);
                    if let Some(held) = self.held.as_mut().filter(|_| datagram.is_esp()) {
                        held.push(datagram);
                        continue;
                    }
                    (None, &mut self.headend)
                }
                None => {
                    let client = usize::from(datagram.fvrf.0) - 1;
                    datagram.fvrf = FrontVrf::GLOBAL;
                    if !self.alive[client] {
                        continue;
                    }
                    (Some(client), &mut self.clients[client])
                }
            };
            let effects = side.step(now, Effects::default(), |shard, now, out| {
                shard.outer(&mut [datagram.packet()], now, out);
            });
            flying.extend(effects.sent.into_iter().map(|sent| (to, sent)));
        }
    }

    /// Sends a packet from the inside of a side; it is returned.
    fn send(&mut self, who: Option<usize>, ivrf: InnerVrf, from: &str, to: &str) -> Vec<u8> {
        let mut packet = vec![];
        let [from, to] = [from, to].map(|ip| SocketAddr::new(ip.parse().unwrap(), 7));
        assert!(build_udp(from, to, b"which of us?", &mut packet));
        let mut buffer = [&[0; HEADROOM], &packet[..], &[0; TAILROOM]].concat();
        let len = packet.len();
        self.act(who, |shard, now, out| {
            let inner = InnerPacket {
                buffer: &mut buffer,
                start: HEADROOM,
                len,
                ivrf,
            };
            shard.inner(&mut [inner], now, out);
        });
        packet
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(10);
            self.act(None, |shard, now, out| {
                shard.serviced(ServiceHealth::good(now));
                shard.tick(now, out);
            });
        }
    }

    fn dropped(&self, reason: InboundDrop) -> u64 {
        self.headend.counters().esp_in_dropped[reason.index()]
    }
}

#[test]
fn the_same_peer_in_two_vrfs_is_two_peers() {
    let mut twins = Twins::connected();
    let counters = twins.headend.counters();
    assert_eq!(
        (counters.ike_sas, counters.children),
        (2, 2),
        "INITIAL_CONTACT and all"
    );
    let installed = twins.headend.events.iter().filter_map(|event| {
        let child = matches!(event.kind, EventKind::ChildInstalled { .. });
        child.then_some((event.peer.fvrf, event.peer.ivrf))
    });
    let installed: Vec<_> = installed.collect();
    assert_eq!(installed, [(fvrf(0), ivrf(0)), (fvrf(1), ivrf(1))]);
    let routes: Vec<_> = twins.headend.routes.iter().map(|(vrf, _)| *vrf).collect();
    assert_eq!(routes, [ivrf(0), ivrf(1)]);
    for client in [0, 1, 0] {
        let packet = twins.send(Some(client), InnerVrf::GLOBAL, SITE, HERE);
        assert_eq!(twins.headend.inner.pop(), Some(packet));
        assert_eq!(twins.headend.inner_vrfs.pop(), Some(ivrf(client)));
        let packet = twins.send(None, ivrf(client), HERE, SITE);
        assert_eq!(twins.clients[client].inner.pop(), Some(packet));
        assert!(
            twins.clients[1 - client].inner.is_empty(),
            "not to its twin"
        );
    }
    // Where there is no tunnel there is no way, whatever the address.
    twins.send(None, InnerVrf::GLOBAL, HERE, SITE);
    assert_eq!(twins.headend.counters().dropped.iter().sum::<u64>(), 1);
}

#[test]
fn one_twin_dies_alone() {
    let mut twins = Twins::connected();
    twins.alive[0] = false;
    twins.pass(Duration::from_secs(21));
    assert_eq!(twins.headend.count("dead"), 1);
    let removed = twins.headend.routes.last().unwrap();
    assert!(matches!(removed, (vrf, RouteChange::Remove(_)) if *vrf == ivrf(0)));
    let packet = twins.send(None, ivrf(1), HERE, SITE);
    assert_eq!(twins.clients[1].inner, [packet]);
    twins.send(None, ivrf(0), HERE, SITE);
    assert!(twins.clients[0].inner.is_empty());
}

#[test]
fn what_arrives_at_another_door_is_none_of_ours() {
    let mut twins = Twins::connected();
    twins.held = Some(vec![]);
    let packet = twins.send(Some(0), InnerVrf::GLOBAL, SITE, HERE);
    let mut esp = twins.held.take().unwrap();
    let [esp] = &mut esp[..] else {
        panic!("one packet");
    };
    for (door, arrives) in [
        (FrontVrf(2), false),
        (FrontVrf::GLOBAL, false),
        (FrontVrf(1), true),
    ] {
        esp.fvrf = door;
        let mut arrived = esp.clone();
        twins.act(None, |shard, now, out| {
            shard.outer(&mut [arrived.packet()], now, out);
        });
        assert_eq!(twins.headend.inner.contains(&packet), arrives, "{door:?}");
    }
    assert_eq!(twins.dropped(InboundDrop::ForeignVrf), 2);

    // The same holds for IKE: a request of one twin is unknown at the other's door.
    let spi = twins.clients[0].events[0].peer.spi;
    let effects = twins.clients[0].step(twins.now, Effects::default(), |shard, now, out| {
        assert!(shard.command(Command::RekeyIke { spi }, now, out));
    });
    let mut request = effects.sent.into_iter().next().unwrap().arrived();
    for (door, answers) in [(FrontVrf(2), 0), (FrontVrf(1), 1)] {
        request.fvrf = door;
        let mut arrived = request.clone();
        let effects = twins
            .headend
            .step(twins.now, Effects::default(), |shard, now, out| {
                shard.outer(&mut [arrived.packet()], now, out);
            });
        assert_eq!(effects.sent.len(), answers, "{door:?}");
    }
}

#[test]
fn questions_find_both_twins() {
    let twins = Twins::connected();
    let row = twins.headend.shard.peers(0, 9, twins.now).0.remove(0);
    for which in [
        Which::Identity(row.peer.identity.clone().unwrap()),
        Which::Outer(row.peer.remote),
    ] {
        let found = twins.headend.shard.peer(&which, twins.now);
        let mut vrfs: Vec<_> = found.iter().map(|(row, _)| row.peer.fvrf).collect();
        vrfs.sort_unstable();
        assert_eq!(vrfs, [fvrf(0), fvrf(1)], "{which:?}");
    }
}

#[test]
fn a_stranger_at_a_door_without_a_connection_is_turned_away() {
    let mut twins = Twins::new();
    let effects = twins.clients[0].step(twins.now, Effects::default(), |shard, now, out| {
        let connection = Command::Initiate {
            connection: 0,
            child: 0,
        };
        assert!(shard.command(connection, now, out));
    });
    let mut request = effects.sent.into_iter().next().unwrap().arrived();
    request.fvrf = FrontVrf::GLOBAL;
    let effects = twins
        .headend
        .step(twins.now, Effects::default(), |shard, now, out| {
            shard.outer(&mut [request.packet()], now, out);
        });
    assert!(effects.sent.is_empty());
    assert_eq!(twins.headend.counters().ike_sas, 0);
}
