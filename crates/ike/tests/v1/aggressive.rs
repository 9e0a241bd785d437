//! Aggressive mode, where it is allowed and where it is not.

use std::time::Duration;

use ike::{CloseReason, Nat, Received, Rejection};
use ipsec::{ConnectionPolicy, IdentityPattern, PolicySnapshot};

use crate::end::Event;
use crate::main_mode::assert_up;
use crate::policy::{change, email, phase_one, phase_one_each, secret};
use crate::world::{Side, Translator, World};

const MESSAGES: usize = 3;

fn allow(connection: &mut ConnectionPolicy) {
    connection.v1.aggressive = true;
}

fn allowed() -> World {
    let (left, right) = phase_one(allow);
    World::with(left, right)
}

#[test]
fn three_messages_make_an_ike_sa() {
    let mut world = allowed();
    world.initiate();
    world.settle();
    assert_eq!(world.sent.len(), MESSAGES);
    assert_up(&world);
    assert!(world.sent[1].1.message.len() <= world.sent[0].1.message.len());
    let request = Received::FreshRequest { liveness: false };
    assert_eq!(world.right.received, [request]);
    assert_eq!(world.left.received, [Received::Unauthenticated]);
}

#[test]
fn it_is_refused_without_a_word_unless_it_is_allowed() {
    let (left, right) = phase_one_each(allow, |_| {});
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::AggressiveMode)]
    );
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.right.door.half_open(), 0);
}

#[test]
fn main_mode_is_still_answered_where_it_is_allowed() {
    let (left, right) = phase_one_each(|_| {}, allow);
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_up(&world);
    assert_eq!(world.sent.len(), 6);
}

#[test]
fn every_message_may_get_lost_or_come_twice() {
    for number in 0..MESSAGES {
        let mut world = allowed();
        world.lose.insert(number);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
        let mut world = allowed();
        world.repeat.insert(number);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn the_last_message_is_repeated_until_something_comes_back() {
    let mut world = allowed();
    world.lose.insert(2);
    world.initiate();
    world.settle();
    assert_eq!(world.left.established.len(), 1);
    assert_eq!(world.right.established.len(), 0);
    world.pass(Duration::from_millis(600));
    assert_up(&world);
    world.pass(Duration::from_secs(300));
    let again = usize::from(world.left.settings.retransmits_max);
    assert!(world.sent.len() <= MESSAGES + again, "{}", world.sent.len());
    assert_up(&world);
}

#[test]
fn another_secret_is_noticed_by_the_initiator_first() {
    let (left, right) = phase_one(allow);
    let left = PolicySnapshot {
        secrets: vec![secret("one")].into(),
        ..left
    };
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    let failed = Event::Closed(CloseReason::AuthenticationFailed);
    assert_eq!(world.left.events, [failed]);
    world.pass(Duration::from_secs(40));
    let timeout = Event::Closed(CloseReason::HalfOpenTimeout);
    assert_eq!(world.right.events, [timeout]);
    world.assert_consistent();
}

#[test]
fn a_forged_last_message_changes_nothing() {
    let mut world = allowed();
    world.initiate();
    for from in [Side::Left, Side::Right] {
        while world.left.compute(world.now) | world.right.compute(world.now) {}
        world.deliver(from);
    }
    while world.left.compute(world.now) | world.right.compute(world.now) {}
    let genuine = world.left.outbox[0].clone();
    let now = world.now;
    for fill in 0..50 {
        let mut forged = genuine.clone();
        forged.message[28..].fill(fill);
        world.right.receive(&forged, now);
        // In the clear, with a hash of the right length.
        forged.message[16] = 8;
        forged.message[19] = 0;
        forged.message.truncate(28);
        forged.message.extend([0, 0, 0, 36]);
        forged.message.extend([fill; 32]);
        forged.message[27] = 64;
        world.right.receive(&forged, now);
    }
    assert!(world.right.established.is_empty());
    let mismatch = Received::Rejected(Rejection::HashMismatch);
    assert!(world.right.received.contains(&mismatch));
    world.settle();
    assert_up(&world);
}

#[test]
fn the_name_decides_who_is_answered() {
    let (left, mut right) = phase_one(allow);
    change(&mut right, |connection| {
        connection.remote_id = IdentityPattern::Exact(email("somebody@example.net"));
    });
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::IdentityUnwanted)]
    );
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn an_answer_from_somebody_else_is_not_believed() {
    let (left, mut right) = phase_one(allow);
    change(&mut right, |connection| {
        connection.local_id = Some(email("wrong@example.org"));
    });
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    let unwanted = Received::Rejected(Rejection::IdentityUnwanted);
    assert_eq!(world.left.received, [unwanted]);
    world.pass(Duration::from_secs(200));
    let failed = Event::Closed(CloseReason::AuthenticationFailed);
    assert!(world.left.has(&failed), "{:?}", world.left.events);
}

#[test]
fn both_ends_find_a_nat() {
    let mut world = allowed();
    world.nat = Some(Translator {
        address: "203.0.113.9".parse().expect("an address"),
        port_shift: 10_000,
    });
    world.initiate();
    world.settle();
    assert_up(&world);
    let (left, right) = (
        &world.left.sas[&world.left.only()],
        &world.right.sas[&world.right.only()],
    );
    let here = Nat {
        local: true,
        remote: false,
    };
    let there = Nat {
        local: false,
        remote: true,
    };
    assert_eq!((left.nat(), right.nat()), (here, there));
    assert!(world.sent[2].1.encapsulated);
    assert_eq!(right.path().remote.to_string(), "203.0.113.9:14500");
}

#[test]
fn the_last_message_may_come_in_the_clear() {
    // RFC 2409 §5.4 leaves it to the initiator. What the hash covers is the same.
    let mut world = allowed();
    world.initiate();
    world.settle();
    assert_up(&world);
    let encrypted = &world.sent[2].1.message;
    assert_eq!(encrypted[19] & 1, 1, "ours is encrypted");
}

#[test]
fn under_pressure_nobody_is_given_a_key_exchange_for_nothing() {
    let mut world = allowed();
    world.right.settings.cookie_threshold = 0;
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::HalfOpenLimit)]
    );
    assert!(world.right.jobs.is_empty());
}

#[test]
fn first_contact_may_come_with_the_last_message() {
    let (left, right) = phase_one(|connection| {
        allow(connection);
        connection.send_initial_contact = true;
    });
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.events,
        [Event::InitialContact, Event::Established]
    );
}

#[test]
fn the_answer_is_never_longer_than_the_question() {
    use crypto::PrfAlgorithm as Hash;
    for hash in [Hash::HmacSha1, Hash::HmacSha256, Hash::HmacSha512] {
        for id in [
            "a@example.org",
            "a.rather.long.name.of.somebody@example.org",
        ] {
            let (left, right) = phase_one(|connection| {
                allow(connection);
                connection.proposals[0].prf = vec![hash];
            });
            let (mut left, right) = (left, right);
            change(&mut left, |connection| {
                connection.local_id = Some(email(id))
            });
            let mut world = World::with(left, right);
            world.initiate();
            world.settle();
            assert_eq!(world.sent.len(), MESSAGES, "{hash:?} {id}");
            let (asked, answered) = (&world.sent[0].1.message, &world.sent[1].1.message);
            assert!(answered.len() <= asked.len(), "{hash:?} {id}");
        }
    }
}

#[test]
fn without_room_for_the_hash_there_is_no_answer() {
    let (left, mut right) = phase_one(allow);
    let long = "x".repeat(200);
    change(&mut right, |connection| {
        connection.local_id = Some(email(&format!("{long}@example.org")));
    });
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::WouldAmplify)]
    );
    assert_eq!((world.sent.len(), world.right.jobs.len()), (1, 0));
}

#[test]
fn one_connection_that_allows_it_allows_it_for_no_other() {
    let (left, right) = phase_one_each(allow, |_| {});
    let mut open = (*right.connections[0]).clone();
    allow(&mut open);
    open.remote_id = IdentityPattern::Exact(email("somebody@example.net"));
    let mut right = right;
    let both = right.connections.iter().cloned();
    right.connections = both.chain([std::sync::Arc::new(open)]).collect();
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::AggressiveMode)]
    );
}
