//! What the ends agree on.

use std::time::Duration;

use crypto::{EncryptionAlgorithm as Cipher, KeyExchangeMethod as Group, PrfAlgorithm as Hash};
use ike::v1::AuthMethod;
use ike::{CloseReason, Refusal};
use ipsec::{IkeProposal, Xauth};
use wire::ikev1::numbers::phase1::{KEY_IKE, attribute, life_type};
use wire::ikev1::{
    Attribute, Body, ExchangeType, Flags, HEADER_LEN, Header, Message, Payload, Proposal, Sa,
    Transform, encode_message,
};

use crate::end::{Datagram, Event};
use crate::main_mode::assert_up;
use crate::policy::{ike_proposal, phase_one, phase_one_each};
use crate::world::{LEFT, RIGHT, World};

fn up_with(change: impl Fn(&mut IkeProposal)) -> ike::v1::Suite {
    let (left, right) = phase_one(|connection| change(&mut connection.proposals[0]));
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_up(&world);
    let suite = world.left.sas[&world.left.only()].suite();
    suite.expect("an established IKE SA has one")
}

#[test]
fn every_cipher_serves() {
    for cipher in [
        Cipher::Aes128Cbc,
        Cipher::Aes192Cbc,
        Cipher::Aes256Cbc,
        Cipher::TripleDesCbc,
    ] {
        for hash in [Hash::HmacSha1, Hash::HmacSha256] {
            let suite = up_with(|proposal| {
                proposal.encryption = vec![cipher];
                proposal.prf = vec![hash];
            });
            assert_eq!((suite.encryption, suite.hash), (cipher, hash));
        }
    }
}

#[test]
fn every_hash_serves() {
    for hash in [
        Hash::HmacSha1,
        Hash::HmacSha256,
        Hash::HmacSha384,
        Hash::HmacSha512,
    ] {
        assert_eq!(up_with(|proposal| proposal.prf = vec![hash]).hash, hash);
    }
}

#[test]
fn every_class_of_groups_serves() {
    for group in [
        Group::EcpP256,
        Group::EcpP384,
        Group::Modp1024,
        Group::Modp2048,
    ] {
        let suite = up_with(|proposal| proposal.key_exchange = vec![group]);
        assert_eq!(suite.key_exchange, group);
    }
}

#[test]
fn our_preference_decides_among_what_the_peer_offers() {
    let (left, right) = phase_one_each(
        |connection| {
            connection.proposals[0].encryption = vec![Cipher::Aes128Cbc, Cipher::Aes256Cbc];
            connection.proposals[0].prf = vec![Hash::HmacSha1, Hash::HmacSha256];
        },
        |connection| {
            connection.proposals[0].encryption = vec![Cipher::Aes256Cbc, Cipher::Aes128Cbc];
            connection.proposals[0].prf = vec![Hash::HmacSha384, Hash::HmacSha256];
        },
    );
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_up(&world);
    let suite = world.right.sas[&world.right.only()].suite().expect("one");
    assert_eq!(suite.encryption, Cipher::Aes256Cbc);
    assert_eq!(suite.hash, Hash::HmacSha256);
}

#[test]
fn ciphers_that_phase_1_does_not_have_are_not_offered() {
    let (left, right) = phase_one(|connection| {
        let aead = IkeProposal {
            encryption: vec![Cipher::Aes256Gcm16],
            integrity: vec![],
            key_exchange: vec![Group::X25519, Group::EcpP256],
            ..ike_proposal()
        };
        connection.proposals.insert(0, aead);
        connection.proposals[1].key_exchange = vec![Group::X25519, Group::EcpP256];
    });
    let mut world = World::with(left, right);
    world.initiate();
    let offer = world.left.outbox[0].message.clone();
    assert_eq!(transforms_in(&offer), 1);
    world.settle();
    assert_up(&world);
}

fn transforms_in(message: &[u8]) -> usize {
    let message = Message::parse(message).expect("a message");
    let Body::Clear(payloads) = &message.body else {
        panic!("in the clear");
    };
    let Some(Payload::Sa(sa)) = payloads.iter().next() else {
        panic!("SA comes first");
    };
    sa.proposals
        .iter()
        .map(|proposal| proposal.transforms.len())
        .sum()
}

#[test]
fn without_agreement_the_peer_is_told_and_no_state_is_kept() {
    let (left, right) = phase_one_each(
        |connection| connection.proposals[0].prf = vec![Hash::HmacSha1],
        |connection| connection.proposals[0].prf = vec![Hash::HmacSha512],
    );
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_eq!(
        world.right.events,
        [Event::Refused(Refusal::NoProposalChosen)]
    );
    assert_eq!(world.right.door.half_open(), 0);
    assert!(world.sent[1].1.message.len() <= world.sent[0].1.message.len());
    // Anybody could have said so: the initiator goes on asking, and believes it in the end.
    assert!(world.left.events.is_empty());
    world.pass(Duration::from_secs(200));
    let reason = Event::Closed(CloseReason::NoProposalChosen);
    assert!(world.left.has(&reason), "{:?}", world.left.events);
    world.assert_consistent();
}

#[test]
fn refusals_have_a_rate() {
    let (left, right) = phase_one_each(
        |connection| connection.proposals[0].prf = vec![Hash::HmacSha1],
        |connection| connection.proposals[0].prf = vec![Hash::HmacSha512],
    );
    let mut world = World::with(left, right);
    world.right.settings.refusals_per_second = 3;
    world.initiate();
    let first = world.left.outbox[0].clone();
    let now = world.now;
    for _ in 0..10 {
        world.right.receive(&first, now);
    }
    assert_eq!(world.right.outbox.len(), 3);
}

/// A first message with these transforms, as somebody else writes them.
fn foreign_offer(transforms: Vec<Transform<'_>>, spi: &[u8]) -> Datagram {
    let header = Header {
        initiator_cookie: 0x1122_3344_5566_7788,
        responder_cookie: 0,
        next_payload: 0,
        major: 1,
        minor: 0,
        exchange: ExchangeType::IDENTITY_PROTECTION,
        flags: Flags::default(),
        message_id: 0,
        length: 0,
    };
    let sa = Sa::new(vec![Proposal {
        number: 1,
        protocol: 1,
        spi,
        transforms,
    }]);
    Datagram {
        from: LEFT.parse().expect("an address"),
        to: RIGHT.parse().expect("an address"),
        encapsulated: false,
        message: encode_message(&header, &[Payload::Sa(sa)]),
    }
}

#[test]
fn the_chosen_transform_comes_back_as_it_was() {
    let eight_hours = [0, 0, 0x70, 0x80];
    let kilobytes = [0, 0x10, 0, 0];
    let attributes = vec![
        Attribute::basic(attribute::GROUP, 19),
        Attribute::basic(attribute::LIFE_TYPE, life_type::KILOBYTES),
        Attribute::variable(attribute::LIFE_DURATION, &kilobytes),
        Attribute::basic(attribute::LIFE_TYPE, life_type::SECONDS),
        Attribute::variable(attribute::LIFE_DURATION, &eight_hours),
        Attribute::basic(attribute::AUTHENTICATION, 1),
        Attribute::basic(attribute::HASH, 4),
        Attribute::basic(attribute::ENCRYPTION, 7),
        Attribute::basic(attribute::KEY_LENGTH, 128),
    ];
    let des = Transform {
        number: 1,
        id: KEY_IKE,
        attributes: vec![
            Attribute::basic(attribute::ENCRYPTION, 1),
            Attribute::basic(attribute::HASH, 1),
            Attribute::basic(attribute::AUTHENTICATION, 3),
            Attribute::basic(attribute::GROUP, 1),
        ],
    };
    let good = Transform {
        number: 7,
        id: KEY_IKE,
        attributes: attributes.clone(),
    };
    // RFC 2408 §2.4: an SPI of any length, without meaning.
    let offer = foreign_offer(vec![des, good.clone()], &[9; 8]);
    let (left, right) = phase_one(|_| {});
    let mut world = World::with(left, right);
    let now = world.now;
    world.right.receive(&offer, now);
    let answer = &world.right.outbox[0].message;
    let answer = Message::parse(answer).expect("a message");
    let Body::Clear(payloads) = &answer.body else {
        panic!("in the clear");
    };
    let Some(Payload::Sa(sa)) = payloads.iter().next() else {
        panic!("SA comes first");
    };
    assert_eq!(sa.proposals.len(), 1);
    assert_eq!(sa.proposals[0].number, 1);
    assert_eq!(sa.proposals[0].transforms, [good]);
    assert!(world.right.outbox[0].message.len() <= offer.message.len());
    assert!(answer.header.length as usize > HEADER_LEN);
}

#[test]
fn what_is_not_understood_is_not_chosen() {
    let base = [
        Attribute::basic(attribute::ENCRYPTION, 7),
        Attribute::basic(attribute::KEY_LENGTH, 128),
        Attribute::basic(attribute::HASH, 4),
        Attribute::basic(attribute::AUTHENTICATION, 1),
        Attribute::basic(attribute::GROUP, 19),
    ];
    let with = |change: &dyn Fn(&mut Vec<Attribute<'static>>)| {
        let mut attributes = base.to_vec();
        change(&mut attributes);
        Transform {
            number: 1,
            id: KEY_IKE,
            attributes,
        }
    };
    let refused = [
        with(&|own| own.push(Attribute::basic(attribute::PRF, 1))),
        with(&|own| own[1] = Attribute::basic(attribute::KEY_LENGTH, 192)),
        with(&|own| own[0] = Attribute::basic(attribute::ENCRYPTION, 5)),
        with(&|own| own.truncate(4)),
        with(&|own| own[3] = Attribute::basic(attribute::AUTHENTICATION, 65001)),
        with(&|own| own.push(Attribute::basic(99, 1))),
        Transform {
            id: 2,
            ..with(&|_| {})
        },
    ];
    for transform in refused {
        let offer = foreign_offer(vec![transform.clone()], &[]);
        let (left, right) = phase_one(|_| {});
        let mut world = World::with(left, right);
        let now = world.now;
        world.right.receive(&offer, now);
        let refused = Event::Refused(Refusal::NoProposalChosen);
        assert!(world.right.has(&refused), "{transform:?}");
    }
    // RFC 3602 §5.3 wants the key length; who leaves it out means the shortest key.
    let offer = foreign_offer(
        vec![with(&|own| {
            own.retain(|one| one.kind != attribute::KEY_LENGTH)
        })],
        &[],
    );
    let (left, right) = phase_one(|_| {});
    let mut world = World::with(left, right);
    let now = world.now;
    world.right.receive(&offer, now);
    assert_eq!(world.right.door.half_open(), 1);
}

#[test]
fn a_choice_that_we_did_not_offer_is_not_believed() {
    let (left, right) = phase_one_each(
        |connection| connection.proposals[0].encryption = vec![Cipher::Aes256Cbc],
        |connection| connection.proposals[0].encryption = vec![Cipher::Aes256Cbc],
    );
    let mut world = World::with(left, right);
    world.initiate();
    world.deliver(crate::world::Side::Left);
    let mut answer = world.right.outbox[0].clone();
    let at = answer
        .message
        .windows(4)
        .position(|octets| octets == [0x80, 14, 1, 0])
        .expect("a key length of 256");
    answer.message[at + 2..at + 4].copy_from_slice(&[0, 128]);
    let now = world.now;
    world.left.receive(&answer, now);
    assert_eq!(
        world.left.received,
        [ike::Received::Rejected(ike::Rejection::ChoiceNotOffered)]
    );
    world.pass(Duration::from_secs(3));
    assert_up(&world);
}

#[test]
fn extended_authentication_is_agreed_in_phase_1() {
    let client = Xauth::Client {
        user: "joe".into(),
        password: ipsec::PreSharedKey::new(b"hunter2".to_vec()),
    };
    let (left, right) = phase_one_each(
        |connection| connection.v1.xauth = Some(client.clone()),
        |connection| connection.v1.xauth = Some(Xauth::Server),
    );
    let mut right = right;
    let password = ipsec::PreSharedKey::new(b"hunter2".to_vec());
    right.users = [("joe".into(), password)].into_iter().collect();
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    let suite = world.right.sas[&world.right.only()].suite().expect("keys");
    assert_eq!(suite.method, AuthMethod::XauthInitiator);
    // One end alone does not do.
    let (left, right) = phase_one_each(
        |_| {},
        |connection| connection.v1.xauth = Some(Xauth::Server),
    );
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert!(world.right.has(&Event::Refused(Refusal::NoProposalChosen)));
}

#[test]
fn the_shorter_lifetime_counts() {
    let (left, right) = phase_one_each(
        |connection| connection.rekey.hard_time = Some(Duration::from_secs(600)),
        |connection| connection.rekey.hard_time = Some(Duration::from_secs(900)),
    );
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_up(&world);
    world.deaf = Some(crate::world::Side::Right);
    world.pass(Duration::from_secs(610));
    let over = Event::Closed(CloseReason::HardLifetime);
    assert!(world.left.has(&over) && world.right.has(&over));
}
