use ike::trace::Stage;
use ipsec::{IkeVersion, ModeConfig, PreSharedKey, V1Policy, Versions, Xauth};
use shard::{Command, EventKind, PeerRow};

use super::{SECOND, sites};
use crate::world::{End, Terms, World};

fn only_peer(world: &mut World, end: End) -> PeerRow {
    let now = world.now;
    let (mut rows, _) = world.side(end).shard.peers(0, 9, now);
    assert_eq!(rows.len(), 1);
    rows.pop().unwrap()
}

fn carries_traffic(world: &mut World) {
    for _ in 0..3 {
        assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
        assert!(world.ping(End::Headend, "10.1.0.1", "10.2.0.1"));
    }
}

#[test]
fn main_mode_and_quick_mode_bring_up_a_tunnel() {
    let mut world = World::connected(&sites());
    carries_traffic(&mut world);
    for end in [End::Headend, End::Client] {
        let row = only_peer(&mut world, end);
        assert_eq!(row.version, IkeVersion::V1);
        assert_eq!(row.stage, Stage::Established);
        assert!(row.established && row.children == 1);
        let counters = world.side(end).counters();
        assert_eq!((counters.ike_sas, counters.ike_sas_v1), (1, 1));
        assert_eq!(counters.half_open, 0);
    }
    assert_eq!(
        world.ike_sent,
        [4, 5],
        "three and three messages, then two and one"
    );
}

#[test]
fn aggressive_mode_takes_three_messages() {
    let aggressive = V1Policy {
        aggressive: true,
        ..V1Policy::default()
    };
    let mut world = World::connected(&Terms {
        v1: [aggressive.clone(), aggressive],
        ..sites()
    });
    carries_traffic(&mut world);
    assert_eq!(
        world.ike_sent,
        [2, 4],
        "one and two messages, then one and two"
    );
}

#[test]
fn aggressive_mode_is_refused_unless_it_is_allowed() {
    let aggressive = V1Policy {
        aggressive: true,
        ..V1Policy::default()
    };
    let mut world = World::new(&Terms {
        v1: [V1Policy::default(), aggressive],
        ..sites()
    });
    let order = Command::Initiate {
        connection: 0,
        child: 0,
    };
    world.command(End::Client, order);
    assert_eq!(world.headend.counters().ike_sas, 0);
    assert_eq!(world.headend.counters().half_open, 0);
}

#[test]
fn a_headend_without_a_connection_of_ikev1_answers_nothing_of_it() {
    let mut world = World::new(&Terms::default());
    let mut old = World::new(&sites());
    old.tape = Some(vec![]);
    let order = Command::Initiate {
        connection: 0,
        child: 0,
    };
    old.command(End::Client, order);
    let first = old.tape.take().unwrap().remove(0).1;
    world.deliver(End::Headend, &[first]);
    assert_eq!(world.headend.counters().ike_sas, 0);
    assert_eq!(world.ike_sent, [0, 0]);
}

#[test]
fn both_versions_live_side_by_side_and_ikev2_comes_first() {
    let mut world = World::connected(&Terms {
        versions: Versions::ANY,
        ..sites()
    });
    assert_eq!(only_peer(&mut world, End::Headend).version, IkeVersion::V2);
    carries_traffic(&mut world);
}

#[test]
fn a_user_proves_who_he_is_and_gets_an_address() {
    for mode_config in [ModeConfig::Pull, ModeConfig::Push] {
        let server = V1Policy {
            xauth: Some(Xauth::Server),
            mode_config,
            ..V1Policy::default()
        };
        let client = |password: &[u8]| V1Policy {
            xauth: Some(Xauth::Client {
                user: "joe".into(),
                password: PreSharedKey::new(password.to_vec()),
            }),
            mode_config,
            ..V1Policy::default()
        };
        let terms = |password| Terms {
            virtual_address: true,
            v1: [server.clone(), client(password)],
            ..sites()
        };
        let mut world = World::connected(&terms(b"hunter2"));
        assert!(
            world.ping(End::Client, "10.9.0.1", "10.1.0.1"),
            "{mode_config:?}"
        );
        assert!(world.ping(End::Headend, "10.1.0.1", "10.9.0.1"));
        assert_eq!(world.headend.shared().0, 1, "one address is leased");
        let order = Command::Initiate {
            connection: 0,
            child: 0,
        };
        let mut world = World::new(&terms(b"hunter3"));
        world.command(End::Client, order);
        world.pass(SECOND * 60);
        let installed = |kind: &EventKind| matches!(kind, EventKind::ChildInstalled { .. });
        assert!(!world.headend.has(installed) && !world.client.has(installed));
        assert_eq!(world.headend.shared().0, 0);
    }
}

#[test]
fn what_is_deleted_at_one_end_is_gone_at_the_other() {
    let mut world = World::connected(&sites());
    let spi = only_peer(&mut world, End::Client).peer.spi;
    assert!(world.command(End::Client, Command::Terminate { spi }));
    world.pass(SECOND);
    for end in [End::Headend, End::Client] {
        let counters = world.side(end).counters();
        assert_eq!((counters.ike_sas, counters.children), (0, 0), "{end:?}");
        assert_eq!(counters.timers, 0);
        assert_eq!(world.side(end).shared(), (0, 0));
    }
}

#[test]
fn a_set_up_that_loses_messages_comes_through() {
    for lost in 0..9 {
        let mut world = World::new(&sites());
        world.lose = Some(lost);
        let order = Command::Initiate {
            connection: 0,
            child: 0,
        };
        world.command(End::Client, order);
        world.pass(SECOND * 20);
        assert_eq!(world.lose, None, "message {lost} was lost");
        carries_traffic(&mut world);
        assert_eq!(world.headend.counters().ike_sas, 1, "message {lost}");
    }
}
