//! Authentication by certificate, and everything that must not pass for it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use authority::{Authority, Issued, KeyKind, Wanted};
use crypto::{Credential, Revocation, TrustAnchors, UnixTime};
use ike::{CloseReason, Refusal};
use ipsec::{AuthPolicy, ConnectionPolicy, Identity, IdentityPattern};

use crate::end::Event;
use crate::policy::{LEFT_ID, RIGHT_ID, email, left_connection, right_connection, snapshot};
use crate::world::{Side, World};

/// What the certificates of these stories come from.
struct Estate {
    root: Authority,
    middle: Authority,
    stranger: Authority,
}

static ESTATE: LazyLock<Estate> = LazyLock::new(|| {
    let root = Authority::root("Root", KeyKind::EcdsaP256).unwrap();
    Estate {
        middle: root.below("Middle", KeyKind::EcdsaP256).unwrap(),
        stranger: Authority::root("Root", KeyKind::EcdsaP256).unwrap(),
        root,
    }
});

fn left(key: KeyKind) -> Wanted<'static> {
    Wanted {
        key,
        name: "left",
        emails: &[LEFT_ID],
        ..Wanted::default()
    }
}

fn right(key: KeyKind) -> Wanted<'static> {
    Wanted {
        key,
        name: "right",
        dns: &[RIGHT_ID],
        ..Wanted::default()
    }
}

fn issue(wanted: &Wanted<'_>) -> Issued {
    ESTATE.root.issue(wanted).unwrap()
}

fn by(issued: &Issued) -> AuthPolicy<Credential> {
    let chain = issued.certificate.as_bytes();
    let credential = Credential::from_pem(chain, issued.key.as_bytes()).unwrap();
    AuthPolicy::Certificate(Arc::new(credential))
}

fn trusting(authority: &Authority) -> AuthPolicy<TrustAnchors> {
    let mut anchors = TrustAnchors::new(Revocation::Relaxed);
    let pem = authority.certificate().as_bytes();
    anchors.add_certificates(pem).unwrap();
    AuthPolicy::Certificate(Arc::new(anchors))
}

fn certified(connection: ConnectionPolicy, own: AuthPolicy<Credential>) -> ConnectionPolicy {
    ConnectionPolicy {
        local_auth: own,
        remote_auth: trusting(&ESTATE.root),
        ..connection
    }
}

/// Two ends with good certificates, before something is changed at either.
fn world(change: impl FnOnce(&mut ConnectionPolicy, &mut ConnectionPolicy)) -> World {
    let key = KeyKind::EcdsaP256;
    let mut left = certified(left_connection(), by(&issue(&left(key))));
    let mut right = certified(right_connection(), by(&issue(&right(key))));
    change(&mut left, &mut right);
    World::with(snapshot(left), snapshot(right))
}

fn run(mut world: World) -> World {
    world.initiate();
    world.pass(Duration::from_secs(5));
    world
}

fn assert_established(world: &World) {
    world.assert_consistent();
    world.assert_traffic_passes();
    assert_eq!(world.left.children.len(), 1, "{:?}", world.left.events);
    assert_eq!(world.left.established.len(), 1);
    assert_eq!(world.right.established.len(), 1);
}

/// The responder finds a fault with the initiator, counts it, and tells no more than that it failed.
fn assert_refused(world: &World, reason: CloseReason) {
    world.assert_consistent();
    let (left, right) = (&world.left, &world.right);
    assert!(right.has(&Event::Closed(reason)), "{:?}", right.events);
    assert!(right.has(&Event::Refused(Refusal::AuthenticationFailed)));
    let told = CloseReason::PeerRejectedAuthentication;
    assert!(left.has(&Event::Closed(told)), "{:?}", left.events);
    assert!(left.established.is_empty() && right.established.is_empty());
    assert_eq!(right.door.half_open(), 0);
}

/// The initiator finds a fault with the responder, and says so.
fn assert_rejected(world: &World, reason: CloseReason) {
    world.assert_consistent();
    let (left, right) = (&world.left, &world.right);
    assert!(left.has(&Event::Closed(reason)), "{:?}", left.events);
    let told = CloseReason::PeerRejectedAuthentication;
    assert!(right.has(&Event::Closed(told)), "{:?}", right.events);
    assert!(left.established.is_empty());
    assert!(left.children.is_empty() && right.children.is_empty());
}

#[test]
fn every_kind_of_key_authenticates_in_both_roles() {
    let kinds = [
        KeyKind::EcdsaP256,
        KeyKind::EcdsaP384,
        KeyKind::Ed25519,
        KeyKind::Rsa2048,
    ];
    for (ours, theirs) in kinds.into_iter().zip(kinds.into_iter().cycle().skip(1)) {
        let world = run(world(|initiator, responder| {
            initiator.local_auth = by(&issue(&left(ours)));
            responder.local_auth = by(&issue(&right(theirs)));
        }));
        assert_established(&world);
        assert_eq!(world.right.established[0].peer, email(LEFT_ID));
        assert!(!world.sent.is_empty());
    }
}

#[test]
fn a_certificate_at_one_end_and_a_secret_at_the_other() {
    let gateway_alone = run(world(|initiator, responder| {
        initiator.local_auth = AuthPolicy::Psk;
        responder.remote_auth = AuthPolicy::Psk;
    }));
    assert_established(&gateway_alone);
    let client_alone = run(world(|initiator, responder| {
        responder.local_auth = AuthPolicy::Psk;
        initiator.remote_auth = AuthPolicy::Psk;
    }));
    assert_established(&client_alone);
}

#[test]
fn every_kind_of_name_that_a_certificate_has_identifies() {
    let subject: Identity = "C=CH, O=Palisade, CN=left".parse().unwrap();
    let address: Identity = "192.0.2.1".parse().unwrap();
    let wanted = Wanted {
        dns: &["left.example.org"],
        addresses: &["192.0.2.1".parse().unwrap()],
        ..left(KeyKind::EcdsaP256)
    };
    let own = issue(&wanted);
    for (identity, pattern) in [
        (subject, "C=CH, O=Palisade, CN=*"),
        (address, "192.0.2.0/24"),
        ("left.example.org".parse().unwrap(), "*.example.org"),
        (email(LEFT_ID), "*@example.org"),
    ] {
        let world = run(world(|left, right| {
            left.local_auth = by(&own);
            left.local_id = Some(identity.clone());
            right.remote_id = pattern.parse().unwrap();
        }));
        assert_established(&world);
        assert_eq!(world.right.established[0].peer, identity);
    }
}

#[test]
fn certificates_between_are_sent_along() {
    let own = ESTATE.middle.issue(&left(KeyKind::EcdsaP256)).unwrap();
    let whole = Issued {
        certificate: format!("{}{}", own.certificate, ESTATE.middle.certificate()),
        key: own.key.clone(),
    };
    let with = run(world(|left, _| left.local_auth = by(&whole)));
    assert_established(&with);
    let without = run(world(|left, _| left.local_auth = by(&own)));
    assert_refused(&without, CloseReason::CertificateUntrusted);
}

#[test]
fn large_messages_go_in_fragments() {
    let mut world = world(|initiator, responder| {
        initiator.local_auth = by(&issue(&left(KeyKind::Rsa2048)));
        responder.local_auth = by(&issue(&right(KeyKind::Rsa2048)));
        initiator.fragment_size = 576;
        responder.fragment_size = 576;
    });
    world.lose = [3, 7].into();
    let world = run(world);
    assert_established(&world);
    assert!(world.sent.iter().all(|(_, one)| one.message.len() <= 576));
    assert!(world.sent.len() > 8, "{}", world.sent.len());
}

#[test]
fn every_message_may_be_lost_or_come_twice() {
    for number in 0..4 {
        let mut lossy = world(|_, _| {});
        lossy.lose = [number].into();
        assert_established(&run(lossy));
        let mut echoing = world(|_, _| {});
        echoing.repeat = [number].into();
        assert_established(&run(echoing));
    }
}

#[test]
fn a_repetition_waits_while_certificates_are_judged() {
    let mut world = world(|_, _| {});
    world.initiate();
    world.right.jobs_left = 1;
    world.settle();
    let before = world.sent.len();
    world.pass(Duration::from_secs(2));
    assert!(
        world.sent.len() > before,
        "the initiator repeats its request"
    );
    assert_eq!(world.right.jobs.len(), 1, "nothing is judged twice");
    assert!(world.right.established.is_empty());
    world.right.jobs_left = usize::MAX;
    world.pass(Duration::from_secs(2));
    assert_established(&world);
}

#[test]
fn a_computation_that_is_lost_ends_the_handshake() {
    for side in [Side::Left, Side::Right] {
        let mut world = world(|_, _| {});
        world.initiate();
        // The initiator: key pair, secret, signature, then the responder's proof. The responder: secret,
        // then everything about certificates at once.
        world.end(side).jobs_left = if side == Side::Left { 3 } else { 1 };
        world.pass(Duration::from_secs(5));
        assert_eq!(world.end(side).jobs.len(), 1);
        world.end(side).jobs.clear();
        world.end(side).jobs_left = usize::MAX;
        world.pass(Duration::from_secs(200));
        let lost = Event::Closed(CloseReason::Exhausted);
        assert!(world.end(side).has(&lost), "{:?}", world.end(side).events);
        world.assert_consistent();
        assert!(world.left.sas.is_empty() && world.right.sas.is_empty());
    }
}

#[test]
fn a_secret_is_no_answer_where_a_certificate_is_wanted() {
    // The secret is right, and so is the identity.
    let world = run(world(|left, _| left.local_auth = AuthPolicy::Psk));
    assert_refused(&world, CloseReason::AuthenticationMethod);
}

#[test]
fn a_responder_with_a_secret_is_rejected_where_a_certificate_is_wanted() {
    let world = run(world(|_, right| right.local_auth = AuthPolicy::Psk));
    assert_rejected(&world, CloseReason::AuthenticationMethod);
}

#[test]
fn a_certificate_is_no_answer_where_a_secret_is_wanted() {
    let world = run(world(|_, right| right.remote_auth = AuthPolicy::Psk));
    assert_refused(&world, CloseReason::AuthenticationFailed);
    let world = run(self::world(|left, _| left.remote_auth = AuthPolicy::Psk));
    assert_rejected(&world, CloseReason::AuthenticationFailed);
}

#[test]
fn a_stranger_is_refused_whatever_it_calls_its_authority() {
    let stranger = ESTATE.stranger.issue(&left(KeyKind::EcdsaP256)).unwrap();
    let world = run(world(|left, _| left.local_auth = by(&stranger)));
    assert_refused(&world, CloseReason::CertificateUntrusted);
    let stranger = ESTATE.stranger.issue(&right(KeyKind::EcdsaP256)).unwrap();
    let world = run(self::world(|_, right| right.local_auth = by(&stranger)));
    assert_rejected(&world, CloseReason::CertificateUntrusted);
}

#[test]
fn nobody_passes_for_another_holder_of_a_good_certificate() {
    let other = issue(&Wanted {
        name: "eve",
        emails: &["eve@example.org"],
        ..Wanted::default()
    });
    // Eve has a certificate of the same authority and calls herself left.
    let world = run(world(|left, _| left.local_auth = by(&other)));
    assert_refused(&world, CloseReason::CertificateIdentity);
    let world = run(self::world(|_, right| right.local_auth = by(&other)));
    assert_rejected(&world, CloseReason::CertificateIdentity);
}

#[test]
fn a_first_message_that_was_changed_on_its_way_spoils_the_signature() {
    let mut world = world(|_, _| {});
    world.initiate();
    world.left.compute(world.now);
    // The last octet is that of a hash algorithm, which nothing but the signature covers.
    let request = &mut world.left.outbox[0].message;
    let last = request.last_mut().expect("a message");
    *last ^= 1;
    world.pass(Duration::from_secs(5));
    assert_refused(&world, CloseReason::SignatureInvalid);
}

#[test]
fn without_a_word_of_hashes_ecdsa_goes_the_old_way_and_rsa_nowhere() {
    for (key, goes) in [
        (KeyKind::EcdsaP256, true),
        (KeyKind::EcdsaP384, true),
        (KeyKind::Rsa2048, false),
    ] {
        // An initiator without certificates says nothing of hashes, and believes no signature.
        let world = run(world(|initiator, responder| {
            *initiator = left_connection();
            responder.remote_auth = AuthPolicy::Psk;
            responder.local_auth = by(&issue(&right(key)));
        }));
        let right = &world.right;
        assert_eq!(
            right.established.len(),
            usize::from(goes),
            "{:?}",
            right.events
        );
        if goes {
            assert!(
                world
                    .left
                    .has(&Event::Closed(CloseReason::AuthenticationFailed))
            );
        } else {
            assert!(right.has(&Event::Closed(CloseReason::SignatureUnsupported)));
        }
    }
}

#[test]
fn certificates_are_judged_by_the_time_that_it_is() {
    let short = Wanted {
        expires: Some(2026),
        ..left(KeyKind::EcdsaP256)
    };
    let own = issue(&short);
    let mut before = world(|left, _| left.local_auth = by(&own));
    before.right.wall = UnixTime(1_767_225_600 - 1);
    assert_established(&run(before));
    let mut after = world(|left, _| left.local_auth = by(&own));
    after.right.wall = UnixTime(1_767_225_600 + 1);
    assert_refused(&run(after), CloseReason::CertificateExpired);
    let mut early = world(|_, _| {});
    early.left.wall = UnixTime(1_000_000_000);
    assert_rejected(&run(early), CloseReason::CertificateExpired);
}

#[test]
fn a_revoked_certificate_is_refused() {
    let own = issue(&Wanted {
        serial: Some(4711),
        ..left(KeyKind::EcdsaP256)
    });
    let list = ESTATE.root.revoke(&[4711]).unwrap();
    let mut anchors = TrustAnchors::new(Revocation::Relaxed);
    let root = ESTATE.root.certificate().as_bytes();
    anchors.add_certificates(root).unwrap();
    anchors.add_revocation_lists(list.as_bytes()).unwrap();
    let anchors = Arc::new(anchors);
    let world = run(world(|left, right| {
        left.local_auth = by(&own);
        right.remote_auth = AuthPolicy::Certificate(anchors);
    }));
    assert_refused(&world, CloseReason::CertificateRevoked);
}

#[test]
fn a_certificate_for_something_else_is_refused() {
    let signer = issue(&Wanted {
        code_signing: true,
        ..left(KeyKind::EcdsaP256)
    });
    let world = run(world(|left, _| left.local_auth = by(&signer)));
    assert_refused(&world, CloseReason::CertificateUnfit);
}

#[test]
fn an_enormous_chain_is_not_looked_at() {
    let own = issue(&left(KeyKind::EcdsaP256));
    let others = ESTATE.middle.certificate().repeat(8);
    let many = Issued {
        certificate: format!("{}{others}", own.certificate),
        key: own.key.clone(),
    };
    let world = run(world(|left, _| left.local_auth = by(&many)));
    assert_refused(&world, CloseReason::CertificateUnreadable);
    assert!(world.right.jobs.is_empty());
}

#[test]
fn the_identity_decides_between_a_secret_and_a_certificate() {
    let mut mixed = world(|_, _| {});
    let by_secret = ConnectionPolicy {
        name: "by secret".into(),
        remote_id: IdentityPattern::Any,
        ..right_connection()
    };
    let certified = Arc::clone(&mixed.right.policy.connections[0]);
    mixed.right.policy.connections = vec![Arc::new(by_secret), certified].into();
    let mixed = run(mixed);
    assert_established(&mixed);
    assert_eq!(&*mixed.right.established[0].connection.name, "from-left");
}

#[test]
fn rekeyed_ike_sas_need_no_certificates_again() {
    let mut world = run(world(|left, _| left.rekey = crate::policy::rekey_after(60)));
    assert_established(&world);
    world.pass(Duration::from_secs(100));
    assert!(world.left.has(&Event::Rekeyed));
    world.assert_consistent();
    world.assert_traffic_passes();
}
