//! User authentication after phase 1 (draft-beaulieu-ike-xauth-02).

use std::time::Duration;

use ike::{CloseReason, Refusal};
use ipsec::{ConnectionPolicy, Identity, ModeConfig, PreSharedKey, Users, Xauth};

use crate::end::Event;
use crate::incidents::with_every_incident;
use crate::policy::{left_connection, right_connection, snapshot};
use crate::quick_mode::assert_one_pair;
use crate::world::{Side, World};

fn key(text: &str) -> PreSharedKey {
    PreSharedKey::new(text.as_bytes().to_vec())
}

/// The left end is a client that knows this password, the right one a server.
pub(crate) fn world(password: &str, change: impl Fn(Side, &mut ConnectionPolicy)) -> World {
    let (mut left, mut right) = (left_connection(), right_connection());
    left.v1.xauth = Some(Xauth::Client {
        user: "joe".into(),
        password: key(password),
    });
    right.v1.xauth = Some(Xauth::Server);
    change(Side::Left, &mut left);
    change(Side::Right, &mut right);
    let mut server = snapshot(right);
    server.users = [("joe", "hunter2"), ("ann", "swordfish")]
        .map(|(user, password)| (Box::from(user), key(password)))
        .into_iter()
        .collect::<Users>();
    World::with(snapshot(left), server)
}

#[test]
fn a_user_with_the_right_password_gets_in_whatever_happens_to_a_message() {
    with_every_incident(
        || world("hunter2", |_, _| {}),
        World::begin,
        |world, incident| {
            assert_one_pair(world);
            let peer = &world.right.established[0].peer;
            assert_eq!(*peer, Identity::KeyId((*b"joe").into()), "{incident:?}");
        },
    );
}

#[test]
fn a_wrong_password_is_asked_for_again_and_then_refused() {
    let mut world = world("hunter3", |_, _| {});
    world.initiate();
    world.pass(Duration::from_secs(5));
    let refused = Event::Refused(Refusal::AuthenticationFailed);
    let count = world.right.events.iter().filter(|event| **event == refused);
    assert_eq!(count.count(), 3, "three tries");
    let server = Event::Closed(CloseReason::AuthenticationFailed);
    assert!(world.right.has(&server), "{:?}", world.right.events);
    let client = Event::Closed(CloseReason::PeerRejectedAuthentication);
    assert!(world.left.has(&client), "{:?}", world.left.events);
    for end in [&world.left, &world.right] {
        end.assert_accounts_balance();
        assert!(end.established.is_empty(), "nobody was let in");
        assert!(end.children.is_empty());
    }
}

#[test]
fn no_quick_mode_before_the_user_is_known() {
    // The client is one that does not know of users: it begins at once.
    let mut world = world("hunter2", |side, connection| {
        if side == Side::Left {
            connection.v1.xauth = None;
            connection.v1.mode_config = ModeConfig::None;
        }
    });
    world.initiate();
    world.pass(Duration::from_secs(200));
    assert!(world.right.children.is_empty());
    assert!(world.right.established.is_empty());
    world.left.assert_accounts_balance();
    world.right.assert_accounts_balance();
    assert!(world.right.sas.is_empty(), "{:?}", world.right.events);
}

#[test]
fn a_client_that_is_never_asked_gives_up() {
    let mut world = world("hunter2", |side, connection| {
        if side == Side::Right {
            connection.v1.xauth = None;
        }
    });
    world.initiate();
    world.pass(Duration::from_secs(200));
    assert!(world.left.children.is_empty());
    world.left.assert_accounts_balance();
    world.right.assert_accounts_balance();
}

#[test]
fn a_password_is_not_on_the_wire() {
    let mut world = world("hunter2", |_, _| {});
    world.initiate();
    world.settle();
    assert_one_pair(&world);
    for (_, datagram) in &world.sent {
        let shown = datagram
            .message
            .windows(7)
            .any(|octets| octets == b"hunter2");
        assert!(!shown);
    }
}

#[test]
fn without_a_user_an_ike_sa_is_half_open() {
    let mut world = world("hunter2", |_, _| {});
    world.initiate();
    // Phase 1 takes six messages; the question for the user is the seventh.
    while world.sent.len() < 7 {
        let now = world.now;
        world.left.compute(now);
        world.right.compute(now);
        world.deliver(Side::Left);
        world.deliver(Side::Right);
    }
    world.deaf = Some(Side::Right);
    assert_eq!(world.right.door.half_open(), 1);
    world.pass(Duration::from_secs(300));
    assert_eq!(world.right.door.half_open(), 0, "given up");
    assert!(world.right.sas.is_empty());
    let mut world = self::world("hunter2", |_, _| {});
    world.initiate();
    world.settle();
    assert_one_pair(&world);
    assert_eq!(world.right.door.half_open(), 0);
}

#[test]
fn the_contact_of_a_user_is_told_when_the_user_is_known() {
    let mut world = world("hunter2", |_, connection| {
        connection.send_initial_contact = true
    });
    world.initiate();
    world.settle();
    let place = |event: &Event| world.right.events.iter().position(|other| other == event);
    let (contact, known) = (place(&Event::InitialContact), place(&Event::Established));
    assert!(contact.is_some() && known.is_some());
    let contacts = world.right.events.iter();
    assert_eq!(
        contacts
            .filter(|event| **event == Event::InitialContact)
            .count(),
        1
    );
}
