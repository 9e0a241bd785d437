//! Cookies, other groups, limits: everything before there are keys.

use std::time::Duration;

use crypto::KeyExchangeMethod;
use ike::v2::Received;
use ike::{CloseReason, Refusal, Rejection};

use crate::end::Event;
use crate::policy::{left_connection, right_connection, snapshot};
use crate::world::{Side, World};

fn rejected(world: &World, rejection: Rejection) -> bool {
    world
        .right
        .received
        .contains(&Received::Rejected(rejection))
}

#[test]
fn above_the_threshold_a_cookie_comes_before_any_state() {
    let mut world = World::new();
    world.right.settings.cookie_threshold = 0;
    world.initiate();
    while world.right.outbox.is_empty() {
        world.left.compute(world.now);
        world.deliver(Side::Left);
    }
    assert!(world.right.sas.is_empty() && world.right.jobs.is_empty());
    assert!(rejected(&world, Rejection::CookieRequired));
    let (request, challenge) = (&world.sent[0].1.message, &world.right.outbox[0].message);
    assert!(challenge.len() < request.len(), "nothing is amplified");
    world.settle();
    world.assert_consistent();
    assert_eq!(world.left.children.len(), 1);
}

#[test]
fn cookies_survive_loss_and_repetition() {
    for number in 0..6 {
        let mut world = World::new();
        world.right.settings.cookie_threshold_prefix = 0;
        if number % 2 == 0 {
            world.lose.insert(number);
        } else {
            world.repeat.insert(number);
        }
        world.initiate();
        world.pass(Duration::from_secs(3));
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 1, "{number}");
    }
}

/// Of two copies of a request one meets a responder that wants cookies and the other one that does not any more. The initiator
/// goes on with the one that has the cookie, and signs that.
#[test]
fn a_copy_that_comes_in_without_the_cookie_does_not_spoil_the_one_with_it() {
    for late_copies in 0..3 {
        let mut world = World::new();
        world.right.settings.cookie_threshold = 0;
        world.initiate();
        while world.sent.len() < 2 {
            world.left.compute(world.now);
            world.deliver(Side::Left);
            world.deliver(Side::Right);
        }
        let (plain, returned) = (world.sent[0].1.clone(), world.left.outbox.remove(0));
        world.right.settings.cookie_threshold = 100;
        let now = world.now;
        world.right.receive(&plain, now);
        assert_eq!(world.right.sas.len(), 1, "let in without the cookie");
        world.right.receive(&returned, now);
        for _ in 0..late_copies {
            world.right.receive(&plain, now);
        }
        assert!(!rejected(&world, Rejection::RetransmissionChanged));
        world.settle();
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 1, "{late_copies}");
    }
}

#[test]
fn a_cookie_of_another_address_is_not_ours() {
    let mut world = World::new();
    world.right.settings.cookie_threshold = 0;
    world.initiate();
    while world.sent.len() < 2 {
        world.left.compute(world.now);
        world.deliver(Side::Left);
        world.deliver(Side::Right);
    }
    // The second request, with the cookie, comes from elsewhere.
    let mut request = world.left.outbox.remove(0);
    request.from = "203.0.113.9:500".parse().expect("an address");
    let now = world.now;
    world.right.receive(&request, now);
    assert!(rejected(&world, Rejection::CookieInvalid));
    assert!(world.right.sas.is_empty());
}

#[test]
fn half_open_sas_are_bounded() {
    let mut world = World::new();
    world.right.settings.half_open_prefix_max = 2;
    world.right.hold_jobs = true;
    for _ in 0..3 {
        world.initiate();
    }
    world.settle();
    assert_eq!(world.right.sas.len(), 2);
    assert!(rejected(&world, Rejection::HalfOpenPrefixLimit));
    world.right.hold_jobs = false;
    world.pass(Duration::from_secs(5));
    assert_eq!(world.right.children.len(), 3, "the third came in later");
}

#[test]
fn another_group_is_asked_for_and_taken_if_it_was_offered() {
    let mut right = right_connection();
    right.proposals[0].key_exchange = vec![KeyExchangeMethod::EcpP256];
    for lost in [None, Some(0), Some(1), Some(2), Some(3)] {
        let mut world = World::with(snapshot(left_connection()), snapshot(right.clone()));
        world.lose.extend(lost);
        world.initiate();
        world.pass(Duration::from_secs(3));
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 1);
        assert!(world.right.has(&Event::Refused(Refusal::InvalidKe)));
        let suite = world.left.sas[&world.left.only()].suite().expect("keys");
        assert_eq!(suite.key_exchange, KeyExchangeMethod::EcpP256);
    }
}

#[test]
fn a_group_that_was_not_offered_is_a_downgrade() {
    let mut world = World::new();
    world.initiate();
    while world.right.outbox.is_empty() {
        world.left.compute(world.now);
        world.right.compute(world.now);
        world.deliver(Side::Left);
    }
    // Somebody on the path answers first: N(INVALID_KE_PAYLOAD) for MODP 1024.
    let mut forged = world.right.outbox[0].clone();
    forged.message.truncate(28);
    forged.message[8..16].fill(0);
    forged.message[16] = 41;
    forged.message[24..28].copy_from_slice(&38u32.to_be_bytes());
    forged.message.extend([0, 0, 0, 10, 0, 0, 0, 17, 0, 2]);
    let now = world.now;
    world.left.receive(&forged, now);
    assert!(world.left.has(&Event::Closed(CloseReason::InvalidKe)));
    assert!(world.left.sas.is_empty());
}

#[test]
fn nothing_in_common_is_said_at_once() {
    let mut right = right_connection();
    right.proposals[0].prf = vec![crypto::PrfAlgorithm::HmacSha512];
    let mut world = World::with(snapshot(left_connection()), snapshot(right));
    world.initiate();
    world.settle();
    assert!(
        world
            .left
            .has(&Event::Closed(CloseReason::NoProposalChosen))
    );
    assert!(world.right.has(&Event::Refused(Refusal::NoProposalChosen)));
    world.assert_consistent();
}

#[test]
fn refusals_have_a_rate() {
    let mut right = right_connection();
    right.proposals[0].prf = vec![crypto::PrfAlgorithm::HmacSha512];
    let mut world = World::with(snapshot(left_connection()), snapshot(right));
    world.right.settings.refusals_per_second = 3;
    for _ in 0..10 {
        world.initiate();
    }
    world.settle();
    let answered = world.sent.iter().filter(|(from, _)| *from == Side::Right);
    assert_eq!(answered.count(), 3);
    assert!(rejected(&world, Rejection::RefusalLimit));
}

#[test]
fn a_newer_version_is_told_ours_and_an_older_one_nothing() {
    let mut world = World::new();
    world.initiate();
    world.left.compute(world.now);
    let mut request = world.left.outbox.remove(0);
    let now = world.now;
    request.message[17] = 0x30;
    world.right.receive(&request, now);
    assert_eq!(world.right.outbox.len(), 1);
    assert_eq!(world.right.outbox[0].message[17], 0x20);
    assert!(
        world
            .right
            .has(&Event::Refused(Refusal::InvalidMajorVersion))
    );
    request.message[17] = 0x10;
    world.right.receive(&request, now);
    assert_eq!(world.right.outbox.len(), 1, "no further answer");
    assert!(world.right.sas.is_empty());
}

#[test]
fn addresses_without_a_connection_hear_nothing() {
    let mut right = right_connection();
    right.remote_sources = vec![(
        "10.0.0.0".parse().expect("an address"),
        "10.255.255.255".parse().expect("an address"),
    )];
    let mut world = World::with(snapshot(left_connection()), snapshot(right));
    world.initiate();
    world.settle();
    assert_eq!(world.sent.len(), 1);
    assert!(rejected(&world, Rejection::NoConnection));
}

#[test]
fn a_changed_repetition_is_not_believed() {
    let mut world = World::new();
    world.initiate();
    world.left.compute(world.now);
    let request = world.left.outbox[0].clone();
    world.deliver(Side::Left);
    let mut changed = request;
    let last = changed.message.len() - 9;
    changed.message[last] ^= 1;
    let now = world.now;
    for _ in 0..2 {
        world.right.receive(&changed, now);
        world.right.compute(now);
    }
    assert!(rejected(&world, Rejection::RetransmissionChanged));
    world.settle();
    assert_eq!(world.left.children.len(), 1, "the first one counts");
}

#[test]
fn a_broken_public_value_ends_the_half_open_sa() {
    let mut world = World::new();
    world.initiate();
    world.left.compute(world.now);
    let mut request = world.left.outbox.remove(0);
    // The X25519 value of all zeros has low order (RFC 8031 §3).
    let start = request
        .message
        .windows(6)
        .position(|octets| octets == [0, 40, 0, 31, 0, 0])
        .expect("a KE payload of group 31");
    request.message[start + 6..start + 38].fill(0);
    let now = world.now;
    world.right.receive(&request, now);
    world.right.compute(now);
    assert!(world.right.has(&Event::Closed(CloseReason::InvalidKe)));
    assert_eq!(world.right.door.half_open(), 0);
    world.right.assert_accounts_balance();
}

#[test]
fn a_cookie_stays_good_for_another_group() {
    let mut right = right_connection();
    right.proposals[0].key_exchange = vec![KeyExchangeMethod::EcpP256];
    let mut world = World::with(snapshot(left_connection()), snapshot(right));
    world.right.settings.cookie_threshold = 0;
    world.initiate();
    world.settle();
    world.assert_consistent();
    assert_eq!(world.left.children.len(), 1);
    let challenges =
        |received: &&Received| **received == Received::Rejected(Rejection::CookieRequired);
    assert_eq!(world.right.received.iter().filter(challenges).count(), 1);
}

#[test]
fn garbled_and_truncated_first_messages_never_make_more_than_a_half_open_sa() {
    let mut world = World::new();
    world.initiate();
    world.left.compute(world.now);
    let request = world.left.outbox.remove(0);
    let now = world.now;
    for length in 0..request.message.len() {
        let mut short = request.clone();
        short.message.truncate(length);
        world.right.receive(&short, now);
    }
    assert!(
        world.right.sas.is_empty(),
        "a truncated message is malformed"
    );
    for index in 0..request.message.len() {
        let mut garbled = request.clone();
        garbled.message[index] ^= 1 << (index % 8);
        world.right.receive(&garbled, now);
        while world.right.compute(now) {}
    }
    world.right.outbox.clear();
    assert!(world.right.established.is_empty() && world.right.children.is_empty());
    world.pass(Duration::from_secs(31));
    assert!(world.right.sas.is_empty());
    assert_eq!(world.right.door.half_open(), 0);
    world.right.assert_accounts_balance();
}

#[test]
fn a_flood_of_first_messages_is_bounded_and_leaves_the_established_alone() {
    let mut world = World::established();
    world.right.settings.half_open_prefix_max = 100;
    world.right.settings.half_open_max = 150;
    world.right.settings.cookie_threshold_prefix = 1_000;
    world.right.settings.cookie_threshold = 1_000;
    world.right.hold_jobs = true;
    world.initiate();
    world.left.compute(world.now);
    let request = world.left.outbox.remove(0);
    let now = world.now;
    for number in 0..1_000u16 {
        let mut other = request.clone();
        other.message[..2].copy_from_slice(&number.to_be_bytes());
        let source = format!("203.0.{}.9:500", number % 2);
        other.from = source.parse().expect("an address");
        world.right.receive(&other, now);
    }
    assert_eq!(world.right.door.half_open(), 150);
    assert!(
        rejected(&world, Rejection::HalfOpenPrefixLimit)
            || rejected(&world, Rejection::HalfOpenLimit)
    );
    world.right.jobs.clear();
    world.left.jobs.clear();
    assert_eq!(world.right.children.len(), 1);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.right.door.half_open(), 0, "all timed out");
    assert_eq!(world.right.sas.len(), 1, "the established one stands");
}
