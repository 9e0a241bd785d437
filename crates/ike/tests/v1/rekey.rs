//! Rekeys of Child SAs and successions of the IKE SA.

use std::time::Duration;

use ike::{CloseReason, RemovalReason};
use ipsec::{ModeConfig, RekeyPolicy};

use crate::end::{End, Event};
use crate::incidents::{SIDES, with_every_incident};
use crate::mode_config;
use crate::policy::rekey_after;
use crate::quick_mode::{assert_one_pair, rekey_child, world_with};
use crate::world::{Side, World};

#[test]
fn a_child_sa_is_rekeyed_from_either_end() {
    for side in SIDES {
        with_every_incident(
            World::established,
            |world| rekey_child(world, side),
            |world, incident| {
                world.assert_traffic_passes();
                world.pass(Duration::from_secs(60));
                assert_one_pair(world);
                let rekeyed =
                    |event: &Event| matches!(event, Event::Removed(_, RemovalReason::Rekeyed));
                for end in [&world.left, &world.right] {
                    assert!(
                        end.events.iter().any(rekeyed),
                        "{incident:?} {:?}",
                        end.events
                    );
                }
            },
        );
    }
}

#[test]
fn the_old_pair_carries_traffic_until_the_peer_must_be_ready() {
    let mut world = World::established();
    let old = world.left.first_child();
    rekey_child(&mut world, Side::Left);
    world.settle();
    assert_eq!(
        world.left.first_child(),
        old,
        "the third message may be late"
    );
    assert_ne!(world.right.first_child().0, old.0);
    world.pass(Duration::from_secs(3));
    assert_ne!(world.left.first_child(), old);
    assert!(
        world.left.children.contains_key(&old.0),
        "for what is on its way"
    );
    world.pass(Duration::from_secs(4));
    assert_one_pair(&world);
}

#[test]
fn traffic_of_the_peer_moves_ours_to_the_new_pair() {
    let mut world = World::established();
    let old = world.left.first_child();
    rekey_child(&mut world, Side::Left);
    world.settle();
    let new = *world.left.children.keys().last().expect("a new one");
    let now = world.now;
    world.left.receive_esp(new, now);
    assert_eq!(world.left.first_child().0, new);
    assert_ne!(old.0, new);
}

#[test]
fn lifetimes_rekey_again_and_again_without_a_gap() {
    for (left, right) in [(500, 700), (700, 500), (500, 500)] {
        let mut world = world_with(|side, connection| {
            let seconds = if side == Side::Left { left } else { right };
            connection.children[0].rekey = RekeyPolicy {
                jitter_percent: 10,
                ..rekey_after(seconds)
            };
        })
        .establish();
        for _ in 0..600 {
            world.pass(Duration::from_secs(10));
            world.assert_traffic_passes();
            let active = |end: &End| end.active.contains_key(&0);
            assert!(active(&world.left) && active(&world.right));
            assert!(
                world.left.children.len() <= 4,
                "{:?}",
                world.left.children.keys()
            );
        }
        let installed = |event: &&Event| matches!(event, Event::Installed { .. });
        let rekeys = world.left.events.iter().filter(installed).count();
        assert!(rekeys >= 6_000 / 700, "{rekeys} rekeys");
    }
}

#[test]
fn a_hard_lifetime_ends_a_child_sa_at_both_ends() {
    let mut world = world_with(|_, connection| {
        connection.children[0].rekey = RekeyPolicy {
            time: None,
            ..rekey_after(60)
        };
    })
    .establish();
    world.pass(Duration::from_secs(119));
    assert_one_pair(&world);
    world.pass(Duration::from_secs(2));
    assert!(world.left.children.is_empty() && world.right.children.is_empty());
    world.assert_consistent();
}

#[test]
fn the_ike_sa_asks_for_a_successor_and_at_last_ends() {
    let mut world = world_with(|side, connection| {
        if side == Side::Left {
            connection.rekey = RekeyPolicy {
                time: Some(Duration::from_secs(100)),
                hard_time: Some(Duration::from_secs(1_000)),
                ..rekey_after(100)
            };
        }
    })
    .establish();
    world.pass(Duration::from_secs(101));
    assert!(world.left.has(&Event::ReauthenticationDue));
    world.pass(Duration::from_secs(1_000));
    assert!(world.left.has(&Event::Closed(CloseReason::HardLifetime)));
    assert!(world.right.sas.is_empty(), "{:?}", world.right.events);
    world.left.assert_accounts_balance();
    world.right.assert_accounts_balance();
}

/// A second IKE SA between the ends takes over from the first, at both ends.
fn succeed(world: &mut World) {
    let old = [world.left.only(), world.right.only()];
    // The second one brings no Child SA of its own.
    let room = std::mem::take(&mut world.left.settings.queue_max);
    world.initiate();
    world.settle();
    world.left.settings.queue_max = room;
    let now = world.now;
    for (side, old) in SIDES.into_iter().zip(old) {
        let end = world.end(side);
        let heir = *end
            .sas
            .keys()
            .find(|spi| **spi != old)
            .expect("a second one");
        let mut heir_sa = end.sas.remove(&heir).expect("it is there");
        end.with(old, now, |sa, ctx, actions| {
            sa.hand_over(&mut heir_sa, ctx, actions)
        });
        end.sas.insert(heir, heir_sa);
        if side == Side::Left {
            end.with(old, now, |sa, ctx, actions| {
                sa.delete_ike(CloseReason::Reauthenticated, ctx, actions);
            });
        }
    }
}

#[test]
fn child_sas_survive_their_ike_sa() {
    let mut world = World::established();
    let child = world.left.first_child();
    succeed(&mut world);
    world.settle();
    assert_one_pair(&world);
    assert_eq!(world.left.first_child(), child, "untouched");
    let closed = |end: &End| {
        end.events
            .iter()
            .any(|event| matches!(event, Event::Closed(_)))
    };
    assert!(
        closed(&world.left) && closed(&world.right),
        "the old ones are gone"
    );
    rekey_child(&mut world, Side::Right);
    world.pass(Duration::from_secs(60));
    assert_one_pair(&world);
}

#[test]
fn a_rekey_under_way_is_done_by_the_successor() {
    for side in SIDES {
        let mut world = World::established();
        let old = world.left.first_child();
        rekey_child(&mut world, side);
        world.end(side).outbox.clear();
        succeed(&mut world);
        world.pass(Duration::from_secs(100));
        assert_one_pair(&world);
        assert_ne!(world.left.first_child(), old, "it was rekeyed");
    }
}

#[test]
fn an_ike_sa_that_was_succeeded_goes_by_itself() {
    let mut world = World::established();
    world.deaf = None;
    let old = world.right.only();
    succeed(&mut world);
    world.left.outbox.clear();
    world.pass(Duration::from_secs(60));
    assert!(!world.right.sas.contains_key(&old), "nobody told it");
    assert!(world.right.has(&Event::Closed(CloseReason::Rekeyed)));
    assert_eq!(world.right.sas.len(), 1);
}

#[test]
fn a_clients_address_goes_over_to_the_successor() {
    let mut world = mode_config::world(ModeConfig::Pull).establish();
    let leased = world.right.owner.leases.clone();
    assert_eq!(leased.len(), 1);
    succeed(&mut world);
    world.pass(Duration::from_secs(60));
    assert_one_pair(&world);
    assert_eq!(world.right.owner.leases, leased, "it was not given back");
    let now = world.now;
    world.left.command(now, |sa, ctx, actions| {
        sa.delete_ike(CloseReason::Deleted, ctx, actions);
    });
    world.settle();
    assert!(world.right.owner.leases.is_empty());
}
