//! Puzzles (RFC 8019): work before anything is kept for a newcomer.

use std::time::Duration;

use crypto::Entropy as _;
use ike::Rejection;
use ike::v2::Received;
use wire::ikev2::{Header, Notify, NotifyType, Payload, encode_message};

use crate::end::Datagram;
use crate::world::{Side, World};

/// A responder that asks everybody for eight zero bits.
fn under_attack() -> World {
    let mut world = World::new();
    let settings = &mut world.right.settings;
    settings.puzzle_threshold = 0;
    settings.puzzle_bits = 8;
    settings.puzzle_bits_max = 8;
    world
}

fn rejections(world: &World, rejection: Rejection) -> usize {
    let rejected = Received::Rejected(rejection);
    world
        .right
        .received
        .iter()
        .filter(|received| **received == rejected)
        .count()
}

/// The initiator's second request, in which it returns the cookie; it has not arrived yet.
fn second_request(world: &mut World) -> Datagram {
    world.initiate();
    while world.sent.len() < 2 {
        world.left.compute(world.now);
        world.deliver(Side::Left);
        world.deliver(Side::Right);
    }
    world.left.compute(world.now);
    world.left.outbox.remove(0)
}

#[test]
fn whoever_does_the_work_comes_in() {
    for seed in 0..8 {
        let mut world = under_attack();
        if seed % 2 == 0 {
            world.repeat.insert(seed);
        } else {
            world.lose.insert(seed);
        }
        world.initiate();
        world.pass(Duration::from_secs(3));
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 1, "{seed}");
        assert!(rejections(&world, Rejection::PuzzleRequired) > 0);
        assert_eq!(rejections(&world, Rejection::PuzzleUnsolved), 0);
    }
}

#[test]
fn a_puzzle_is_shorter_than_the_request_and_nothing_is_kept_for_it() {
    let mut world = under_attack();
    world.initiate();
    while world.right.outbox.is_empty() {
        world.left.compute(world.now);
        world.deliver(Side::Left);
    }
    assert!(world.right.sas.is_empty() && world.right.jobs.is_empty());
    let (request, puzzle) = (&world.sent[0].1.message, &world.right.outbox[0].message);
    assert!(puzzle.len() < request.len(), "nothing is amplified");
}

#[test]
fn less_work_than_was_asked_for_is_not_enough() {
    let mut world = under_attack();
    let mut solved = second_request(&mut world);
    // The first of the four keys stands after the cookie's payload: header, N(COOKIE) with 18 octets, header of PS.
    let key = 28 + 8 + 18 + 4;
    assert_eq!(solved.message[28], 54, "PS follows the cookie");
    solved.message[key] ^= 0x40;
    let now = world.now;
    world.right.receive(&solved, now);
    assert_eq!(rejections(&world, Rejection::PuzzleWrong), 1);
    assert!(world.right.sas.is_empty());
}

#[test]
fn who_knows_no_puzzles_comes_in_by_lot() {
    let (mut came_in, mut turned_away) = (0, 0);
    for seconds in 1..=24 {
        let mut world = under_attack();
        world.left.settings.puzzle_bits_accepted = 0;
        world.now += Duration::from_secs(seconds);
        // Draws of the right end differ from world to world.
        for _ in 0..seconds {
            world.right.entropy.next_u32();
        }
        world.initiate();
        world.pass(Duration::from_secs(60));
        came_in += world.left.children.len();
        turned_away += rejections(&world, Rejection::PuzzleUnsolved);
    }
    // Half of the lots win, and there are eight in a minute.
    assert!(came_in >= 20, "{came_in} of 24");
    assert!(turned_away > 0, "every first lot won");
}

#[test]
fn a_puzzle_without_a_cookie_is_ignored() {
    let mut world = under_attack();
    world.initiate();
    while world.right.outbox.is_empty() {
        world.left.compute(world.now);
        world.deliver(Side::Left);
    }
    let mut forged = world.right.outbox[0].clone();
    let header = Header::parse(&forged.message).expect("a header");
    let puzzle = Payload::Notify(Notify {
        protocol: 0,
        spi: &[],
        kind: NotifyType::PUZZLE,
        data: &[0, 5, 8],
    });
    forged.message = encode_message(&header, &[puzzle]);
    let now = world.now;
    world.left.receive(&forged, now);
    let malformed = Received::Rejected(Rejection::Malformed);
    assert!(world.left.received.contains(&malformed));
    world.settle();
    assert_eq!(world.left.children.len(), 1, "the true answer still counts");
}

#[test]
fn a_puzzle_beyond_our_bounds_is_not_taken_on() {
    let mut world = under_attack();
    world.left.settings.puzzle_bits_accepted = 7;
    let answer = second_request(&mut world);
    assert_eq!(answer.message[28], 33, "the cookie, and then the proposals");
}
