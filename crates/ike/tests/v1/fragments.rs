//! Cisco's fragmentation.

use std::time::Duration;

use ike::{Received, Rejection};

use crate::main_mode::{assert_up, bare};
use crate::policy::{phase_one, phase_one_each};
use crate::world::{Side, World};

fn small() -> World {
    let (left, right) = phase_one(|connection| connection.fragment_size = 160);
    World::with(left, right)
}

#[test]
fn long_messages_go_in_pieces() {
    let mut world = small();
    world.initiate();
    world.settle();
    assert_up(&world);
    let pieces = world
        .sent
        .iter()
        .filter(|(_, sent)| sent.message[16] == 132);
    assert!(pieces.clone().count() >= 4, "{}", pieces.count());
    // The first two come before both know.
    for (_, sent) in &world.sent[2..] {
        assert!(sent.message.len() <= 160 - 28, "{}", sent.message.len());
    }
    assert!(world.left.received.contains(&Received::Fragment));
}

#[test]
fn every_piece_may_get_lost_or_come_twice() {
    let mut whole = small();
    whole.initiate();
    whole.settle();
    for number in 2..whole.sent.len() {
        let mut world = small();
        world.lose.insert(number);
        world.initiate();
        world.pass(Duration::from_secs(5));
        assert_up(&world);
        let mut world = small();
        world.repeat.insert(number);
        world.initiate();
        world.settle();
        assert_up(&world);
    }
}

#[test]
fn pieces_may_come_in_any_order() {
    let mut world = small();
    world.initiate();
    loop {
        while world.left.compute(world.now) | world.right.compute(world.now) {}
        if world.left.outbox.is_empty() && world.right.outbox.is_empty() {
            break;
        }
        world.left.outbox.reverse();
        world.right.outbox.reverse();
        world.deliver(Side::Left);
        world.deliver(Side::Right);
    }
    assert_up(&world);
}

#[test]
fn nobody_is_sent_pieces_who_did_not_ask_for_them() {
    for (left, right) in [(true, false), (false, true)] {
        let (left, right) = phase_one_each(
            |connection| {
                connection.fragment_size = 160;
                connection.fragmentation = left;
            },
            |connection| {
                connection.fragment_size = 160;
                connection.fragmentation = right;
            },
        );
        let mut world = World::with(left, right);
        world.initiate();
        world.settle();
        assert_up(&world);
        assert_eq!(world.sent.len(), 6, "all of them whole");
    }
}

#[test]
fn forged_pieces_fill_nothing() {
    let mut world = small();
    world.initiate();
    for from in [Side::Left, Side::Right] {
        world.deliver(from);
        while world.left.compute(world.now) | world.right.compute(world.now) {}
    }
    let piece = world.left.outbox[0].clone();
    assert_eq!(piece.message[16], 132);
    let now = world.now;
    for id in 0..=255 {
        for number in [1, 2, 32, 33, 255] {
            let mut forged = piece.clone();
            // Fragment ID, number, flags.
            forged.message[33] = id;
            forged.message[32] = 0x77;
            forged.message[34] = number;
            forged.message[35] = 0;
            world.right.receive(&forged, now);
        }
    }
    let limit = Received::Rejected(Rejection::FragmentLimit);
    assert!(world.right.received.contains(&limit));
    world.pass(Duration::from_secs(5));
    assert_up(&world);
}

#[test]
fn whole_messages_of_a_peer_that_could_fragment_are_fine() {
    let mut world = bare();
    world.initiate();
    world.settle();
    assert_up(&world);
    assert_eq!(world.sent.len(), 6);
}
