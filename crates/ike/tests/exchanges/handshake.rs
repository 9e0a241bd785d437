//! IKE_SA_INIT and IKE_AUTH without incident, and with loss, repetition and delay.

use std::time::Duration;

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod as Method, PrfAlgorithm};
use ike::v2::Received;
use ike::{CloseReason, Rejection};

use crate::end::Event;
use crate::policy::{left_connection, right_connection, snapshot};
use crate::world::{Side, World};

/// Datagrams of a handshake without incident.
const HANDSHAKE: usize = 4;

fn assert_up(world: &World) {
    world.assert_consistent();
    assert_eq!(world.left.children.len(), 1, "{:?}", world.left.events);
    assert_eq!(world.right.established.len(), 1);
    assert_eq!(world.left.established.len(), 1);
    assert_eq!(world.right.door.half_open(), 0, "no longer half-open");
}

#[test]
fn two_round_trips_make_an_ike_sa_and_a_child_sa() {
    let mut world = World::new();
    world.initiate();
    world.settle();
    assert_eq!(world.sent.len(), HANDSHAKE);
    assert_up(&world);
    let proofs = |end: &crate::end::End| end.received.clone();
    assert_eq!(
        proofs(&world.left),
        [
            Received::Unauthenticated,
            Received::FreshResponse { liveness: false }
        ],
    );
    assert_eq!(
        proofs(&world.right),
        [Received::FreshRequest { liveness: false }]
    );
}

#[test]
fn every_message_may_get_lost() {
    for lost in 0..HANDSHAKE {
        let mut world = World::new();
        world.lose.insert(lost);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn every_message_may_come_twice() {
    for repeated in 0..HANDSHAKE {
        let mut world = World::new();
        world.repeat.insert(repeated);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn every_message_may_come_again_when_all_is_done() {
    let mut world = World::new();
    world.initiate();
    world.settle();
    let record = world.sent.clone();
    for (from, datagram) in record {
        let now = world.now;
        let to = world.end(from.other());
        to.received.clear();
        to.receive(&datagram, now);
        let proof = to.received.iter().any(|received| {
            matches!(
                received,
                Received::FreshRequest { .. } | Received::FreshResponse { .. }
            )
        });
        assert!(!proof, "a repetition proves nothing: {:?}", to.received);
    }
    assert_eq!(world.left.children.len(), 1);
    assert_eq!(world.left.established.len(), 1);
    assert_eq!(world.right.established.len(), 1);
}

#[test]
fn a_silent_responder_is_given_up() {
    let mut world = World::new();
    world.deaf = Some(Side::Right);
    world.initiate();
    world.pass(Duration::from_secs(120));
    assert!(world.left.has(&Event::Closed(CloseReason::Unresponsive)));
    let gaps = world.left.settings.retransmits_max;
    assert_eq!(world.sent.len(), 1 + usize::from(gaps));
    let first = &world.sent[0].1;
    let same = |(_, again): &(Side, crate::end::Datagram)| again == first;
    assert!(world.sent.iter().all(same), "bit-identical");
    world.assert_consistent();
}

#[test]
fn a_silent_initiator_leaves_no_half_open_sa_behind() {
    let mut world = World::new();
    world.initiate();
    world.lose.extend(2..100);
    world.pass(Duration::from_secs(29));
    assert_eq!(world.right.door.half_open(), 1);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.right.door.half_open(), 0);
    assert!(
        world
            .right
            .has(&Event::Closed(CloseReason::HalfOpenTimeout))
    );
    world.right.assert_accounts_balance();
}

#[test]
fn a_responder_that_is_computing_starts_nothing_twice() {
    let mut world = World::new();
    world.right.hold_jobs = true;
    world.initiate();
    world.pass(Duration::from_secs(4));
    assert_eq!(
        world.right.jobs.len(),
        1,
        "one computation for all repetitions"
    );
    assert!(world.right.received.len() >= 2);
    let busy = |received: &Received| *received == Received::Rejected(Rejection::Busy);
    assert!(world.right.received.iter().all(busy));
    world.right.hold_jobs = false;
    world.pass(Duration::from_secs(1));
    assert_up(&world);
}

#[test]
fn late_results_of_a_computation_meet_nobody() {
    let mut world = World::new();
    world.right.hold_jobs = true;
    world.initiate();
    world.settle();
    world.left.hold_jobs = true;
    world.pass(Duration::from_secs(11));
    assert!(world.right.has(&Event::Closed(CloseReason::Exhausted)));
    world.right.hold_jobs = false;
    world.settle();
    world.right.assert_accounts_balance();
}

#[test]
fn each_cipher_and_group_makes_a_handshake() {
    let aead = [
        EncryptionAlgorithm::Aes128Gcm16,
        EncryptionAlgorithm::Aes192Gcm16,
        EncryptionAlgorithm::Aes256Gcm16,
        EncryptionAlgorithm::ChaCha20Poly1305,
    ];
    let classic = [
        (
            EncryptionAlgorithm::Aes128Cbc,
            IntegrityAlgorithm::HmacSha1_96,
        ),
        (
            EncryptionAlgorithm::Aes256Cbc,
            IntegrityAlgorithm::HmacSha256_128,
        ),
        (
            EncryptionAlgorithm::Aes128Cbc,
            IntegrityAlgorithm::HmacSha384_192,
        ),
        (
            EncryptionAlgorithm::Aes256Cbc,
            IntegrityAlgorithm::HmacSha512_256,
        ),
        (
            EncryptionAlgorithm::Aes192Cbc,
            IntegrityAlgorithm::HmacSha256_128,
        ),
        (
            EncryptionAlgorithm::TripleDesCbc,
            IntegrityAlgorithm::HmacSha1_96,
        ),
    ];
    let protections = aead
        .map(|encryption| (encryption, None))
        .into_iter()
        .chain(classic.map(|(encryption, integrity)| (encryption, Some(integrity))));
    let prfs = [
        PrfAlgorithm::HmacSha1,
        PrfAlgorithm::HmacSha256,
        PrfAlgorithm::HmacSha384,
        PrfAlgorithm::HmacSha512,
    ];
    let methods = [
        Method::X25519,
        Method::EcpP256,
        Method::EcpP384,
        Method::Modp2048,
        Method::Modp1024,
        Method::Modp1536,
    ];
    for (index, (encryption, integrity)) in protections.enumerate() {
        let tune = |mut connection: ipsec::ConnectionPolicy| {
            let proposal = &mut connection.proposals[0];
            proposal.encryption = vec![encryption];
            proposal.integrity = integrity.into_iter().collect();
            proposal.prf = vec![prfs[index % prfs.len()]];
            proposal.key_exchange = vec![methods[index % methods.len()]];
            let esp = &mut connection.children[0].proposals[0];
            esp.encryption = vec![encryption];
            esp.integrity = integrity.into_iter().collect();
            esp.esn = vec![index % 2 == 0];
            snapshot(connection)
        };
        let mut world = World::with(tune(left_connection()), tune(right_connection()));
        world.initiate();
        world.settle();
        assert_up(&world);
    }
}

#[test]
fn long_messages_go_in_fragments_of_which_any_may_get_lost() {
    let tune = |mut connection: ipsec::ConnectionPolicy| {
        connection.fragment_size = 200;
        snapshot(connection)
    };
    let fragmented = || World::with(tune(left_connection()), tune(right_connection()));
    let mut world = fragmented();
    world.initiate();
    world.settle();
    assert_up(&world);
    let datagrams = world.sent.len();
    assert!(datagrams > HANDSHAKE, "{datagrams}");
    for lost in 0..datagrams {
        let mut world = fragmented();
        world.lose.insert(lost);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn fragments_need_both_ends() {
    let mut left = left_connection();
    left.fragmentation = false;
    let mut right = right_connection();
    right.fragment_size = 200;
    let mut world = World::with(snapshot(left), snapshot(right));
    world.initiate();
    world.settle();
    assert_up(&world);
    assert_eq!(world.sent.len(), HANDSHAKE);
}

#[test]
fn a_lost_computation_ends_the_handshake_and_the_next_request_begins_anew() {
    let mut world = World::new();
    world.right.hold_jobs = true;
    world.initiate();
    world.settle();
    world.right.jobs.clear();
    world.pass(Duration::from_secs(11));
    assert!(world.right.has(&Event::Closed(CloseReason::Exhausted)));
    world.right.hold_jobs = false;
    world.pass(Duration::from_secs(10));
    assert_up(&world);
}

#[test]
fn an_initiator_does_not_wait_for_ever_for_its_own_computation() {
    let mut world = World::new();
    world.left.hold_jobs = true;
    world.initiate();
    world.left.jobs.clear();
    world.pass(Duration::from_secs(11));
    assert!(world.left.has(&Event::Closed(CloseReason::Exhausted)));
    world.assert_consistent();
}

#[test]
fn addresses_may_be_of_ipv6() {
    let mut world = World::new();
    let path = ike::Path {
        local: "[2001:db8::1]:500".parse().expect("an address"),
        remote: "[2001:db8:1::1]:500".parse().expect("an address"),
        encapsulated: false,
        fvrf: ipsec::FrontVrf::GLOBAL,
    };
    let now = world.now;
    world.left.initiate(path, now);
    world.settle();
    assert_up(&world);
    assert_eq!(world.left.sas[&world.left.only()].path(), path);
}

/// Without an address of its own in the configuration, an end learns it from the answer, and its
/// identity with it.
#[test]
fn an_initiator_learns_its_address_from_the_answer() {
    let (mut left, mut right) = (left_connection(), right_connection());
    left.local_id = None;
    right.remote_id = "192.0.2.1".parse().expect("an identity");
    let mut world = World::with(snapshot(left), snapshot(right));
    let mut path = World::path();
    path.local = "0.0.0.0:500".parse().expect("an address");
    let spi = world.left.initiate(path, world.now);
    world.settle();
    assert_up(&world);
    assert_eq!(
        world.left.sas[&spi].path().local.ip(),
        World::path().local.ip()
    );
}
