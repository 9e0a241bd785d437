use core::time::Duration;

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, ProtectionSuite, SealingKey};
use wire::ikev2::{ExchangeType, Flags, Header, Message, Payload, parse_payloads};

use super::super::reassembly::{FRAGMENTS_MAX, REASSEMBLY_TIMEOUT};
use super::super::seal::MessageSealer;
use super::*;
use crate::Path;
use crate::vectors::{Vectors, hex};

const GCM: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::Aes128Gcm16,
    integrity: None,
};
const CHACHA: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::ChaCha20Poly1305,
    integrity: None,
};
const CBC: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::Aes128Cbc,
    integrity: Some(IntegrityAlgorithm::HmacSha1_96),
};

fn ends(suite: ProtectionSuite) -> (MessageSealer, MessageOpener) {
    let keys: Vec<u8> = (0..suite.key_material_len()).map(|i| i as u8).collect();
    (
        MessageSealer::new(suite, Secret::copy_of(&keys)),
        MessageOpener::new(suite, Secret::copy_of(&keys)),
    )
}

fn header(message_id: u32) -> Header {
    Header {
        initiator_spi: 1,
        responder_spi: 2,
        next_payload: 0,
        major: 2,
        minor: 0,
        exchange: ExchangeType::IKE_AUTH,
        flags: Flags {
            initiator: true,
            ..Flags::default()
        },
        message_id,
        length: 0,
    }
}

fn open(
    opener: &mut MessageOpener,
    datagram: &[u8],
    now: Instant,
) -> Result<Option<Inner>, Rejection> {
    let message = Message::parse(datagram).map_err(|_| Rejection::Malformed)?;
    opener.open(datagram, &message, now)
}

/// Payloads of about `len` octets.
fn long(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn fragments(
    sealer: &mut MessageSealer,
    message_id: u32,
    data: &[u8],
    limit: usize,
) -> Vec<Vec<u8>> {
    sealer.seal(&header(message_id), &[Payload::VendorId(data)], Some(limit))
}

fn vendor_id(inner: &Inner) -> Vec<u8> {
    match parse_payloads(inner.first, &inner.octets)
        .unwrap()
        .as_slice()
    {
        [Payload::VendorId(data)] => data.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_message_of_rfc_7634_opens() {
    let vectors = Vectors::load();
    let keys = [vectors.octets("key"), vectors.octets("salt")].concat();
    let mut opener = MessageOpener::new(CHACHA, Secret::new(keys));
    let inner = open(&mut opener, &vectors.octets("message"), Instant::ZERO)
        .unwrap()
        .unwrap();
    // The published plaintext ends in a Pad Length of 0.
    let plain = vectors.octets("plaintext");
    assert_eq!(inner.octets, plain[..plain.len() - 1]);
    assert_eq!(inner.first, PayloadType::NOTIFY);
}

#[test]
fn the_published_ike_auth_request_opens() {
    let vectors = Vectors::load();
    let at = |field: &str| vectors.octets(&format!("aosp.{field}"));
    let keys = [at("sk_ei"), at("sk_ai")].concat();
    let mut opener = MessageOpener::new(CBC, Secret::new(keys));
    let request = at("ike_auth_request");
    let inner = open(&mut opener, &request, Instant::ZERO).unwrap().unwrap();
    assert_eq!(inner.first, PayloadType::IDI);
    assert_eq!(hex(&inner.octets), hex(&at("ike_auth_plaintext_payloads")));
    assert!(opener.is_authentic(&request, &Message::parse(&request).unwrap()));
}

#[test]
fn every_suite_and_length_comes_back() {
    for suite in [GCM, CHACHA, CBC] {
        let (mut sealer, mut opener) = ends(suite);
        let empty = sealer.seal(&header(0), &[], None);
        assert_eq!(empty.len(), 1);
        let inner = open(&mut opener, &empty[0], Instant::ZERO)
            .unwrap()
            .unwrap();
        assert_eq!((inner.first, inner.octets), (PayloadType::NONE, vec![]));
        for len in 0..70 {
            let sealed = sealer.seal(&header(1), &[Payload::VendorId(&long(len))], None);
            let inner = open(&mut opener, &sealed[0], Instant::ZERO)
                .unwrap()
                .unwrap();
            assert_eq!(vendor_id(&inner), long(len));
        }
    }
}

#[test]
fn every_octet_is_protected() {
    for suite in [GCM, CBC] {
        let (mut sealer, mut opener) = ends(suite);
        let sealed = sealer
            .seal(&header(7), &[Payload::VendorId(b"x")], None)
            .remove(0);
        for index in 0..sealed.len() {
            for bit in 0..8 {
                let mut forged = sealed.clone();
                forged[index] ^= 1 << bit;
                assert!(
                    open(&mut opener, &forged, Instant::ZERO).is_err(),
                    "octet {index}"
                );
            }
        }
        assert!(open(&mut opener, &sealed, Instant::ZERO).is_ok());
    }
}

#[test]
fn no_two_messages_share_an_iv() {
    let (mut sealer, _) = ends(GCM);
    let mut ivs = std::collections::HashSet::new();
    for message_id in 0..10 {
        for datagram in fragments(&mut sealer, message_id, &long(1_000), 300) {
            let message = Message::parse(&datagram).unwrap();
            let body = message.encrypted.unwrap().body;
            assert!(ivs.insert(datagram[body..body + 8].to_vec()));
        }
    }
}

#[test]
fn fragments_join_in_any_order() {
    for suite in [GCM, CBC] {
        let (mut sealer, mut opener) = ends(suite);
        let data = long(1_500);
        let sent = fragments(&mut sealer, 1, &data, 512);
        assert_eq!(sent.len(), 4);
        for datagram in &sent {
            assert!(datagram.len() <= 512, "{}", datagram.len());
        }
        for (message_id, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]]
            .iter()
            .enumerate()
        {
            let sent = fragments(&mut sealer, message_id as u32, &data, 512);
            let (last, before) = order.split_last().unwrap();
            for index in before {
                assert_eq!(open(&mut opener, &sent[*index], Instant::ZERO), Ok(None));
            }
            let inner = open(&mut opener, &sent[*last], Instant::ZERO)
                .unwrap()
                .unwrap();
            assert_eq!(vendor_id(&inner), data);
        }
    }
}

#[test]
fn a_message_within_the_limit_is_not_fragmented() {
    let (mut sealer, _) = ends(GCM);
    let overhead = 28 + 4 + 8 + 4 + 1 + 16;
    let whole = fragments(&mut sealer, 1, &long(500 - overhead), 500);
    assert_eq!((whole.len(), whole[0].len()), (1, 500));
    assert_eq!(
        fragments(&mut sealer, 2, &long(501 - overhead), 500).len(),
        2
    );
}

#[test]
fn a_forged_fragment_stores_nothing() {
    let (mut sealer, mut opener) = ends(GCM);
    let sent = fragments(&mut sealer, 1, &long(600), 400);
    let mut forged = sent[0].clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(
        open(&mut opener, &forged, Instant::ZERO),
        Err(Rejection::IcvMismatch)
    );
    assert!(opener.reassembly.iter().all(Option::is_none));
    assert_eq!(open(&mut opener, &sent[0], Instant::ZERO), Ok(None));
    assert_eq!(
        open(&mut opener, &sent[0], Instant::ZERO),
        Err(Rejection::FragmentDuplicate)
    );
    assert!(
        open(&mut opener, &sent[1], Instant::ZERO)
            .unwrap()
            .is_some()
    );
}

#[test]
fn smaller_fragments_start_over_and_larger_ones_are_dropped() {
    let (mut sealer, mut opener) = ends(GCM);
    let data = long(1_000);
    let large = fragments(&mut sealer, 1, &data, 600);
    let small = fragments(&mut sealer, 1, &data, 400);
    assert!(small.len() > large.len());
    assert_eq!(open(&mut opener, &large[0], Instant::ZERO), Ok(None));
    assert_eq!(open(&mut opener, &small[0], Instant::ZERO), Ok(None));
    assert_eq!(
        open(&mut opener, &large[1], Instant::ZERO),
        Err(Rejection::FragmentInvalid)
    );
    for datagram in &small[1..small.len() - 1] {
        assert_eq!(open(&mut opener, datagram, Instant::ZERO), Ok(None));
    }
    let inner = open(&mut opener, &small[small.len() - 1], Instant::ZERO).unwrap();
    assert_eq!(vendor_id(&inner.unwrap()), data);
}

#[test]
fn a_forged_total_does_not_discard_good_fragments() {
    let (mut sealer, mut opener) = ends(GCM);
    let sent = fragments(&mut sealer, 1, &long(600), 400);
    assert_eq!(open(&mut opener, &sent[0], Instant::ZERO), Ok(None));
    let mut forged = sent[1].clone();
    forged[34..36].copy_from_slice(&9_u16.to_be_bytes());
    assert_eq!(
        open(&mut opener, &forged, Instant::ZERO),
        Err(Rejection::IcvMismatch)
    );
    assert!(
        open(&mut opener, &sent[1], Instant::ZERO)
            .unwrap()
            .is_some()
    );
}

#[test]
fn too_many_or_too_old_fragments_are_given_up() {
    let (mut sealer, mut opener) = ends(GCM);
    let many = fragments(
        &mut sealer,
        1,
        &long(usize::from(FRAGMENTS_MAX) * 64 + 1),
        10,
    );
    assert!(many.len() > usize::from(FRAGMENTS_MAX));
    assert_eq!(
        open(&mut opener, &many[0], Instant::ZERO),
        Err(Rejection::FragmentLimit)
    );

    let sent = fragments(&mut sealer, 1, &long(600), 400);
    assert_eq!(open(&mut opener, &sent[0], Instant::ZERO), Ok(None));
    let late = Instant::ZERO + REASSEMBLY_TIMEOUT + Duration::from_millis(1);
    assert_eq!(open(&mut opener, &sent[1], late), Ok(None), "begins anew");
    assert!(open(&mut opener, &sent[0], late).unwrap().is_some());
}

#[test]
fn another_message_replaces_an_unfinished_one() {
    let (mut sealer, mut opener) = ends(GCM);
    let first = fragments(&mut sealer, 1, &long(600), 400);
    let second = fragments(&mut sealer, 2, &long(601), 400);
    assert_eq!(open(&mut opener, &first[0], Instant::ZERO), Ok(None));
    assert_eq!(open(&mut opener, &second[0], Instant::ZERO), Ok(None));
    let inner = open(&mut opener, &second[1], Instant::ZERO)
        .unwrap()
        .unwrap();
    assert_eq!(vendor_id(&inner), long(601));
}

#[test]
fn a_message_in_the_clear_is_unprotected() {
    let (_, mut opener) = ends(GCM);
    let clear = wire::ikev2::encode_message(&header(1), &[]);
    assert_eq!(
        open(&mut opener, &clear, Instant::ZERO),
        Err(Rejection::Unprotected)
    );
}

#[test]
fn padding_longer_than_the_text_is_malformed() {
    let (_, mut opener) = ends(GCM);
    let keys: Vec<u8> = (0..GCM.key_material_len()).map(|i| i as u8).collect();
    let key = SealingKey::new(GCM, &keys);
    let mut message =
        wire::ikev2::encode_encrypted_head(&header(1), &[], PayloadType::NONE, None, 8 + 1 + 16);
    let associated = message.len();
    message.resize(associated + 8, 0);
    message.push(1);
    message.resize(message.len() + 16, 0);
    key.seal(&mut message, associated, None, 0);
    assert_eq!(
        open(&mut opener, &message, Instant::ZERO),
        Err(Rejection::Malformed)
    );
}

#[test]
fn limits_leave_room_for_the_headers_outside() {
    let path = |remote: &str, encapsulated| Path {
        local: "192.0.2.1:500".parse().unwrap(),
        remote: remote.parse().unwrap(),
        encapsulated,
        fvrf: ipsec::FrontVrf::GLOBAL,
    };
    assert_eq!(path("192.0.2.2:500", false).message_len_max(1280), 1252);
    assert_eq!(path("[2001:db8::2]:4500", true).message_len_max(1280), 1228);
    assert_eq!(path("192.0.2.2:500", false).message_len_max(0), 0);
}
