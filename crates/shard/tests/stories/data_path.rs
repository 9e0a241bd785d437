use std::net::SocketAddr;
use std::time::Duration;

use esp::{InboundDrop, OutboundDrop};
use ipsec::FrontVrf;
use shard::{Command, EventKind};
use wire::ip::{InnerPacket, Upper, build_udp, set_dont_fragment, set_traffic_class};

use crate::world::{Datagram, End, Terms, World};

const CE: u8 = 0b11;
const ECT_0: u8 = 0b10;

fn udp(source: &str, destination: &str, payload: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    let body = vec![0x5a; payload];
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    assert!(build_udp(source, destination, &body, &mut packet));
    packet
}

/// From the client's virtual address to a host behind the headend.
fn from_client(payload: usize) -> Vec<u8> {
    udp("10.9.0.1:4000", "10.1.0.1:7", payload)
}

fn drops(world: &World, reason: InboundDrop) -> u64 {
    world.headend.counters().esp_in_dropped[reason.index()]
}

#[test]
fn a_burst_of_many_batches_arrives_whole_and_in_order() {
    let mut world = World::connected(&Terms::default());
    let packets: Vec<_> = (0..333).map(from_client).collect();
    let held = world.hold(End::Client, &packets);
    assert_eq!(held.len(), packets.len());
    assert_eq!(world.deliver(End::Headend, &held), packets);
    let octets: u64 = packets.iter().map(|packet| packet.len() as u64).sum();
    assert_eq!(world.headend.counters().esp_in, (333, octets));
    assert_eq!(world.client.counters().esp_out, (333, octets));
}

#[test]
fn duplicates_and_damage_are_dropped_by_name() {
    let mut world = World::connected(&Terms::default());
    let packets: Vec<_> = (0..3).map(from_client).collect();
    let held = world.hold(End::Client, &packets);
    let mut damaged = held[2].clone();
    *damaged.octets.last_mut().unwrap() ^= 0x80;
    let arriving = [&held[0], &held[1], &held[1], &damaged, &held[2], &held[0]].map(Clone::clone);
    assert_eq!(world.deliver(End::Headend, &arriving), packets);
    assert_eq!(drops(&world, InboundDrop::SequenceDuplicate), 2);
    assert_eq!(drops(&world, InboundDrop::Integrity), 1);
}

#[test]
fn a_replay_keeps_no_dead_peer_alive() {
    let mut world = World::connected(&Terms::default());
    let held = world.hold(End::Client, &[from_client(10)]);
    assert_eq!(world.deliver(End::Headend, &held).len(), 1);
    world.dead = Some(End::Client);
    let mut waited = Duration::ZERO;
    while !world
        .headend
        .has(|kind| matches!(kind, EventKind::Dead { .. }))
    {
        // Its last packet comes again and again, fifty times a second.
        world.deliver(End::Headend, &vec![held[0].clone(); 10]);
        world.pass(Duration::from_millis(200));
        waited += Duration::from_millis(200);
        assert!(
            waited <= Duration::from_secs(21),
            "the replay passed for life"
        );
    }
    assert!(drops(&world, InboundDrop::SequenceDuplicate) >= 500);
}

fn encapsulated() -> World {
    World::connected(&Terms {
        encap: true,
        ..Terms::default()
    })
}

/// Where the headend sends to now.
fn destination(world: &mut World) -> SocketAddr {
    let back = udp("10.1.0.1:7", "10.9.0.1:4000", 5);
    let [sent] = &world.hold(End::Headend, &[back])[..] else {
        panic!("one datagram");
    };
    sent.local()
}

fn from_port(datagram: &Datagram, port: u16) -> Datagram {
    let mut moved = datagram.clone();
    moved.remote.set_port(port);
    moved
}

#[test]
fn the_newest_packet_moves_the_peer_and_an_older_one_does_not() {
    let mut world = encapsulated();
    let home = destination(&mut world);
    let held = world.hold(
        End::Client,
        &[from_client(1), from_client(2), from_client(3)],
    );
    // The mapping of the NAT changes between the first and the third; the second was held back.
    assert_eq!(
        world
            .deliver(End::Headend, &[from_port(&held[2], 61_000)])
            .len(),
        1
    );
    assert_eq!(destination(&mut world), SocketAddr::new(home.ip(), 61_000));
    assert!(
        world
            .headend
            .has(|kind| matches!(kind, EventKind::PathChanged { .. }))
    );
    assert_eq!(
        world
            .deliver(End::Headend, &[from_port(&held[1], 62_000)])
            .len(),
        1
    );
    assert_eq!(
        destination(&mut world).port(),
        61_000,
        "an old packet proves no address"
    );
    // Neither does a copy, or a forgery, of the newest.
    let mut forged = from_port(&held[2], 63_000);
    assert!(
        world
            .deliver(End::Headend, std::slice::from_ref(&forged))
            .is_empty()
    );
    forged.octets[7] ^= 0x40;
    assert!(world.deliver(End::Headend, &[forged]).is_empty());
    assert_eq!(destination(&mut world).port(), 61_000);
}

#[test]
fn what_is_too_big_is_answered_with_the_size_that_passes() {
    let mut world = World::connected(&Terms::default());
    let mut big = udp("10.1.0.1:7", "10.9.0.1:4000", 1472);
    assert!(set_dont_fragment(&mut big, true));
    world.headend.inner.clear();
    assert!(
        world
            .hold(End::Headend, std::slice::from_ref(&big))
            .is_empty()
    );
    let [answer] = &world.headend.inner[..] else {
        panic!("one ICMP message to the sender");
    };
    let icmp = InnerPacket::parse(answer).unwrap();
    assert_eq!(icmp.upper, Upper::Icmp { kind: 3, code: 4 });
    assert_eq!(
        icmp.destination,
        "10.1.0.1".parse::<std::net::IpAddr>().unwrap()
    );
    let mtu = usize::from(u16::from_be_bytes([answer[26], answer[27]]));
    assert_eq!(world.headend.counters().icmp_too_big, 1);
    let mut fitting = udp("10.1.0.1:7", "10.9.0.1:4000", mtu - 28);
    assert!(set_dont_fragment(&mut fitting, true));
    let held = world.hold(End::Headend, std::slice::from_ref(&fitting));
    assert_eq!(world.deliver(End::Client, &held), [fitting]);
    // Without DF it goes out whole, for the kernel to fragment.
    assert!(set_dont_fragment(&mut big, false));
    assert_eq!(world.hold(End::Headend, &[big]).len(), 1);
}

#[test]
fn answers_to_what_is_too_big_have_a_rate() {
    let mut world = World::connected(&Terms::default());
    let mut big = udp("10.1.0.1:7", "10.9.0.1:4000", 1472);
    assert!(set_dont_fragment(&mut big, true));
    // The budget of the first second grows with it.
    world.pass(Duration::from_secs(1));
    let answers = |world: &mut World, count| {
        world.headend.inner.clear();
        world.hold(End::Headend, &vec![big.clone(); count]);
        world.headend.inner.len()
    };
    assert_eq!(answers(&mut world, 1_100), 1_000);
    assert_eq!(world.headend.counters().icmp_withheld, 100);
    world.pass(Duration::from_millis(100));
    assert_eq!(answers(&mut world, 300), 100);
    let counters = world.headend.counters();
    assert_eq!(
        (counters.icmp_too_big, counters.icmp_withheld),
        (1_100, 300)
    );
    // All of them are dropped and counted as what they are, answered or not.
    assert_eq!(
        counters.esp_out_dropped[OutboundDrop::TooBig.index()],
        1_400
    );
}

/// What the headend answers to a packet of `len` octets that must not be fragmented: the MTU, or
/// nothing if it was sent.
fn told_mtu(world: &mut World, len: usize) -> Option<u16> {
    let mut packet = udp("10.1.0.1:7", "10.9.0.1:4000", len - 28);
    assert!(set_dont_fragment(&mut packet, true));
    world.headend.inner.clear();
    let sent = world.hold(End::Headend, &[packet]);
    let told = world.headend.inner.first();
    assert_eq!(sent.is_empty(), told.is_some());
    told.map(|answer| u16::from_be_bytes([answer[26], answer[27]]))
}

#[test]
fn a_narrow_path_is_learnt_and_told_and_tried_again() {
    let mut world = World::connected(&Terms::default());
    let peer = destination(&mut world).ip();
    assert_eq!(told_mtu(&mut world, 1_400), None);
    let learn = |world: &mut World, peer, mtu| {
        world.act(End::Headend, |shard, now, _| {
            shard.path_is_narrow(FrontVrf::GLOBAL, peer, mtu, now);
        });
    };
    // The path of somebody else, and news of nothing.
    learn(&mut world, "198.51.100.99".parse().unwrap(), 1_000);
    learn(&mut world, peer, 1_500);
    for _ in 0..2 {
        assert_eq!(told_mtu(&mut world, 1_400), None);
    }
    assert_eq!(world.headend.counters().paths_narrowed, 1);
    learn(&mut world, peer, 1_400);
    // What was under way when the news came leaves as it would have; the SA knows then.
    assert_eq!(told_mtu(&mut world, 1_400), None);
    let within = told_mtu(&mut world, 1_400).expect("too big for the path");
    assert!((1_300..1_400).contains(&within), "{within}");
    assert_eq!(told_mtu(&mut world, usize::from(within)), None);
    // A new Child SA of the same peer knows from the beginning.
    let inbound = world.side(End::Headend).youngest_child();
    assert!(world.command(End::Headend, Command::RekeyChild { inbound }));
    world.pass(Duration::from_secs(2));
    assert_eq!(told_mtu(&mut world, 1_400), Some(within));
    // Nobody can make us believe less than every host takes.
    learn(&mut world, peer, 68);
    told_mtu(&mut world, 1_400);
    let least = told_mtu(&mut world, 1_400).unwrap();
    assert!((480..576).contains(&least), "{least}");
    assert_eq!(told_mtu(&mut world, usize::from(least)), None);
    // Ten minutes later large packets are tried again.
    world.pass(Duration::from_secs(601));
    told_mtu(&mut world, 1_400);
    assert_eq!(told_mtu(&mut world, 1_400), None);
    assert_eq!(world.headend.counters().narrow_paths, 1, "not ours");
}

#[test]
fn congestion_marked_on_the_way_is_seen_inside() {
    let mut world = World::connected(&Terms::default());
    let mut capable = from_client(9);
    assert!(set_traffic_class(&mut capable, ECT_0));
    let mut held = world.hold(End::Client, &[capable.clone(), from_client(9)]);
    assert_eq!(
        held[0].tos, ECT_0,
        "the outer header says what the inner one says"
    );
    for datagram in &mut held {
        datagram.tos = CE;
    }
    assert!(set_traffic_class(&mut capable, CE));
    assert_eq!(world.deliver(End::Headend, &held), [capable]);
    assert_eq!(drops(&world, InboundDrop::CongestionUnmarkable), 1);
}

#[test]
fn packets_that_a_rekey_overtook_still_arrive_for_a_while() {
    let mut world = World::connected(&Terms::default());
    let packets: Vec<_> = (0..6).map(from_client).collect();
    let held = world.hold(End::Client, &packets);
    for from in [End::Headend, End::Client] {
        let inbound = world.side(from).youngest_child();
        assert!(world.command(from, Command::RekeyChild { inbound }));
    }
    let spi = world.headend.events[0].peer.spi;
    assert!(world.command(End::Headend, Command::RekeyIke { spi }));
    assert_eq!(world.headend.counters().children, 1);
    assert_eq!(world.deliver(End::Headend, &held[..3]), packets[..3]);
    world.pass(Duration::from_secs(6));
    assert!(world.deliver(End::Headend, &held[3..]).is_empty());
    assert_eq!(drops(&world, InboundDrop::UnknownSpi), 3);
}
