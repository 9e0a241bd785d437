use std::time::Duration;

use ipsec::StartAction;
use shard::{Command, EventKind, ShardDrop};

use crate::world::{End, Terms, World};

#[test]
fn a_deleted_ike_sa_takes_its_children_along_on_both_sides() {
    for from in [End::Headend, End::Client] {
        let mut world = World::connected(&Terms::default());
        let side = if from == End::Headend {
            &world.headend
        } else {
            &world.client
        };
        let spi = side.events[0].peer.spi;
        assert!(world.command(from, Command::Terminate { spi }));
        world.pass(Duration::from_secs(1));
        for side in [&world.headend, &world.client] {
            let counters = side.counters();
            assert_eq!(
                (counters.ike_sas, counters.children),
                (0, 0),
                "from {from:?}"
            );
        }
        assert_eq!(world.headend.shared(), (0, 0));
    }
}

#[test]
fn shutdown_tells_every_peer_and_takes_no_new_one() {
    let mut world = World::connected(&Terms::default());
    assert!(world.command(End::Headend, Command::Shutdown));
    assert!(world.headend.shard.is_empty());
    assert_eq!(world.client.counters().ike_sas, 0, "the client was told");
    world.command(
        End::Client,
        Command::Initiate {
            connection: 0,
            child: 0,
        },
    );
    assert!(world.headend.shard.is_empty());
}

#[test]
fn a_trap_initiates_at_the_first_packet() {
    let terms = Terms {
        start: StartAction::Trap,
        virtual_address: false,
        ..Terms::default()
    };
    let mut world = World::new(&terms);
    world.start(End::Client);
    assert!(
        world.ping(End::Client, "10.2.0.1", "10.1.0.1"),
        "the first packet asks for the SA, waits for it and is sent"
    );
    assert!(
        world
            .headend
            .has(|kind| matches!(kind, EventKind::Established { .. }))
    );
    assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
    assert_eq!(world.client.counters().ike_sas, 1);
}

#[test]
fn a_lost_peer_that_returns_replaces_its_former_self() {
    let mut world = World::connected(&Terms::default());
    let mut fresh = World::new(&Terms::default());
    std::mem::swap(&mut world.client, &mut fresh.client);
    world.command(
        End::Client,
        Command::Initiate {
            connection: 0,
            child: 0,
        },
    );
    world.pass(Duration::from_secs(2));
    let counters = world.headend.counters();
    assert_eq!((counters.ike_sas, counters.children), (1, 1));
    assert!(
        world.ping(End::Client, "10.9.0.1", "10.1.0.1"),
        "it has its address again"
    );
}

#[test]
fn started_connections_come_up_by_themselves() {
    let mut world = World::new(&Terms {
        start: StartAction::Start,
        ..Terms::default()
    });
    world.start(End::Client);
    assert!(world.ping(End::Client, "10.9.0.1", "10.1.0.1"));
}

#[test]
fn newcomers_wait_outside_while_computations_queue() {
    let mut world = World::new(&Terms::default());
    world.busy = Some(End::Headend);
    world.command(
        End::Client,
        Command::Initiate {
            connection: 0,
            child: 0,
        },
    );
    let counters = world.headend.counters();
    assert_eq!((counters.ike_sas, counters.half_open), (0, 0));
    assert_eq!(counters.dropped[ShardDrop::ComputeFull.index()], 1);
    world.busy = None;
    world.pass(Duration::from_secs(1));
    assert_eq!(world.headend.counters().children, 1, "it asked again");
}

/// A message that knocks arrives before one of an IKE SA that stands, and is answered after it.
#[test]
fn who_is_in_is_served_before_whoever_knocks() {
    /// Octet of the exchange type, after the marker if there is one.
    fn exchange(octets: &[u8]) -> u8 {
        let marker = if octets.starts_with(&[0; 4]) { 4 } else { 0 };
        octets[marker + 18]
    }
    let mut world = World::connected(&Terms::default());
    world.dead = Some(End::Headend);
    world.tape = Some(Vec::new());
    let spi = world.client.events[0].peer.spi;
    world.command(End::Client, Command::Terminate { spi });
    world.command(
        End::Client,
        Command::Initiate {
            connection: 0,
            child: 0,
        },
    );
    let tape = world.tape.replace(Vec::new()).expect("it runs");
    let sent = |kind: u8| {
        let mut sent = tape.iter().map(|(_, datagram)| datagram.clone());
        sent.find(|datagram| exchange(&datagram.octets) == kind)
    };
    let delete = sent(37).expect("an INFORMATIONAL request");
    let mut knock = sent(34).expect("an IKE_SA_INIT request");
    // Of a version that does not exist: it is refused on the spot.
    let marker = if knock.octets.starts_with(&[0; 4]) {
        4
    } else {
        0
    };
    knock.octets[marker + 17] = 0x30;
    world.dead = Some(End::Client);
    world.deliver(End::Headend, &[knock, delete]);
    let answers = world.tape.take().expect("it runs");
    let kinds: Vec<u8> = answers
        .iter()
        .map(|(_, datagram)| exchange(&datagram.octets))
        .collect();
    assert_eq!(kinds, [37, 34]);
}
