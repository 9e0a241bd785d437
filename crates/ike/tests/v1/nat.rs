//! NATs (RFC 3947 and its drafts).

use std::time::Duration;

use ike::{Nat, Path};

use crate::end::Event;
use crate::main_mode::{assert_up, bare};
use crate::policy::phase_one;
use crate::world::{Side, Translator, World};

fn translator() -> Translator {
    Translator {
        address: "203.0.113.9".parse().expect("an address"),
        port_shift: 10_000,
    }
}

fn assert_floated(world: &World, left: Nat, right: Nat) {
    assert_up(world);
    let (one, other) = (
        &world.left.sas[&world.left.only()],
        &world.right.sas[&world.right.only()],
    );
    assert_eq!((one.nat(), other.nat()), (left, right));
    assert!(one.path().encapsulated && other.path().encapsulated);
    assert_eq!(one.path().local.port(), 4500);
    assert_eq!(one.path().remote.port(), 4500);
    assert_eq!(other.path().local.port(), 4500);
}

const HERE: Nat = Nat {
    local: true,
    remote: false,
};
const THERE: Nat = Nat {
    local: false,
    remote: true,
};

#[test]
fn without_a_nat_everything_stays_on_port_500() {
    let mut world = bare();
    world.initiate();
    world.settle();
    assert_up(&world);
    assert!(world.sent.iter().all(|(_, sent)| sent.to.port() == 500));
    assert!(!world.left.sas[&world.left.only()].nat().any());
}

#[test]
fn an_initiator_behind_a_nat_moves_with_message_5() {
    let mut world = bare();
    world.nat = Some(translator());
    world.initiate();
    world.settle();
    assert_floated(&world, HERE, THERE);
    let ports: Vec<_> = world
        .sent
        .iter()
        .map(|(_, sent)| sent.encapsulated)
        .collect();
    assert_eq!(ports, [false, false, false, false, true, true]);
    let other = &world.right.sas[&world.right.only()];
    assert_eq!(other.path().remote.to_string(), "203.0.113.9:14500");
    assert!(world.right.established[0].peer_behind_nat);
    assert!(world.left.established[0].local_behind_nat);
    let moved = Event::Path(other.path());
    assert_eq!(world.right.events, [moved, Event::Established]);
}

#[test]
fn message_5_may_get_lost_behind_a_nat() {
    for lost in [4, 5] {
        let mut world = bare();
        world.nat = Some(translator());
        world.lose.insert(lost);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_floated(&world, HERE, THERE);
    }
}

#[test]
fn encapsulation_can_be_forced() {
    let (left, right) = phase_one(|connection| connection.force_encap = true);
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    let both = Nat {
        local: true,
        remote: true,
    };
    assert_floated(&world, both, both);
}

/// Lets the first `wanted` of the NAT traversal vendor IDs stand in message 1.
fn with_vendors(hidden: &[[u8; 4]]) -> World {
    let mut world = bare();
    world.nat = Some(translator());
    world.initiate();
    let message = &mut world.left.outbox[0].message;
    for start in hidden {
        let at = message
            .windows(4)
            .position(|octets| octets == start)
            .expect("a vendor ID");
        message[at] ^= 0xff;
    }
    world.settle();
    world
}

const RFC: [u8; 4] = [0x4a, 0x13, 0x1c, 0x81];
const DRAFT_03: [u8; 4] = [0x7d, 0x94, 0x19, 0xa6];
const DRAFT_02_NEWLINE: [u8; 4] = [0x90, 0xcb, 0x80, 0x91];
const DRAFT_02: [u8; 4] = [0xcd, 0x60, 0x46, 0x43];

#[test]
fn every_draft_works_as_well() {
    for hidden in [
        &[][..],
        &[RFC],
        &[RFC, DRAFT_03],
        &[RFC, DRAFT_03, DRAFT_02_NEWLINE],
    ] {
        let world = with_vendors(hidden);
        assert_floated(&world, HERE, THERE);
        let message_3 = &world.sent[2].1.message;
        // KE, NONCE, and then NAT-D under its number.
        let numbers = chain(message_3);
        let nat_d = if hidden.is_empty() { 20 } else { 130 };
        assert_eq!(numbers, [4, 10, nat_d, nat_d]);
    }
}

#[test]
fn a_peer_that_knows_no_nat_traversal_gets_no_nat_payloads() {
    let world = with_vendors(&[RFC, DRAFT_03, DRAFT_02_NEWLINE, DRAFT_02]);
    assert_up(&world);
    assert_eq!(chain(&world.sent[2].1.message), [4, 10]);
    assert_eq!(chain(&world.sent[3].1.message), [4, 10]);
    assert!(world.sent.iter().all(|(_, sent)| !sent.encapsulated));
}

/// The payload types of a message in the clear.
fn chain(message: &[u8]) -> Vec<u8> {
    let mut kinds = vec![];
    let (mut kind, mut at) = (message[16], 28);
    while kind != 0 {
        kinds.push(kind);
        kind = message[at];
        at += usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
    }
    kinds
}

#[test]
fn a_new_mapping_is_followed_by_the_end_that_has_no_nat() {
    let mut world = bare();
    world.nat = Some(translator());
    world.initiate();
    world.settle();
    let spi = world.right.only();
    let before = world.right.sas[&spi].path();
    let moved = Path {
        remote: "203.0.113.9:20000".parse().expect("an address"),
        ..before
    };
    let now = world.now;
    world
        .right
        .with(spi, now, |sa, _, actions| sa.follow(moved, actions));
    assert_eq!(world.right.sas[&spi].path(), moved);
    let spi = world.left.only();
    let before = world.left.sas[&spi].path();
    let elsewhere = Path {
        remote: "198.51.100.66:4500".parse().expect("an address"),
        ..before
    };
    world
        .left
        .with(spi, now, |sa, _, actions| sa.follow(elsewhere, actions));
    assert_eq!(
        world.left.sas[&spi].path(),
        before,
        "it may be an attacker's"
    );
}

#[test]
fn a_repeated_proof_from_elsewhere_moves_nothing() {
    let mut world = bare();
    world.nat = Some(translator());
    world.initiate();
    world.settle();
    let (side, mut proof) = world.sent[4].clone();
    assert_eq!(side, Side::Left);
    proof.from = "192.0.2.66:4500".parse().expect("an address");
    let spi = world.right.only();
    let before = world.right.sas[&spi].path();
    let now = world.now;
    world.right.receive(&proof, now);
    assert_eq!(world.right.sas[&spi].path(), before);
    assert!(
        world
            .right
            .outbox
            .iter()
            .all(|sent| sent.to == before.remote)
    );
}
