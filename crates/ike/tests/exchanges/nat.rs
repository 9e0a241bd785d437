//! Address translation: floating to port 4500, and following a peer whose mapping changes.

use std::time::Duration;

use ike::Path;
use ike::v2::{Nat, Probe};

use crate::end::Event;
use crate::policy::{left_connection, right_connection, snapshot};
use crate::world::{Side, Translator, World};

fn translator(port_shift: u16) -> Option<Translator> {
    Some(Translator {
        address: "203.0.113.5".parse().expect("an address"),
        port_shift,
    })
}

fn translated() -> World {
    let mut world = World::new();
    world.nat = translator(20_000);
    world.establish()
}

#[test]
fn behind_a_nat_everything_moves_to_4500() {
    let world = translated();
    world.assert_consistent();
    let (left, right) = (
        &world.left.sas[&world.left.only()],
        &world.right.sas[&world.right.only()],
    );
    assert_eq!(
        left.nat(),
        Nat {
            local: true,
            remote: false
        }
    );
    assert_eq!(
        right.nat(),
        Nat {
            local: false,
            remote: true
        }
    );
    assert_eq!(left.path().local.port(), 4500);
    assert_eq!(left.path().remote.port(), 4500);
    let seen = Path {
        local: "198.51.100.1:4500".parse().expect("an address"),
        remote: "203.0.113.5:24500".parse().expect("an address"),
        encapsulated: true,
        fvrf: ipsec::FrontVrf::GLOBAL,
    };
    assert_eq!(right.path(), seen);
    assert!(world.left.children.values().all(|child| child.encapsulated));
    let established = &world.right.established[0];
    assert!(established.peer_behind_nat && !established.local_behind_nat);
}

#[test]
fn without_a_nat_nothing_moves() {
    let world = World::established();
    let left = &world.left.sas[&world.left.only()];
    assert_eq!(left.nat(), Nat::default());
    assert_eq!(left.path(), World::path());
    assert!(
        world
            .left
            .children
            .values()
            .all(|child| !child.encapsulated)
    );
}

#[test]
fn encapsulation_can_be_forced() {
    for forced in [Side::Left, Side::Right] {
        let (mut left, mut right) = (left_connection(), right_connection());
        match forced {
            Side::Left => left.force_encap = true,
            Side::Right => right.force_encap = true,
        }
        let mut world = World::with(snapshot(left), snapshot(right));
        world.initiate();
        world.settle();
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 1);
        assert!(world.left.children.values().all(|child| child.encapsulated));
        assert!(world.right.sas[&world.right.only()].path().encapsulated);
    }
}

#[test]
fn the_float_survives_loss() {
    for lost in 0..4 {
        let mut world = World::new();
        world.nat = translator(20_000);
        world.lose.insert(lost);
        world.initiate();
        world.pass(Duration::from_secs(3));
        world.assert_consistent();
        assert_eq!(world.left.children.len(), 1);
    }
}

#[test]
fn a_changed_mapping_is_followed_once_the_peer_proves_itself() {
    let mut world = translated();
    world.nat = translator(30_000);
    let (spi, now) = (world.left.only(), world.now);
    let probe = world
        .left
        .with(spi, now, |sa, ctx, actions| sa.probe(ctx, actions));
    assert_eq!(probe, Probe::Sent);
    world.settle();
    let path = world.right.sas[&world.right.only()].path();
    assert_eq!(path.remote.port(), 34_500);
    assert!(world.right.has(&Event::Path(path)));
    assert!(
        !world.left.sas[&spi].request_outstanding(),
        "answered there"
    );
}

#[test]
fn a_repetition_from_elsewhere_moves_nothing() {
    let mut world = translated();
    let (spi, now) = (world.left.only(), world.now);
    world
        .left
        .with(spi, now, |sa, ctx, actions| sa.probe(ctx, actions));
    let mut captured = world.left.outbox[0].clone();
    world.settle();
    let before = world.right.sas[&world.right.only()].path();
    captured.from = "203.0.113.66:4500".parse().expect("an address");
    captured.to = "198.51.100.1:4500".parse().expect("an address");
    world.right.receive(&captured, now);
    assert_eq!(world.right.sas[&world.right.only()].path(), before);
}

#[test]
fn who_is_behind_a_nat_itself_follows_nobody() {
    let mut world = translated();
    let (spi, now) = (world.right.only(), world.now);
    world
        .right
        .with(spi, now, |sa, ctx, actions| sa.probe(ctx, actions));
    let mut request = world.right.outbox.remove(0);
    request.from = "198.51.100.77:4500".parse().expect("an address");
    request.to = "192.0.2.1:4500".parse().expect("an address");
    world.left.receive(&request, now);
    let left = world.left.only();
    assert_eq!(
        world.left.sas[&left].path().remote,
        "198.51.100.1:4500".parse().unwrap()
    );
    // Only the answer to this one request goes where the request came from.
    assert_eq!(world.left.outbox[0].to, request.from);
}

#[test]
fn esp_from_another_port_is_followed_too() {
    let mut world = translated();
    let (spi, now) = (world.right.only(), world.now);
    let mut path = world.right.sas[&spi].path();
    path.remote.set_port(4_711);
    world
        .right
        .with(spi, now, |sa, _, actions| sa.follow(path, actions));
    assert_eq!(world.right.events, [Event::Path(path)]);
}

#[test]
fn a_first_message_on_4500_stays_there() {
    let mut world = World::new();
    let mut path = World::path();
    path.local.set_port(4500);
    path.remote.set_port(4500);
    path.encapsulated = true;
    let now = world.now;
    world.left.initiate(path, now);
    world.settle();
    world.assert_consistent();
    assert_eq!(world.left.sas[&world.left.only()].path(), path);
    assert!(world.left.children.values().all(|child| child.encapsulated));
}
