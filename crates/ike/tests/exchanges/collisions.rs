//! Both ends begin at once (RFC 7296 §2.8.1, §2.8.2, §2.25), told in every order of events.

use std::cell::Cell;
use std::time::Duration;

use crypto::KeyExchangeMethod::X25519;
use ike::{CloseReason, RemovalReason};

use crate::end::{End, Event};
use crate::explore::{Freedom, explore};
use crate::rekey::{
    assert_one_pair, create_child, delete_child, delete_ike, rekey_child, rekey_ike, with_pfs,
    world_with,
};
use crate::world::{Side, World};

/// Seeds among which each end wins and loses.
const SEEDS: core::ops::Range<u64> = 1..7;

/// Longer than what is kept for the peer to delete.
const GRACE: Duration = Duration::from_secs(130);

const REORDERED: Freedom = Freedom {
    reorder: true,
    slow_computations: false,
    losses: 0,
    traffic: false,
    gaps: false,
};

const WITH_TRAFFIC: Freedom = Freedom {
    reorder: false,
    traffic: true,
    ..REORDERED
};

const LOSSY: Freedom = Freedom {
    reorder: false,
    losses: 1,
    ..REORDERED
};

const SLOW: Freedom = Freedom {
    reorder: false,
    slow_computations: true,
    ..REORDERED
};

/// The same, when a Child SA comes or goes.
fn with_gaps(freedom: Freedom) -> Freedom {
    Freedom {
        gaps: true,
        ..freedom
    }
}

fn plain(seed: u64) -> World {
    world_with(seed, |_, _| ())
}

fn both(world: &mut World, act: impl Fn(&mut World, Side)) {
    act(world, Side::Left);
    act(world, Side::Right);
}

fn lost(end: &End) -> bool {
    let redundant =
        |event: &Event| matches!(event, Event::Removed(_, RemovalReason::RedundantRekey));
    end.events.iter().any(redundant)
}

/// Nothing was given up on the way.
fn assert_calm(world: &World) {
    for end in [&world.left, &world.right] {
        for event in &end.events {
            match event {
                Event::Closed(CloseReason::Rekeyed | CloseReason::RedundantRekey) => {}
                Event::Closed(reason) => panic!("closed: {reason:?}"),
                Event::ChildFailed(failure) => panic!("failed: {failure:?}"),
                _ => {}
            }
        }
    }
}

#[test]
fn child_sas_rekeyed_by_both_ends_in_any_order() {
    for freedom in [REORDERED, WITH_TRAFFIC, LOSSY] {
        let (left_lost, right_lost) = (Cell::new(0), Cell::new(0));
        let mut orders = 0;
        for seed in SEEDS {
            orders += explore(
                freedom,
                || plain(seed),
                |world| both(world, rekey_child),
                |world| {
                    assert_one_pair(world);
                    assert_calm(world);
                    left_lost.set(left_lost.get() + u32::from(lost(&world.left)));
                    right_lost.set(right_lost.get() + u32::from(lost(&world.right)));
                },
            );
        }
        assert!(orders > 50, "{orders}");
        assert!(
            left_lost.get() > 0 && right_lost.get() > 0,
            "each end loses some"
        );
    }
}

#[test]
fn child_sas_rekeyed_by_both_ends_with_slow_key_exchanges() {
    let mut orders = 0;
    for seed in 1..3 {
        orders += explore(
            SLOW,
            || world_with(seed, with_pfs(&[X25519], &[X25519])),
            |world| both(world, rekey_child),
            |world| {
                assert_one_pair(world);
                assert_calm(world);
            },
        );
    }
    assert!(orders > 1_000, "{orders}");
}

#[test]
fn a_rekey_meets_a_deletion_of_the_same_child_sa() {
    for freedom in [REORDERED, LOSSY] {
        for rekeys in [Side::Left, Side::Right] {
            explore(
                with_gaps(freedom),
                || plain(1),
                |world| {
                    rekey_child(world, rekeys);
                    delete_child(world, rekeys.other());
                },
                |world| {
                    world.pass(GRACE);
                    world.assert_consistent();
                    assert!(world.left.children.is_empty(), "{:?}", world.left.events);
                    assert_eq!(world.left.sas.len(), 1, "the IKE SA stays");
                },
            );
        }
    }
}

#[test]
fn both_ends_delete_the_same_child_sa() {
    for freedom in [REORDERED, LOSSY] {
        explore(
            with_gaps(freedom),
            || plain(1),
            |world| both(world, delete_child),
            |world| {
                world.assert_consistent();
                assert!(world.left.children.is_empty());
                assert_eq!(world.left.sas.len(), 1);
            },
        );
    }
}

#[test]
fn both_ends_create_a_child_sa() {
    explore(
        with_gaps(REORDERED),
        || plain(1),
        |world| both(world, |world, side| create_child(world, side, 1)),
        |world| {
            world.assert_consistent();
            world.assert_traffic_passes();
            assert_eq!(world.left.children.len(), 3);
            assert_calm(world);
        },
    );
}

#[test]
fn the_ike_sa_rekeyed_by_both_ends_in_any_order() {
    for freedom in [REORDERED, WITH_TRAFFIC, LOSSY] {
        let redundant = Cell::new(0);
        let mut orders = 0;
        for seed in SEEDS {
            orders += explore(
                freedom,
                || plain(seed),
                |world| both(world, rekey_ike),
                |world| {
                    world.pass(GRACE);
                    assert_one_pair(world);
                    assert_calm(world);
                    let found = world.left.has(&Event::Redundant);
                    redundant.set(redundant.get() + u32::from(found));
                    // The successor works.
                    both(world, rekey_child);
                    world.pass(Duration::from_secs(10));
                    assert_one_pair(world);
                },
            );
        }
        assert!(orders > 50, "{orders}");
        assert!(redundant.get() > 0, "some orders make two successors");
    }
}

#[test]
fn the_ike_sa_rekeyed_by_both_ends_with_slow_key_exchanges() {
    let orders = explore(
        SLOW,
        || plain(1),
        |world| both(world, rekey_ike),
        |world| {
            world.pass(GRACE);
            assert_one_pair(world);
            assert_calm(world);
        },
    );
    assert!(orders > 500, "{orders}");
}

/// One end rekeys the IKE SA, the other does something with a Child SA: one of them has to wait.
fn ike_rekey_meets(act: impl Fn(&mut World, Side), children: usize) {
    for freedom in [REORDERED, LOSSY].map(with_gaps) {
        for rekeys in [Side::Left, Side::Right] {
            explore(
                freedom,
                || plain(1),
                |world| {
                    rekey_ike(world, rekeys);
                    act(world, rekeys.other());
                },
                |world| {
                    world.left.hold_jobs = false;
                    world.right.hold_jobs = false;
                    world.pass(GRACE);
                    world.assert_consistent();
                    world.assert_traffic_passes();
                    assert_eq!(world.left.sas.len(), 1);
                    assert_eq!(
                        world.left.children.len(),
                        children,
                        "{:?}",
                        world.left.events
                    );
                    assert!(world.left.has(&Event::Rekeyed), "in the end it is rekeyed");
                },
            );
        }
    }
}

#[test]
fn an_ike_rekey_meets_a_child_rekey() {
    ike_rekey_meets(rekey_child, 1);
}

#[test]
fn an_ike_rekey_meets_a_child_deletion() {
    ike_rekey_meets(delete_child, 0);
}

#[test]
fn an_ike_rekey_meets_the_deletion_of_the_ike_sa() {
    for freedom in [REORDERED, LOSSY, SLOW] {
        for rekeys in [Side::Left, Side::Right] {
            explore(
                with_gaps(freedom),
                || plain(1),
                |world| {
                    rekey_ike(world, rekeys);
                    delete_ike(world, rekeys.other());
                },
                |world| {
                    world.pass(GRACE);
                    world.assert_consistent();
                    assert!(world.left.sas.is_empty() && world.right.sas.is_empty());
                },
            );
        }
    }
}

#[test]
fn both_ends_delete_the_ike_sa() {
    for freedom in [REORDERED, LOSSY] {
        explore(
            with_gaps(freedom),
            || plain(1),
            |world| both(world, delete_ike),
            |world| {
                // Who has answered is gone, and the other finds out by itself.
                world.pass(GRACE);
                world.assert_consistent();
                assert!(world.left.sas.is_empty() && world.right.sas.is_empty());
            },
        );
    }
}
