//! Who may come in, and what the first Child SA needs.

use std::sync::Arc;
use std::time::Duration;

use ike::{ChildFailure, CloseReason, Refusal};
use ipsec::{ConnectionPolicy, Identity, IdentityPattern, SecretEntry};

use crate::end::Event;
use crate::policy::{
    LEFT_ID, RIGHT_ID, email, fqdn, left_connection, prefix, right_connection, secret, snapshot,
};
use crate::world::World;

fn with_right(change: impl FnOnce(&mut ConnectionPolicy)) -> World {
    let mut right = right_connection();
    change(&mut right);
    World::with(snapshot(left_connection()), snapshot(right))
}

fn with_left(change: impl FnOnce(&mut ConnectionPolicy)) -> World {
    let mut left = left_connection();
    change(&mut left);
    World::with(snapshot(left), snapshot(right_connection()))
}

fn run(mut world: World) -> World {
    world.initiate();
    world.pass(Duration::from_secs(5));
    world
}

fn assert_refused(world: &World) {
    world.assert_consistent();
    assert!(
        world
            .left
            .has(&Event::Closed(CloseReason::PeerRejectedAuthentication)),
        "{:?}",
        world.left.events
    );
    assert!(
        world
            .right
            .has(&Event::Closed(CloseReason::AuthenticationFailed))
    );
    assert!(
        world
            .right
            .has(&Event::Refused(Refusal::AuthenticationFailed))
    );
    assert!(world.right.established.is_empty() && world.left.established.is_empty());
    assert_eq!(world.right.door.half_open(), 0);
}

#[test]
fn a_wrong_secret_is_refused() {
    let mut world = World::new();
    world.right.policy.secrets = vec![secret("another")].into();
    assert_refused(&run(world));
}

#[test]
fn no_secret_and_no_connection_look_the_same_from_outside() {
    let mut world = World::new();
    world.right.policy.secrets = Vec::new().into();
    let without_secret = run(world);
    assert_refused(&without_secret);
    let stranger = run(with_right(|right| {
        right.remote_id = IdentityPattern::Exact(email("somebody@example.net"));
    }));
    assert_refused(&stranger);
    let mut wrong = World::new();
    wrong.right.policy.secrets = vec![secret("another")].into();
    let wrong = run(wrong);
    let shape = |world: &World| -> Vec<usize> {
        let lengths = world.sent.iter();
        lengths
            .map(|(_, datagram)| datagram.message.len())
            .collect()
    };
    assert_eq!(shape(&without_secret), shape(&stranger));
    assert_eq!(shape(&wrong), shape(&stranger));
}

#[test]
fn the_responder_must_be_whom_we_want() {
    let mut world = with_right(|right| right.local_id = None);
    world.left.policy.connections = vec![Arc::new(ConnectionPolicy {
        remote_id: IdentityPattern::Exact(fqdn("other.example.org")),
        ..left_connection()
    })]
    .into();
    // Without an identity of its own the responder answers to the name that it was asked for, which
    // proves nothing without the secret of that name.
    let named = |owner: &str| SecretEntry {
        fvrf: None,
        owners: vec![IdentityPattern::Exact(fqdn(owner))],
        ..secret(owner)
    };
    world.left.policy.secrets = vec![named("other.example.org")].into();
    world.right.policy.secrets = vec![named(RIGHT_ID)].into();
    assert_refused(&run(world));
}

#[test]
fn a_responder_with_a_wrong_identity_is_rejected_by_the_initiator() {
    let world = run(with_left(|left| {
        left.remote_id = IdentityPattern::FqdnGlob("*.example.net".into());
    }));
    assert!(
        world
            .left
            .has(&Event::Closed(CloseReason::AuthenticationFailed))
    );
    assert!(
        world
            .right
            .has(&Event::Closed(CloseReason::PeerRejectedAuthentication)),
        "the responder is told"
    );
    assert!(world.left.established.is_empty());
    assert!(world.left.children.is_empty() && world.right.children.is_empty());
    world.assert_consistent();
}

#[test]
fn the_connection_follows_the_identity() {
    let mut world = World::new();
    let other = ConnectionPolicy {
        name: "everybody".into(),
        remote_id: IdentityPattern::Any,
        children: vec![],
        ..right_connection()
    };
    let special = ConnectionPolicy {
        name: "special".into(),
        remote_id: IdentityPattern::Exact(email(LEFT_ID)),
        ..right_connection()
    };
    world.right.policy.connections = vec![Arc::new(other), Arc::new(special)].into();
    let world = run(world);
    assert_eq!(&*world.right.established[0].connection.name, "special");
    assert_eq!(world.right.children.len(), 1);
}

#[test]
fn every_kind_of_identity_authenticates() {
    for (identity, pattern) in [
        (Identity::Ipv4("192.0.2.1".parse().unwrap()), "192.0.2.0/24"),
        (
            Identity::Ipv6("2001:db8::1".parse().unwrap()),
            "2001:db8::/32",
        ),
        (fqdn("road7.example.org"), "*.example.org"),
        (email("joe@example.org"), "*@example.org"),
        (Identity::KeyId((*b"joe-7").into()), "keyid:joe*"),
    ] {
        let mut left = left_connection();
        left.local_id = Some(identity.clone());
        let mut right = right_connection();
        right.remote_id = pattern.parse().expect("a pattern");
        let world = run(World::with(snapshot(left), snapshot(right)));
        world.assert_consistent();
        assert_eq!(world.right.established[0].peer, identity);
        assert_eq!(world.left.established[0].peer, fqdn(RIGHT_ID));
    }
}

#[test]
fn initial_contact_is_passed_on_when_it_is_said() {
    let world = run(with_left(|left| left.send_initial_contact = true));
    assert!(world.right.has(&Event::InitialContact));
    let world = run(World::new());
    assert!(!world.right.has(&Event::InitialContact));
}

#[test]
fn the_ike_sa_stands_without_its_first_child() {
    let proposal = run(with_right(|right| {
        for child in &mut right.children {
            child.proposals[0].encryption = vec![crypto::EncryptionAlgorithm::Aes128Gcm16];
        }
    }));
    let selectors = run(with_right(|right| {
        right.children = vec![crate::policy::child(
            "elsewhere",
            prefix("10.99.0.0", 16),
            prefix("10.98.0.0", 16),
        )];
    }));
    let mut full = World::new();
    full.right.owner.spi_limit = Some(0);
    let full = run(full);
    for (world, failure, refusal) in [
        (
            proposal,
            ChildFailure::NoProposalChosen,
            Refusal::NoProposalChosen,
        ),
        (
            selectors,
            ChildFailure::TsUnacceptable,
            Refusal::TsUnacceptable,
        ),
        (
            full,
            ChildFailure::NoAdditionalSas,
            Refusal::NoAdditionalSas,
        ),
    ] {
        world.assert_consistent();
        assert!(
            world.left.has(&Event::ChildFailed(failure)),
            "{:?}",
            world.left.events
        );
        assert!(world.right.has(&Event::Refused(refusal)));
        assert_eq!((world.left.sas.len(), world.right.sas.len()), (1, 1));
        assert!(world.left.sas.values().all(|sa| sa.is_established()));
    }
}

fn road_warrior() -> (ConnectionPolicy, ConnectionPolicy) {
    let mut left = left_connection();
    left.request_virtual = (true, false);
    left.children[0].local_ts = vec![];
    let mut right = right_connection();
    right.pools = vec!["road".into()];
    right.children[0].remote_ts = vec![];
    (left, right)
}

#[test]
fn a_virtual_address_is_leased_and_narrows_the_selectors() {
    let (left, right) = road_warrior();
    let mut world = World::with(snapshot(left), snapshot(right));
    let address = "10.3.0.7".parse().expect("an address");
    world.right.owner.free_addresses = vec![address];
    let mut world = run(world);
    world.assert_consistent();
    assert_eq!(world.left.established[0].addresses, [address]);
    assert_eq!(world.left.established[0].dns.len(), 1);
    assert_eq!(world.right.established[0].leases[0].address, address);
    let child = world.right.children.values().next().expect("one");
    assert_eq!(child.selectors.remote(), [prefix("10.3.0.7", 32)]);
    assert_eq!(world.right.owner.leases.len(), 1);

    let spi = world.right.only();
    let now = world.now;
    world.right.with(spi, now, |sa, ctx, actions| {
        sa.delete_ike(CloseReason::Deleted, ctx, actions);
    });
    world.settle();
    assert!(world.right.owner.leases.is_empty(), "given back");
    world.assert_consistent();
}

#[test]
fn an_empty_pool_refuses_the_child_only() {
    let (left, right) = road_warrior();
    let world = run(World::with(snapshot(left), snapshot(right)));
    world.assert_consistent();
    assert!(
        world
            .left
            .has(&Event::ChildFailed(ChildFailure::AddressFailure))
    );
    assert!(
        world
            .right
            .has(&Event::Refused(Refusal::InternalAddressFailure))
    );
    assert_eq!(world.left.sas.len(), 1);
}

#[test]
fn who_does_not_ask_for_an_address_is_told_to() {
    let (mut left, right) = road_warrior();
    left.request_virtual = (false, false);
    left.children[0].local_ts = vec![prefix("10.1.0.0", 16)];
    let mut world = World::with(snapshot(left), snapshot(right));
    world.right.owner.free_addresses = vec!["10.3.0.7".parse().expect("an address")];
    let world = run(world);
    assert!(world.right.has(&Event::Refused(Refusal::FailedCpRequired)));
    world.assert_consistent();
}

#[test]
fn algorithms_must_be_those_of_the_connection_that_the_identity_selects() {
    let mut world = World::new();
    let strict = ConnectionPolicy {
        name: "strict".into(),
        remote_id: IdentityPattern::Exact(email(LEFT_ID)),
        proposals: vec![ipsec::IkeProposal {
            prf: vec![crypto::PrfAlgorithm::HmacSha512],
            ..crate::policy::ike_proposal()
        }],
        ..right_connection()
    };
    let lenient = ConnectionPolicy {
        remote_id: IdentityPattern::Any,
        ..right_connection()
    };
    world.right.policy.connections = vec![Arc::new(strict), Arc::new(lenient)].into();
    assert_refused(&run(world));
}
