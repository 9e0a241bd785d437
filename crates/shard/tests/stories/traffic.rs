use std::time::Duration;

use ipsec::RekeyPolicy;
use shard::{Command, EventKind, Listener};

use crate::world::{End, NO_REKEY, Terms, World};

#[test]
fn packets_pass_both_ways_over_a_virtual_address() {
    let mut world = World::connected(&Terms::default());
    assert!(world.ping(End::Client, "10.9.0.1", "10.1.0.1"));
    assert!(world.ping(End::Headend, "10.1.0.1", "10.9.0.1"));
    assert_eq!(world.headend.shared(), (1, 1));
    let counters = world.headend.counters();
    assert_eq!((counters.esp_in.0, counters.esp_out.0), (1, 1));
}

#[test]
fn packets_pass_between_sites_in_udp_and_raw() {
    for encap in [false, true] {
        let terms = Terms {
            virtual_address: false,
            encap,
            ..Terms::default()
        };
        let mut world = World::connected(&terms);
        assert!(
            world.ping(End::Client, "10.2.3.4", "10.1.0.1"),
            "encap {encap}"
        );
        assert!(
            world.ping(End::Headend, "10.1.0.1", "10.2.3.4"),
            "encap {encap}"
        );
    }
}

#[test]
fn what_no_selector_covers_is_dropped_and_counted() {
    let mut world = World::connected(&Terms::default());
    assert!(!world.ping(End::Headend, "10.1.0.1", "10.9.0.2"));
    assert!(!world.ping(End::Headend, "172.16.0.1", "10.9.0.1"));
    assert_eq!(world.headend.counters().dropped.iter().sum::<u64>(), 2);
}

#[test]
fn a_volume_limit_rekeys_the_child_without_losing_a_packet() {
    let child_rekey = RekeyPolicy {
        packets: Some(50),
        ..NO_REKEY
    };
    let mut world = World::connected(&Terms {
        child_rekey,
        ..Terms::default()
    });
    for round in 0..300 {
        assert!(
            world.ping(End::Client, "10.9.0.1", "10.1.0.1"),
            "round {round}"
        );
        assert!(
            world.ping(End::Headend, "10.1.0.1", "10.9.0.1"),
            "round {round}"
        );
        world.pass(Duration::from_millis(10));
    }
    assert!(world.headend.count("child-installed") >= 4);
    world.pass(Duration::from_secs(60));
    assert_eq!(
        world.headend.counters().children,
        1,
        "only the youngest is left"
    );
    assert_eq!(world.client.counters().children, 1);
}

#[test]
fn rekeys_on_command_keep_traffic_and_liveness() {
    let mut world = World::connected(&Terms::default());
    let spi = world.headend.events[0].peer.spi;
    assert!(world.command(End::Headend, Command::RekeyIke { spi }));
    assert!(
        world
            .headend
            .has(|kind| matches!(kind, EventKind::Rekeyed { .. }))
    );
    assert!(world.ping(End::Client, "10.9.0.1", "10.1.0.1"));
    assert!(world.ping(End::Headend, "10.1.0.1", "10.9.0.1"));
    world.pass(Duration::from_secs(120));
    assert_eq!(world.headend.counters().ike_sas, 1);
    assert_eq!(world.headend.shared(), (1, 1));
    world.dead = Some(End::Client);
    let bound = Duration::from_secs(20) + Duration::from_millis(40);
    let found = world.pass_until(bound, |kind| matches!(kind, EventKind::Dead { .. }));
    assert!(found.is_some(), "liveness goes on in the successor");
}

#[test]
fn strangers_change_nothing() {
    let mut world = World::connected(&Terms::default());
    for octets in [
        &[][..],
        &[0xff],
        &[0; 3],
        &[0; 40],
        &[0x11; 60],
        &[0xfe; 1400],
    ] {
        for listener in [Listener::Ike, Listener::Nat, Listener::RawEsp] {
            world.inject(listener, octets);
        }
    }
    assert!(world.ping(End::Client, "10.9.0.1", "10.1.0.1"));
    let counters = world.headend.counters();
    let dropped = counters.dropped.iter().sum::<u64>()
        + counters.ike_rejected.iter().sum::<u64>()
        + counters.esp_in_dropped.iter().sum::<u64>()
        + counters.keepalives[0];
    assert_eq!(dropped, 18, "each is counted once");
}
