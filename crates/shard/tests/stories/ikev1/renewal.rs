//! A new phase 1 takes over the Child SAs of the old one.

use std::net::IpAddr;
use std::time::Duration;

use ipsec::{ModeConfig, RekeyPolicy, V1Policy};
use shard::{Command, EventKind};

use super::{SECOND, sites};
use crate::world::{End, NO_REKEY, Terms, World};

fn after(seconds: u64) -> RekeyPolicy {
    RekeyPolicy {
        time: Some(Duration::from_secs(seconds)),
        hard_time: Some(Duration::from_secs(seconds + seconds / 2)),
        ..NO_REKEY
    }
}

/// Sends packets both ways all the time, and loses none.
fn pass_under_traffic(world: &mut World, seconds: u32) {
    for step in 0..seconds * 10 {
        world.pass(Duration::from_millis(100));
        assert!(
            world.ping(End::Client, "10.2.0.1", "10.1.0.1"),
            "step {step}"
        );
        assert!(
            world.ping(End::Headend, "10.1.0.1", "10.2.0.1"),
            "step {step}"
        );
    }
}

#[test]
fn phase_one_is_renewed_under_traffic_by_either_end_or_both() {
    for ike_rekey in [
        [NO_REKEY, after(60)],
        [after(60), NO_REKEY],
        [after(60), after(60)],
    ] {
        let mut world = World::connected(&Terms {
            ike_rekey,
            ..sites()
        });
        pass_under_traffic(&mut world, 400);
        for end in [End::Headend, End::Client] {
            let side = world.side(end);
            let counters = side.counters();
            assert_eq!(counters.children, 1, "{end:?} {ike_rekey:?}");
            assert!(side.count("rekeyed") >= 5, "{}", side.count("rekeyed"));
            assert_eq!(side.count("child-removed"), 0, "the Child SA stays");
            assert_eq!(side.count("dead"), 0);
        }
        world.pass(SECOND * 15);
        assert!(world.headend.counters().ike_sas <= 2);
    }
}

#[test]
fn the_operator_renews_phase_one() {
    for end in [End::Headend, End::Client] {
        let mut world = World::connected(&sites());
        let spi = world.side(end).events[0].peer.spi;
        assert!(world.command(end, Command::RekeyIke { spi }));
        pass_under_traffic(&mut world, 20);
        for who in [End::Headend, End::Client] {
            let counters = world.side(who).counters();
            assert_eq!(
                (counters.ike_sas, counters.children),
                (1, 1),
                "{end:?} {who:?}"
            );
            let now = world.now;
            let (rows, _) = world.side(who).shard.peers(0, 9, now);
            assert_ne!(rows[0].peer.spi, spi);
            assert!(rows[0].liveness.is_some(), "it is watched");
        }
        let probes = |world: &World| world.headend.counters().dpd.probes;
        let before = probes(&world);
        pass_under_traffic(&mut world, 25);
        assert_eq!(probes(&world), before, "traffic proves life to the new one");
    }
}

#[test]
fn phase_two_is_rekeyed_under_traffic() {
    let mut world = World::connected(&Terms {
        child_rekey: after(30),
        ..sites()
    });
    pass_under_traffic(&mut world, 300);
    for end in [End::Headend, End::Client] {
        let side = world.side(end);
        assert!(side.count("child-installed") >= 9);
        let expired = |kind: &EventKind| {
            matches!(kind, EventKind::ChildRemoved { reason, .. }
                if *reason == ike::RemovalReason::HardLifetime)
        };
        assert!(!side.has(expired), "{end:?}");
        assert_eq!(side.counters().ike_sas, 1);
    }
}

#[test]
fn both_phases_at_once_lose_nothing() {
    let mut world = World::connected(&Terms {
        child_rekey: after(20),
        ike_rekey: [after(40), after(40)],
        ..sites()
    });
    pass_under_traffic(&mut world, 300);
    assert_eq!(world.headend.count("dead") + world.client.count("dead"), 0);
}

/// A client that asks for its address, as strongSwan and routers do.
fn client() -> Terms {
    let pull = V1Policy {
        mode_config: ModeConfig::Pull,
        ..V1Policy::default()
    };
    Terms {
        virtual_address: true,
        address_ids: false,
        v1: [pull.clone(), pull],
        unique: false,
        ..sites()
    }
}

#[test]
fn a_client_keeps_its_address_and_gives_it_back_at_the_end() {
    let mut world = World::connected(&client());
    for _ in 0..3 {
        let now = world.now;
        let (rows, _) = world.client.shard.peers(0, 9, now);
        let spi = rows[0].peer.spi;
        assert!(world.command(End::Client, Command::RekeyIke { spi }));
        for _ in 0..200 {
            world.pass(Duration::from_millis(100));
            assert!(world.ping(End::Client, "10.9.0.1", "10.1.0.1"));
            assert!(world.ping(End::Headend, "10.1.0.1", "10.9.0.1"));
        }
        let now = world.now;
        let (rows, _) = world.headend.shard.peers(0, 9, now);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].addresses, ["10.9.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(world.headend.shared().0, 1);
    }
    let now = world.now;
    let (rows, _) = world.client.shard.peers(0, 9, now);
    let spi = rows[0].peer.spi;
    assert!(world.command(End::Client, Command::Terminate { spi }));
    world.pass(SECOND * 40);
    assert_eq!(world.headend.shared(), (0, 0), "nothing is held any longer");
    assert_eq!(world.client.counters().timers, 0);
}

#[test]
fn a_headend_does_not_ask_its_client_to_come_again() {
    let mut world = World::connected(&Terms {
        ike_rekey: [after(60), NO_REKEY],
        ..client()
    });
    world.pass(SECOND * 80);
    assert_eq!(world.headend.count("rekeyed"), 0, "it could not answer");
    assert_eq!(world.headend.counters().ike_sas, 1);
}

/// What IOS does when the lifetime of its phase 1 is over: it deletes the ISAKMP SA and leaves the
/// IPsec SAs. Here the message that deletes those is lost.
#[test]
fn child_sas_survive_the_deletion_of_their_ike_sa() {
    for end in [End::Headend, End::Client] {
        let other = end.other();
        let mut world = World::connected(&sites());
        let spi = world.side(end).events[0].peer.spi;
        world.lose = Some(0);
        assert!(world.command(end, Command::Terminate { spi }));
        world.pass(SECOND * 60);
        let side = world.side(other);
        assert_eq!(side.count("child-removed"), 0);
        assert_eq!(side.count("rekeyed"), 1, "a new IKE SA has it");
        assert_eq!((side.counters().ike_sas, side.counters().children), (1, 1));
        let established = |event: &&shard::Event| event.kind.name() == "established";
        assert_eq!(side.events.iter().filter(established).count(), 2);
    }
}

#[test]
fn a_client_that_deletes_its_ike_sa_is_gone() {
    let mut world = World::connected(&client());
    let spi = world.client.events[0].peer.spi;
    world.lose = Some(0);
    assert!(world.command(End::Client, Command::Terminate { spi }));
    world.pass(SECOND);
    let counters = world.headend.counters();
    assert_eq!((counters.ike_sas, counters.children), (0, 0));
    assert_eq!(world.headend.shared(), (0, 0));
}

#[test]
fn a_peer_that_lost_everything_is_not_taken_for_a_renewal() {
    let mut world = World::connected(&sites());
    let before = world.headend.youngest_child();
    // The client starts again without a word, and says INITIAL-CONTACT.
    world.client = World::new(&sites()).client;
    let order = Command::Initiate {
        connection: 0,
        child: 0,
    };
    world.command(End::Client, order);
    world.pass(SECOND);
    let gone = |kind: &EventKind| matches!(kind, EventKind::ChildRemoved { inbound, .. } if *inbound == before);
    assert!(world.headend.has(gone), "it would lead nowhere");
    assert_eq!(world.headend.count("rekeyed"), 0);
    let counters = world.headend.counters();
    assert_eq!((counters.ike_sas, counters.children), (1, 1));
    assert!(world.ping(End::Headend, "10.1.0.1", "10.2.0.1"));
}
