//! Both ends begin at once (RFC 7296 §2.8.1, §2.8.2, §2.25), told in every order of events.

use std::cell::Cell;
use std::time::Duration;

use crypto::KeyExchangeMethod::X25519;
use ike::{ChildFailure, CloseReason, Refusal, RemovalReason};

use crate::end::{End, Event};
use crate::explore::{Freedom, draw, explore};
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
    repeats: 0,
    traffic: false,
    gaps: false,
};

const WITH_TRAFFIC: Freedom = Freedom {
    reorder: false,
    traffic: true,
    ..REORDERED
};

const LOSSY: Freedom = Freedom {
    losses: 1,
    ..REORDERED
};

const SLOW: Freedom = Freedom {
    slow_computations: true,
    ..REORDERED
};

/// Everything at once: too many orders for all of them.
const WILD: Freedom = Freedom {
    reorder: true,
    slow_computations: true,
    losses: 3,
    repeats: 2,
    traffic: true,
    gaps: false,
};

/// Orders that are drawn where there are too many.
const DRAWN: usize = 300;

/// The same, when the Child SA goes.
fn with_gaps(freedom: Freedom) -> Freedom {
    Freedom {
        gaps: true,
        ..freedom
    }
}

fn plain(seed: u64) -> World {
    world_with(seed, |_, _| ())
}

/// What an end may be told to do.
type Act = fn(&mut World, Side);

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
    let orders = explore(
        SLOW,
        || world_with(1, with_pfs(&[X25519], &[X25519])),
        |world| both(world, rekey_child),
        |world| {
            assert_one_pair(world);
            assert_calm(world);
        },
    );
    assert!(orders > 1_000, "{orders}");
}

#[test]
fn child_sas_rekeyed_by_both_ends_with_two_messages_lost() {
    let twice = Freedom {
        losses: 2,
        ..REORDERED
    };
    let orders = explore(
        twice,
        || plain(1),
        |world| both(world, rekey_child),
        |world| {
            assert_one_pair(world);
            assert_calm(world);
        },
    );
    assert!(orders > 1_000, "{orders}");
}

#[test]
fn child_sas_rekeyed_by_both_ends_on_a_bad_day() {
    draw(
        WILD,
        DRAWN,
        |seed| world_with(seed, with_pfs(&[X25519], &[X25519])),
        |world| both(world, rekey_child),
        |world| {
            world.pass(GRACE);
            assert_one_pair(world);
            assert_calm(world);
        },
    );
}

#[test]
fn the_ike_sa_rekeyed_by_both_ends_on_a_bad_day() {
    draw(
        WILD,
        DRAWN,
        plain,
        |world| both(world, rekey_ike),
        |world| {
            world.pass(GRACE);
            assert_one_pair(world);
            assert_calm(world);
        },
    );
}

/// Both ends want everything at once, in the worst of circumstances.
#[test]
fn everything_at_once_comes_to_rest() {
    draw(
        WILD,
        DRAWN,
        |seed| world_with(seed, with_pfs(&[X25519], &[X25519])),
        |world| {
            both(world, rekey_child);
            both(world, rekey_ike);
            both(world, |world, side| create_child(world, side, 1));
        },
        |world| {
            world.pass(GRACE);
            world.assert_consistent();
            world.assert_traffic_passes();
            for end in [&world.left, &world.right] {
                assert_eq!(end.sas.len(), 1, "{:?}", end.events);
                assert!(end.active.contains_key(&0), "{:?}", end.events);
                let of_first = end.children.values().filter(|child| child.policy == 0);
                assert_eq!(of_first.count(), 1, "{:?}", end.events);
            }
        },
    );
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
        REORDERED,
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
fn ike_rekey_meets(act: impl Fn(&mut World, Side), children: impl Fn(&World) -> bool) {
    for freedom in [REORDERED, LOSSY, SLOW].map(with_gaps) {
        for rekeys in [Side::Left, Side::Right] {
            explore(
                freedom,
                || world_with(1, with_pfs(&[X25519], &[X25519])),
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
                    assert!(children(world), "{:?}", world.left.events);
                    assert!(world.left.has(&Event::Rekeyed), "in the end it is rekeyed");
                    assert_eq!(
                        world.left.sas.values().next().map(|sa| sa.is_established()),
                        Some(true)
                    );
                    // Nothing is stuck.
                    rekey_ike(world, rekeys.other());
                    world.pass(GRACE);
                    assert_eq!(world.left.sas.len(), 1);
                    world.assert_consistent();
                },
            );
        }
    }
}

#[test]
fn an_ike_rekey_meets_a_new_child_sa() {
    ike_rekey_meets(
        |world, side| create_child(world, side, 1),
        // Its owner is told that it was refused, and may ask again.
        |world| {
            let refused = |end: &End| end.has(&Event::ChildFailed(ChildFailure::TemporaryFailure));
            let expected = if refused(&world.left) || refused(&world.right) {
                1
            } else {
                2
            };
            world.left.children.len() == expected
        },
    );
}

#[test]
fn an_ike_rekey_meets_a_child_rekey() {
    ike_rekey_meets(rekey_child, |world| {
        let replaced = |event: &Event| {
            matches!(
                event,
                Event::Installed {
                    replaces: Some(_),
                    ..
                }
            )
        };
        world.left.children.len() == 1 && world.left.events.iter().any(replaced)
    });
}

#[test]
fn an_ike_rekey_meets_a_child_deletion() {
    ike_rekey_meets(delete_child, |world| world.left.children.is_empty());
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

/// An end that changes its mind while its own rekey is under way, before and after its request.
#[test]
fn a_deletion_follows_a_rekey_of_the_same_end() {
    for freedom in [REORDERED, LOSSY, SLOW].map(with_gaps) {
        for (side, sent) in [
            (Side::Left, false),
            (Side::Left, true),
            (Side::Right, false),
            (Side::Right, true),
        ] {
            explore(
                freedom,
                || world_with(1, with_pfs(&[X25519], &[X25519])),
                |world| {
                    rekey_child(world, side);
                    if sent {
                        compute_first(world, side);
                    }
                    delete_child(world, side);
                },
                |world| {
                    world.assert_consistent();
                    assert!(world.left.children.is_empty(), "{:?}", world.left.events);
                    assert_eq!(world.left.sas.len(), 1);
                },
            );
            explore(
                freedom,
                || plain(1),
                |world| {
                    rekey_ike(world, side);
                    if sent {
                        compute_first(world, side);
                    }
                    delete_ike(world, side);
                },
                |world| {
                    world.pass(GRACE);
                    world.assert_consistent();
                    assert!(world.left.sas.is_empty(), "{:?}", world.left.events);
                    assert!(world.right.sas.is_empty(), "{:?}", world.right.events);
                },
            );
        }
    }
}

/// The key pair is made and the request is sent.
fn compute_first(world: &mut World, side: Side) {
    let now = world.now;
    let end = world.end(side);
    let (spi, job) = end.jobs.remove(0);
    end.finish(spi, job, now);
    assert!(!end.outbox.is_empty(), "the request is on its way");
}

#[test]
fn what_begins_during_the_peers_rekey_waits_for_the_successor() {
    let acts: [(Act, usize); 3] = [
        (rekey_child, 1),
        (|world, side| create_child(world, side, 1), 2),
        (delete_child, 0),
    ];
    for (act, children) in acts {
        let mut world = plain(1);
        world.right.hold_jobs = true;
        rekey_ike(&mut world, Side::Left);
        world.settle();
        act(&mut world, Side::Right);
        assert!(world.right.outbox.is_empty(), "it waits");
        world.right.hold_jobs = false;
        world.pass(Duration::from_secs(2));
        world.assert_consistent();
        assert_eq!(
            world.right.children.len(),
            children,
            "{:?}",
            world.right.events
        );
        assert_eq!(world.right.sas.len(), 1);
        assert!(world.right.has(&Event::Rekeyed));
        assert!(!world.left.has(&Event::Refused(Refusal::TemporaryFailure)));
    }
}

/// Both rekey, and one of them changes its mind.
#[test]
fn a_deletion_follows_a_simultaneous_rekey() {
    for seed in 1..5 {
        explore(
            with_gaps(LOSSY),
            || plain(seed),
            |world| {
                both(world, rekey_child);
                delete_child(world, Side::Left);
            },
            |world| {
                world.assert_consistent();
                assert!(world.left.children.is_empty(), "{:?}", world.left.events);
            },
        );
        explore(
            with_gaps(LOSSY),
            || plain(seed),
            |world| {
                both(world, rekey_ike);
                delete_ike(world, Side::Left);
            },
            |world| {
                world.pass(GRACE);
                world.assert_consistent();
                assert!(world.left.sas.is_empty(), "{:?}", world.left.events);
                assert!(world.right.sas.is_empty(), "{:?}", world.right.events);
            },
        );
    }
}

#[test]
fn the_successor_of_an_ike_sa_that_should_go_is_not_for_use() {
    let mut world = plain(1);
    rekey_ike(&mut world, Side::Left);
    compute_first(&mut world, Side::Left);
    delete_ike(&mut world, Side::Left);
    world.settle();
    assert!(world.left.has(&Event::Rekeyed));
    assert!(world.left.sas.values().all(|sa| !sa.is_established()));
    world.pass(Duration::from_secs(1));
    assert!(world.left.has(&Event::Closed(CloseReason::Deleted)));
    assert!(world.left.sas.is_empty() && world.right.sas.is_empty());
    world.assert_consistent();
}
