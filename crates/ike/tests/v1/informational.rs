//! Deletes, notifies and lies about them.

use std::time::Duration;

use ike::{CloseReason, Received, Rejection, RemovalReason};

use crate::end::Event;
use crate::incidents::SIDES;
use crate::quick_mode::{assert_one_pair, create_child, world_with};
use crate::world::{Side, World};

#[test]
fn a_delete_takes_the_child_sa_away_at_both_ends() {
    for side in SIDES {
        let mut world = World::established();
        create_child(&mut world, Side::Left, 1);
        world.settle();
        let now = world.now;
        let end = world.end(side);
        let child = end.first_child();
        end.command(now, |sa, ctx, actions| {
            sa.delete_child(child, RemovalReason::Deleted, ctx, actions)
        })
        .expect("it exists");
        world.settle();
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 1, "the other stays");
        let by_peer =
            |event: &Event| matches!(event, Event::Removed(_, RemovalReason::PeerDeleted));
        assert!(world.end(side.other()).events.iter().any(by_peer));
    }
}

#[test]
fn deleting_the_ike_sa_takes_everything_away_at_both_ends() {
    for side in SIDES {
        let mut world = World::established();
        let now = world.now;
        world.end(side).command(now, |sa, ctx, actions| {
            sa.delete_ike(CloseReason::Deleted, ctx, actions);
        });
        world.settle();
        for end in [&world.left, &world.right] {
            end.assert_accounts_balance();
            assert!(end.sas.is_empty() && end.children.is_empty());
        }
        let closed = Event::Closed(CloseReason::PeerDeleted);
        assert!(world.end(side.other()).has(&closed));
    }
}

#[test]
fn a_silent_close_says_nothing() {
    let mut world = World::established();
    let now = world.now;
    world.left.command(now, |sa, ctx, actions| {
        sa.close(CloseReason::Dropped, true, ctx, actions);
    });
    assert!(world.left.outbox.is_empty());
    world.left.assert_accounts_balance();
}

#[test]
fn a_recorded_delete_does_nothing_to_what_came_later() {
    let mut world = World::established();
    let now = world.now;
    let child = world.left.first_child();
    world
        .left
        .command(now, |sa, ctx, actions| {
            sa.delete_child(child, RemovalReason::Deleted, ctx, actions)
        })
        .expect("it exists");
    world.settle();
    let delete = world.sent.first().cloned().expect("the delete");
    create_child(&mut world, Side::Left, 0);
    world.settle();
    assert_one_pair(&world);
    world.right.received.clear();
    world.replay(delete.0, &delete.1);
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::MessageIdReused)]
    );
    assert_one_pair(&world);
}

#[test]
fn initial_contact_is_told_once_to_the_owner() {
    let mut world = world_with(|_, connection| connection.send_initial_contact = true);
    world.initiate();
    world.settle();
    let told = |event: &&Event| **event == Event::InitialContact;
    assert_eq!(world.right.events.iter().filter(told).count(), 1);
    assert_eq!(world.left.events.iter().filter(told).count(), 0);
    world.pass(Duration::from_secs(10));
    assert_one_pair(&world);
}

#[test]
fn child_sas_wait_for_a_successor_of_an_ike_sa_that_the_peer_deletes_alone() {
    let mut world = World::established();
    let now = world.now;
    // The first message deletes the Child SA, the second the IKE SA.
    world.lose.insert(0);
    world.left.command(now, |sa, ctx, actions| {
        sa.delete_ike(CloseReason::Deleted, ctx, actions);
    });
    world.settle();
    assert!(world.right.has(&Event::DeletedByPeer));
    assert_eq!(world.right.children.len(), 1);
    world.pass(Duration::from_secs(29));
    assert_eq!(world.right.children.len(), 1);
    world.pass(Duration::from_secs(2));
    let over = Event::Closed(CloseReason::PeerDeleted);
    assert!(world.right.has(&over), "{:?}", world.right.events);
    world.right.assert_accounts_balance();
    assert!(world.right.children.is_empty());
}
