//! A new phase 1 takes over the Child SAs of the old one.

use std::time::Duration;

use ipsec::RekeyPolicy;
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
