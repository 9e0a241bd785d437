//! First messages from anywhere: little state, short, and never more octets out than in.

use std::net::SocketAddr;
use std::time::Duration;

use ike::{Received, Rejection};
use ipsec::{PreSharedKey, Xauth};

use crate::end::Datagram;
use crate::main_mode::{assert_up, bare};
use crate::policy::{phase_one, phase_one_each};
use crate::world::World;

/// The first message of the left end.
fn first_message(world: &mut World) -> Datagram {
    world.initiate();
    world.left.outbox.remove(0)
}

/// The same with another cookie, from another address.
fn from_elsewhere(first: &Datagram, number: u32) -> Datagram {
    let mut other = first.clone();
    other.message[..4].copy_from_slice(&number.to_be_bytes());
    let [a, b, c, _] = number.to_be_bytes().map(|octet| octet.max(1));
    other.from = SocketAddr::from(([100, a, b, c], 500));
    other
}

#[test]
fn a_hundred_thousand_forged_messages_are_bounded() {
    let mut world = bare();
    let first = first_message(&mut world);
    let limit = world.right.settings.cookie_threshold;
    let (mut octets_in, mut octets_out) = (0, 0);
    for number in 0..100_000 {
        let forged = from_elsewhere(&first, number << 8);
        octets_in += forged.message.len();
        let now = world.now;
        world.right.receive(&forged, now);
        octets_out += world
            .right
            .outbox
            .drain(..)
            .map(|sent| sent.message.len())
            .sum::<usize>();
        assert!(world.right.door.half_open() <= limit);
    }
    assert_eq!(world.right.door.half_open(), limit);
    assert_eq!(world.right.sas.len(), limit);
    assert!(octets_out <= octets_in);
    assert!(
        world
            .right
            .received
            .contains(&Received::Rejected(Rejection::HalfOpenLimit))
    );
    assert!(world.right.jobs.is_empty(), "nothing is computed for them");
    world.right.received.clear();
    world.pass(Duration::from_secs(11));
    assert_eq!(world.right.door.half_open(), 0, "a short time");
    world.right.assert_accounts_balance();
}

#[test]
fn one_prefix_does_not_take_the_place_of_all() {
    let mut world = bare();
    let first = first_message(&mut world);
    for number in 0..1_000_u32 {
        let mut forged = from_elsewhere(&first, number);
        forged.from = SocketAddr::from((
            [100, 1, 1, 7],
            1_000 + u16::try_from(number).expect("small"),
        ));
        let now = world.now;
        world.right.receive(&forged, now);
    }
    let limit = world.right.settings.cookie_threshold_prefix;
    assert_eq!(world.right.door.half_open(), limit);
    assert!(
        world
            .right
            .received
            .contains(&Received::Rejected(Rejection::HalfOpenPrefixLimit))
    );
    world.left.outbox.push(first);
    world.right.outbox.clear();
    world.settle();
    assert_eq!(world.right.established.len(), 1);
}

#[test]
fn who_returns_our_cookie_makes_room_for_the_next() {
    let mut world = bare();
    world.right.settings.cookie_threshold = 1;
    let first = first_message(&mut world);
    let now = world.now;
    world.right.hold_jobs = true;
    world.left.outbox.push(first.clone());
    world.deliver(crate::world::Side::Left);
    world.right.receive(&from_elsewhere(&first, 5 << 8), now);
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::HalfOpenLimit)]
    );
    world.settle();
    world.right.receive(&from_elsewhere(&first, 6 << 8), now);
    assert_eq!(world.right.door.half_open(), 2);
}

#[test]
fn repetitions_are_answered_seldom_and_with_the_same() {
    let mut world = bare();
    let first = first_message(&mut world);
    for _ in 0..100 {
        let now = world.now;
        world.right.receive(&first, now);
    }
    assert_eq!(world.right.outbox.len(), 2, "the answer, and one again");
    assert_eq!(world.right.outbox[0], world.right.outbox[1]);
    assert_eq!(world.right.door.half_open(), 1);
    assert!(world.right.outbox[0].message.len() <= first.message.len());
    // It never speaks unasked.
    world.right.outbox.clear();
    world.deaf = Some(crate::world::Side::Right);
    world.left.outbox.clear();
    for _ in 0..9 {
        world.now += Duration::from_secs(1);
        let now = world.now;
        world.right.fire(now);
    }
    assert!(world.right.outbox.is_empty());
}

#[test]
fn what_is_announced_gives_way_before_the_answer_grows() {
    let client = Xauth::Client {
        user: "joe".into(),
        password: PreSharedKey::new(b"hunter2".to_vec()),
    };
    let (left, right) = phase_one_each(
        |connection| connection.v1.xauth = Some(client.clone()),
        |connection| connection.v1.xauth = Some(Xauth::Server),
    );
    let mut world = World::with(left, right);
    let first = first_message(&mut world);
    // The vendor IDs from the end, one after the other, until only SA is left.
    let mut ends = vec![];
    let (mut kind, mut at) = (first.message[16], 28);
    while kind != 0 {
        ends.push(at);
        kind = first.message[at];
        at += usize::from(u16::from_be_bytes([
            first.message[at + 2],
            first.message[at + 3],
        ]));
    }
    for (index, end) in ends.iter().enumerate().skip(1) {
        let mut cut = from_elsewhere(&first, u32::try_from(index).expect("small") << 8);
        cut.message.truncate(*end);
        let last = ends[index - 1];
        cut.message[last] = 0;
        let length = u32::try_from(*end).expect("small").to_be_bytes();
        cut.message[24..28].copy_from_slice(&length);
        let now = world.now;
        world.right.receive(&cut, now);
        let answer = world.right.outbox.pop().expect("an answer");
        assert!(
            answer.message.len() <= cut.message.len(),
            "{} for {}",
            answer.message.len(),
            cut.message.len()
        );
    }
}

#[test]
fn nonsense_is_dropped_and_counted() {
    let mut world = bare();
    let first = first_message(&mut world);
    let now = world.now;
    let expect = |world: &mut World, change: &dyn Fn(&mut Vec<u8>), reason: Rejection| {
        let mut bent = first.clone();
        change(&mut bent.message);
        world.right.receive(&bent, now);
        let last = world.right.received.last();
        assert_eq!(last, Some(&Received::Rejected(reason)));
    };
    expect(&mut world, &|m| m[..8].fill(0), Rejection::UnknownSpi);
    expect(&mut world, &|m| m[8] = 1, Rejection::UnknownSpi);
    expect(&mut world, &|m| m[18] = 1, Rejection::UnknownSpi);
    expect(&mut world, &|m| m[19] = 1, Rejection::UnexpectedExchange);
    expect(&mut world, &|m| m[23] = 1, Rejection::UnexpectedExchange);
    expect(&mut world, &|m| m[27] ^= 1, Rejection::Malformed);
    expect(&mut world, &|m| m[16] = 13, Rejection::Malformed);
    expect(&mut world, &|m| m.truncate(27), Rejection::Malformed);
    expect(&mut world, &|m| m[35] = 2, Rejection::Malformed);
    assert_eq!(world.right.door.half_open(), 0);
    world.left.outbox.push(first);
    world.settle();
    assert_up(&world);
}

#[test]
fn a_connection_of_the_other_version_is_none() {
    let (left, mut right) = phase_one(|_| {});
    crate::policy::change(&mut right, |connection| {
        connection.versions = ipsec::Versions::V2;
    });
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::NoConnection)]
    );
    assert_eq!(world.sent.len(), 1);
}
