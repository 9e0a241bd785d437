//! Both ends begin quick modes for the same selectors at once, in every order of messages.

use std::time::Duration;

use ike::RemovalReason;

use crate::incidents::SIDES;
use crate::quick_mode::{assert_one_pair, create_child, rekey_child};
use crate::world::{Side, World};

/// Every order in which `steps` moves of either end can be made.
fn orders(steps: u32) -> impl Iterator<Item = Vec<Side>> {
    (0..1_u32 << steps).map(move |bits| {
        (0..steps)
            .map(|step| SIDES[usize::from(bits >> step & 1 == 1)])
            .collect()
    })
}

/// One datagram of this end arrives.
fn arrive(world: &mut World, from: Side) {
    let mut outbox = std::mem::take(&mut world.end(from).outbox);
    if outbox.is_empty() {
        return;
    }
    let rest = outbox.split_off(1);
    world.end(from).outbox = outbox;
    world.deliver(from);
    let mut newer = std::mem::take(&mut world.end(from).outbox);
    let end = world.end(from);
    end.outbox = rest;
    end.outbox.append(&mut newer);
}

/// At every moment each end can send, and the other can open it.
fn assert_no_packet_is_lost(world: &World, order: &[Side]) {
    assert!(
        world.left.active.contains_key(&0) && world.right.active.contains_key(&0),
        "{order:?}: somewhere to send"
    );
    world.assert_traffic_passes();
}

#[test]
fn rekeys_from_both_ends_leave_one_pair_and_no_gap() {
    for order in orders(7) {
        let mut world = World::established();
        rekey_child(&mut world, Side::Left);
        rekey_child(&mut world, Side::Right);
        for side in &order {
            arrive(&mut world, *side);
            assert_no_packet_is_lost(&world, &order);
        }
        world.settle();
        assert_no_packet_is_lost(&world, &order);
        for _ in 0..50 {
            world.pass(Duration::from_secs(2));
            assert_no_packet_is_lost(&world, &order);
        }
        assert_one_pair(&world);
    }
}

#[test]
fn a_lost_message_does_not_confuse_a_collision() {
    for lost in 0..6 {
        let mut world = World::established();
        rekey_child(&mut world, Side::Left);
        rekey_child(&mut world, Side::Right);
        world.lose.insert(lost);
        for _ in 0..100 {
            world.pass(Duration::from_secs(1));
            assert_no_packet_is_lost(&world, &[]);
        }
        assert_one_pair(&world);
    }
}

#[test]
fn both_ends_settle_for_the_pair_of_the_initiator_of_phase_1() {
    let mut world = World::established();
    let before = world.left.owner.spis.clone();
    rekey_child(&mut world, Side::Left);
    let own = world.left.owner.spis.difference(&before).copied().next();
    rekey_child(&mut world, Side::Right);
    world.settle();
    assert_eq!(
        world.left.children.len(),
        3,
        "the old one and both new ones"
    );
    world.pass(Duration::from_secs(60));
    assert_one_pair(&world);
    assert_eq!(Some(world.left.first_child().0), own);
}

#[test]
fn first_pairs_from_both_ends_leave_one() {
    for order in orders(6) {
        let mut world = World::established();
        create_child(&mut world, Side::Left, 1);
        create_child(&mut world, Side::Right, 1);
        for side in &order {
            arrive(&mut world, *side);
        }
        for _ in 0..40 {
            world.pass(Duration::from_secs(2));
            world.assert_traffic_of(1);
        }
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 2, "{order:?}");
    }
}

#[test]
fn deletes_that_cross_leave_nothing() {
    for order in orders(4) {
        let mut world = World::established();
        for side in SIDES {
            let now = world.now;
            let end = world.end(side);
            let child = end.first_child();
            end.command(now, |sa, ctx, actions| {
                sa.delete_child(child, RemovalReason::Deleted, ctx, actions)
            })
            .expect("it exists");
        }
        for side in &order {
            arrive(&mut world, *side);
        }
        world.settle();
        world.assert_consistent();
        assert!(world.left.children.is_empty(), "{order:?}");
    }
}

#[test]
fn a_delete_that_crosses_a_rekey_leaves_ends_that_agree() {
    for order in orders(6) {
        let mut world = World::established();
        rekey_child(&mut world, Side::Left);
        let now = world.now;
        let child = world.right.first_child();
        let deleted = world.right.command(now, |sa, ctx, actions| {
            sa.delete_child(child, RemovalReason::Deleted, ctx, actions)
        });
        deleted.expect("it exists");
        for side in &order {
            arrive(&mut world, *side);
        }
        world.pass(Duration::from_secs(100));
        world.assert_consistent();
    }
}
