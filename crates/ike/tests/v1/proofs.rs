//! Who may come in: secrets and identities.

use std::time::Duration;

use ike::{CloseReason, Received, Refusal, Rejection};
use ipsec::{IdentityPattern, PolicySnapshot, PreSharedKey, SecretEntry};

use crate::end::Event;
use crate::main_mode::{assert_up, bare};
use crate::policy::{change, email, fqdn, phase_one, secret};
use crate::world::{Side, World};

fn owned(owners: &[&str], key: &str) -> SecretEntry {
    SecretEntry {
        fvrf: None,
        owners: owners
            .iter()
            .map(|owner| owner.parse().expect("an owner"))
            .collect(),
        key: PreSharedKey::new(key.as_bytes().to_vec()),
    }
}

fn with_secrets(left: Vec<SecretEntry>, right: Vec<SecretEntry>) -> World {
    let (mine, theirs) = phase_one(|_| {});
    let (left, right) = (
        PolicySnapshot {
            secrets: left.into(),
            ..mine
        },
        PolicySnapshot {
            secrets: right.into(),
            ..theirs
        },
    );
    World::with(left, right)
}

#[test]
fn another_secret_gives_rubbish_and_both_wait_until_their_time_is_over() {
    let mut world = with_secrets(vec![secret("one")], vec![secret("another")]);
    world.initiate();
    world.settle();
    assert!(
        matches!(
            world.right.received.last(),
            Some(Received::Rejected(
                Rejection::Undecipherable | Rejection::HashMismatch
            ))
        ),
        "{:?}",
        world.right.received
    );
    assert!(world.right.events.is_empty(), "nothing is decided yet");
    world.pass(Duration::from_secs(200));
    let failed = Event::Closed(CloseReason::AuthenticationFailed);
    assert_eq!(world.right.events, [failed]);
    assert_eq!(
        world.left.events,
        [Event::Closed(CloseReason::Unresponsive)]
    );
    assert!(world.left.established.is_empty() && world.right.established.is_empty());
    world.assert_consistent();
}

#[test]
fn the_secret_is_found_by_address_and_mask() {
    let keys = |wrong: &str| {
        vec![
            owned(&["192.0.0.0/8"], wrong),
            owned(&["192.0.2.0/24", "198.51.100.1"], "right"),
            owned(&["somebody@example.org"], wrong),
        ]
    };
    let mut world = with_secrets(keys("a"), keys("b"));
    world.initiate();
    world.settle();
    assert_up(&world);
}

#[test]
fn without_a_secret_nothing_begins() {
    let mut world = with_secrets(
        vec![secret("one")],
        vec![owned(&["eve@example.org"], "one")],
    );
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.received,
        [Received::Rejected(Rejection::NoSharedSecret)]
    );
    assert_eq!(world.right.door.half_open(), 0);
    let mut world = with_secrets(
        vec![owned(&["eve@example.org"], "one")],
        vec![secret("one")],
    );
    world.initiate();
    world.settle();
    assert_eq!(
        world.left.events,
        [Event::Closed(CloseReason::NoSharedSecret)]
    );
}

#[test]
fn a_stranger_with_the_secret_is_told_and_refused() {
    let (left, mut right) = phase_one(|_| {});
    change(&mut right, |connection| {
        connection.remote_id = IdentityPattern::Exact(email("somebody@example.net"));
    });
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.events,
        [
            Event::Refused(Refusal::AuthenticationFailed),
            Event::Closed(CloseReason::AuthenticationFailed)
        ]
    );
    let rejected = Event::Closed(CloseReason::PeerRejectedAuthentication);
    assert_eq!(world.left.events, [rejected]);
    world.assert_consistent();
}

#[test]
fn a_responder_with_another_name_is_not_the_one_wanted() {
    let (left, mut right) = phase_one(|_| {});
    change(&mut right, |connection| {
        connection.local_id = Some(fqdn("wrong.example.org"));
    });
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.left.events,
        [
            Event::Refused(Refusal::AuthenticationFailed),
            Event::Closed(CloseReason::AuthenticationFailed)
        ]
    );
    assert!(world.left.established.is_empty());
}

#[test]
fn the_name_decides_among_connections_and_may_not_change_the_secret() {
    let (left, right) = phase_one(|_| {});
    let base = (*right.connections[0]).clone();
    let named = |name: &str, id: &str| {
        let mut connection = base.clone();
        connection.name = name.into();
        connection.remote_id = IdentityPattern::Exact(email(id));
        std::sync::Arc::new(connection)
    };
    let connections = ipsec::Connections::from(vec![
        named("other", "other@example.org"),
        named("mine", crate::policy::LEFT_ID),
    ]);
    let shared = PolicySnapshot {
        connections: connections.clone(),
        ..right.clone()
    };
    let mut world = World::with(left.clone(), shared);
    world.initiate();
    world.settle();
    assert_up(&world);
    assert_eq!(&*world.right.established[0].connection.name, "mine");
    // A secret of its own for the other name: whoever used it is not this peer.
    let apart = PolicySnapshot {
        connections,
        secrets: vec![
            owned(&["other@example.org"], "the other's"),
            secret("a secret between two ends"),
        ]
        .into(),
        ..right
    };
    let thief = PolicySnapshot {
        secrets: vec![secret("the other's")].into(),
        ..left
    };
    let mut world = World::with(thief, apart);
    world.initiate();
    world.settle();
    assert!(world.right.established.is_empty());
    assert!(world.left.established.is_empty());
}

#[test]
fn nobody_can_end_a_handshake_from_outside() {
    let mut world = bare();
    world.initiate();
    for from in [Side::Left, Side::Right, Side::Left, Side::Right] {
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
    }
    // Errors that nothing protects, for each end.
    for side in [Side::Left, Side::Right] {
        let mut notify = genuine.clone();
        notify.message.truncate(20);
        notify.message[16..20].copy_from_slice(&[11, 0x10, 5, 0]);
        notify.message.extend([0, 0, 0, 7, 0, 0, 0, 40]);
        notify
            .message
            .extend([0, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, 24]);
        world.end(side).receive(&notify, now);
        assert_eq!(
            world.end(side).received.last(),
            Some(&Received::Unauthenticated)
        );
    }
    world.pass(Duration::from_secs(2));
    assert_up(&world);
    // And none of it moves an established one.
    let now = world.now;
    let mut notify = genuine;
    notify.message.truncate(20);
    notify.message[16..20].copy_from_slice(&[12, 0x10, 5, 0]);
    notify.message.extend([0, 0, 0, 7, 0, 0, 0, 40]);
    notify.message.extend([0, 0, 0, 12, 0, 0, 0, 1, 3, 4, 0, 0]);
    world.right.receive(&notify, now);
    assert_eq!(
        world.right.received.last(),
        Some(&Received::Rejected(Rejection::Unprotected))
    );
}
