//! Limits and lies of IKEv1: lists that are too long, lengths that do not add up, and what peers of the
//! field do that no document says.

use wire::Malformed;
use wire::ikev1::numbers::{doi, identification, protocol};
use wire::ikev1::{
    Attribute, Attributes, Body, CONFIGURATION_ATTRIBUTES_MAX, ConfigurationKind, DELETED_SPIS_MAX,
    Delete, ExchangeType, Flags, Fragment, HEADER_LEN, Header, Identification, Message,
    Notification, NotifyType, PAYLOADS_MAX, PROPOSALS_MAX, Payload, PayloadType, Proposal, Sa,
    TRANSFORM_ATTRIBUTES_MAX, TRANSFORMS_MAX, Transform, encode_message, encode_payloads,
    isakmp_spi, parse_payloads,
};

const HEADER: Header = Header {
    initiator_cookie: 1,
    responder_cookie: 2,
    next_payload: 0,
    major: 1,
    minor: 0,
    exchange: ExchangeType::INFORMATIONAL,
    flags: Flags {
        encryption: false,
        commit: false,
        authentication_only: false,
    },
    message_id: 3,
    length: 0,
};

fn read(payloads: &[Payload<'_>]) -> Result<usize, Malformed> {
    let mut octets = Vec::new();
    let first = encode_payloads(payloads, &mut octets);
    parse_payloads(first, &octets).map(|read| read.parts.len())
}

fn sa(proposals: usize, transforms: usize, attributes: usize) -> Payload<'static> {
    let transform = Transform {
        number: 1,
        id: 1,
        attributes: vec![Attribute::basic(1, 7); attributes],
    };
    let proposal = Proposal {
        number: 1,
        protocol: protocol::ISAKMP,
        spi: &[],
        transforms: vec![transform; transforms],
    };
    Payload::Sa(Sa::new(vec![proposal; proposals]))
}

#[test]
fn lists_have_limits() {
    let vendor = Payload::VendorId(&[1]);
    assert_eq!(read(&vec![vendor.clone(); PAYLOADS_MAX]), Ok(PAYLOADS_MAX));
    assert_eq!(
        read(&vec![vendor; PAYLOADS_MAX + 1]),
        Err(Malformed::TooMany)
    );

    let too_many = Err(Malformed::TooMany);
    assert_eq!(read(&[sa(PROPOSALS_MAX, 1, 1)]), Ok(1));
    assert_eq!(read(&[sa(PROPOSALS_MAX + 1, 1, 1)]), too_many);
    assert_eq!(read(&[sa(1, TRANSFORMS_MAX, 1)]), Ok(1));
    assert_eq!(read(&[sa(1, TRANSFORMS_MAX + 1, 1)]), too_many);
    assert_eq!(read(&[sa(4, TRANSFORMS_MAX, 1)]), Ok(1));
    assert_eq!(read(&[sa(5, TRANSFORMS_MAX, 1)]), too_many);
    assert_eq!(read(&[sa(1, 1, TRANSFORM_ATTRIBUTES_MAX)]), Ok(1));
    assert_eq!(read(&[sa(1, 1, TRANSFORM_ATTRIBUTES_MAX + 1)]), too_many);

    let delete = |count| {
        Payload::Delete(Delete {
            doi: doi::IPSEC,
            protocol: protocol::ESP,
            spis: vec![&[1, 2, 3, 4]; count],
        })
    };
    assert_eq!(read(&[delete(DELETED_SPIS_MAX)]), Ok(1));
    assert_eq!(read(&[delete(DELETED_SPIS_MAX + 1)]), too_many);

    let attributes = |count| {
        Payload::Attributes(Attributes {
            kind: ConfigurationKind::Request,
            identifier: 1,
            attributes: vec![Attribute::variable(1, &[]); count],
        })
    };
    assert_eq!(read(&[attributes(CONFIGURATION_ATTRIBUTES_MAX)]), Ok(1));
    assert_eq!(
        read(&[attributes(CONFIGURATION_ATTRIBUTES_MAX + 1)]),
        too_many
    );
}

#[test]
fn quick_mode_may_carry_two_sas_and_two_identities_but_not_two_nonces() {
    let id = Payload::Identification(Identification {
        id_type: identification::IPV4_ADDR,
        protocol: 0,
        port: 0,
        data: &[10, 0, 0, 1],
    });
    assert_eq!(read(&[sa(1, 1, 1), sa(1, 1, 1), id.clone(), id]), Ok(4));
    for single in [
        Payload::Nonce(&[7; 8]),
        Payload::Hash(&[7; 20]),
        Payload::KeyExchange(&[7; 128]),
    ] {
        assert_eq!(read(&[single.clone(), single]), Err(Malformed::TooMany));
    }
}

#[test]
fn the_header_length_must_be_that_of_the_datagram() {
    let mut octets = encode_message(&HEADER, &[Payload::VendorId(&[1, 2, 3])]);
    assert!(Message::parse(&octets).is_ok());
    octets.push(0);
    assert_eq!(Message::parse(&octets), Err(Malformed::BadLength));
    octets.truncate(octets.len() - 2);
    assert_eq!(Message::parse(&octets), Err(Malformed::BadLength));
}

#[test]
fn another_version_is_refused() {
    let mut octets = encode_message(&HEADER, &[]);
    octets[17] = 0x20;
    assert_eq!(Message::parse(&octets), Err(Malformed::BadValue));
}

#[test]
fn octets_after_the_last_payload_are_padding_only_where_there_was_a_cipher() {
    let mut message = encode_message(&HEADER, &[Payload::VendorId(&[1])]);
    message.extend_from_slice(&[9, 9, 9]);
    message[27] += 3;
    assert_eq!(Message::parse(&message), Err(Malformed::BadLength));
    let chain = parse_payloads(PayloadType::VENDOR_ID, &message[HEADER_LEN..]).unwrap();
    assert_eq!(chain.octets.len(), 5);
    assert_eq!(
        parse_payloads(PayloadType::NONE, &[1, 2]).unwrap().octets,
        &[]
    );
}

#[test]
fn a_payload_length_below_its_own_header_is_refused() {
    for length in 0..4 {
        let mut octets = encode_message(&HEADER, &[Payload::VendorId(&[1, 2, 3])]);
        octets[HEADER_LEN + 3] = length;
        assert_eq!(Message::parse(&octets), Err(Malformed::BadLength));
    }
}

#[test]
fn a_fragment_is_in_the_clear_whatever_its_header_says() {
    let fragment = Payload::Fragment(Fragment {
        id: 1,
        number: 1,
        last: false,
        data: &[1, 2, 3],
    });
    let header = Header {
        flags: Flags {
            encryption: true,
            ..Flags::default()
        },
        ..HEADER
    };
    let octets = encode_message(&header, &[fragment]);
    assert!(matches!(
        Message::parse(&octets).unwrap().body,
        Body::Clear(_)
    ));
    let octets = encode_message(&header, &[Payload::Hash(&[1; 20])]);
    assert!(matches!(
        Message::parse(&octets).unwrap().body,
        Body::Encrypted(_)
    ));
}

#[test]
fn fragments_are_counted_from_one() {
    let fragment = |number| {
        Payload::Fragment(Fragment {
            id: 1,
            number,
            last: true,
            data: &[],
        })
    };
    assert_eq!(read(&[fragment(0)]), Err(Malformed::BadValue));
    assert_eq!(read(&[fragment(1)]), Ok(1));
}

#[test]
fn isakmp_proposals_may_carry_cookies_and_esp_needs_four_octets() {
    let proposal = |protocol, spi| {
        Payload::Sa(Sa::new(vec![Proposal {
            number: 1,
            protocol,
            spi,
            transforms: Vec::new(),
        }]))
    };
    for len in [0, 8, 16] {
        assert_eq!(read(&[proposal(protocol::ISAKMP, &[7; 17][..len])]), Ok(1));
    }
    assert_eq!(
        read(&[proposal(protocol::ISAKMP, &[7; 17])]),
        Err(Malformed::BadValue)
    );
    assert_eq!(read(&[proposal(protocol::ESP, &[7; 4])]), Ok(1));
    assert_eq!(
        read(&[proposal(protocol::ESP, &[7; 8])]),
        Err(Malformed::BadValue)
    );
}

#[test]
fn another_doi_or_situation_is_refused() {
    for (at, value) in [(7, 0), (7, 2), (11, 3)] {
        let mut octets = Vec::new();
        let first = encode_payloads(&[sa(1, 1, 1)], &mut octets);
        octets[at] = value;
        assert_eq!(parse_payloads(first, &octets), Err(Malformed::BadValue));
    }
}

#[test]
fn a_count_of_transforms_that_lies_is_refused() {
    for count in [0, 1, 3] {
        let mut octets = Vec::new();
        let first = encode_payloads(&[sa(1, 2, 1)], &mut octets);
        // Payload header 4, DOI and situation 8, proposal header 4, then number, protocol, SPI size.
        octets[19] = count;
        assert!(parse_payloads(first, &octets).is_err());
    }
}

#[test]
fn a_lying_attribute_length_is_refused() {
    let mut octets = Vec::new();
    let first = encode_payloads(&[sa(1, 1, 1)], &mut octets);
    // The basic attribute as a variable one claims seven octets that are not there.
    octets[28] = 0;
    assert_eq!(parse_payloads(first, &octets), Err(Malformed::BadLength));
}

#[test]
fn r_u_there_is_read_with_and_without_cookies() {
    let cookies = isakmp_spi(0x0102, 0x0304);
    assert_eq!(cookies[6..8], [1, 2]);
    assert_eq!(cookies[14..], [3, 4]);
    for spi in [&cookies[..], &[]] {
        let notification = Payload::Notification(Notification {
            doi: doi::IPSEC,
            protocol: protocol::ISAKMP,
            spi,
            notify_type: NotifyType::R_U_THERE,
            data: &[0, 0, 0, 9],
        });
        let mut octets = Vec::new();
        let first = encode_payloads(core::slice::from_ref(&notification), &mut octets);
        let read = parse_payloads(first, &octets).unwrap();
        assert_eq!(read.iter().next(), Some(&notification));
    }
    let lying = Payload::Unknown {
        kind: PayloadType::NOTIFICATION,
        data: &[0, 0, 0, 1, 1, 16, 0x8d, 0x28, 0, 0, 0, 9],
    };
    assert_eq!(read(&[lying]), Err(Malformed::BadLength));
}

#[test]
fn deletes_must_hold_what_they_count() {
    let delete = |data| {
        read(&[Payload::Unknown {
            kind: PayloadType::DELETE,
            data,
        }])
    };
    assert_eq!(delete(&[0, 0, 0, 1, 3, 4, 0, 1, 1, 2, 3, 4]), Ok(1));
    assert_eq!(
        delete(&[0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4]),
        Err(Malformed::BadLength)
    );
    assert_eq!(
        delete(&[0, 0, 0, 1, 3, 0, 0xff, 0xff]),
        Err(Malformed::BadValue)
    );
}

#[test]
fn nonces_identities_and_addresses_have_their_sizes() {
    let bad_length = Err(Malformed::BadLength);
    assert_eq!(read(&[Payload::Nonce(&[0; 7])]), bad_length);
    assert_eq!(read(&[Payload::Nonce(&[0; 8])]), Ok(1));
    assert_eq!(read(&[Payload::Nonce(&[0; 256])]), Ok(1));
    assert_eq!(read(&[Payload::Nonce(&[0; 257])]), bad_length);
    let sizes = [(1, 4), (4, 8), (5, 16), (6, 32), (7, 8), (8, 32)];
    for (id_type, wanted) in sizes {
        for len in [wanted - 1, wanted, wanted + 1] {
            let id = Payload::Identification(Identification {
                id_type,
                protocol: 17,
                port: 500,
                data: &[9; 33][..len],
            });
            let expected = if len == wanted { Ok(1) } else { bad_length };
            assert_eq!(read(&[id]), expected, "{id_type} {len}");
        }
    }
    let original_address = |data| {
        read(&[Payload::Unknown {
            kind: PayloadType::NAT_OA,
            data,
        }])
    };
    assert_eq!(original_address(&[1, 0, 0, 0, 10, 0, 0, 1]), Ok(1));
    assert_eq!(original_address(&[1, 0, 0, 0, 10, 0, 0, 1, 9]), bad_length);
    assert_eq!(
        original_address(&[4, 0, 0, 0, 10, 0, 0, 1]),
        Err(Malformed::BadValue)
    );
}

#[test]
fn reserved_bits_are_ignored() {
    let mut octets = encode_message(&HEADER, &[Payload::VendorId(&[1])]);
    octets[HEADER_LEN + 1] = 0xff;
    octets[19] |= 0xf8;
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.header.flags, HEADER.flags);
    let Body::Clear(payloads) = message.body else {
        panic!("in the clear");
    };
    assert_eq!(payloads.parts.len(), 1);
}

#[test]
fn numbers_are_read_in_either_form() {
    let number = |attribute: Attribute<'_>| attribute.value.number();
    assert_eq!(number(Attribute::basic(12, 28_800)), Some(28_800));
    assert_eq!(
        number(Attribute::variable(12, &[0, 1, 0x51, 0x80])),
        Some(86_400)
    );
    assert_eq!(number(Attribute::variable(12, &[0xff; 8])), Some(u64::MAX));
    assert_eq!(number(Attribute::variable(12, &[0; 9])), None);
    assert_eq!(number(Attribute::variable(12, &[])), None);
}
