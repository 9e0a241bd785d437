//! Whatever can be said in IKEv1 can be written and read back, and no octets whatever make a reader
//! panic.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use wire::ikev1::{
    Attribute, Attributes, Body, ConfigurationKind, Delete, ExchangeType, Flags, Fragment,
    HEADER_LEN, Header, Identification, Message, NatNumbers, Notification, NotifyType, Payload,
    PayloadType, Proposal, Sa, Transform, encode_body, encode_message, encode_payloads, hash_range,
    pad_to_block, parse_payloads,
};

/// Octets with a `'static` life, so that strategies can hand out borrowed payloads.
fn octets(
    size: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), size).prop_map(|octets| &*octets.leak())
}

fn attribute() -> impl Strategy<Value = Attribute<'static>> {
    prop_oneof![
        (0_u16..0x8000, any::<u16>()).prop_map(|(kind, value)| Attribute::basic(kind, value)),
        (0_u16..0x8000, octets(0..12)).prop_map(|(kind, value)| Attribute::variable(kind, value)),
    ]
}

fn transform() -> impl Strategy<Value = Transform<'static>> {
    (any::<u8>(), any::<u8>(), vec(attribute(), 0..10)).prop_map(|(number, id, attributes)| {
        Transform {
            number,
            id,
            attributes,
        }
    })
}

fn proposal() -> impl Strategy<Value = Proposal<'static>> {
    let spi = prop_oneof![
        octets(0..=16).prop_map(|spi| (1, spi)),
        octets(4).prop_map(|spi| (2, spi)),
        octets(4).prop_map(|spi| (3, spi)),
        octets(2).prop_map(|spi| (4, spi)),
    ];
    (any::<u8>(), spi, vec(transform(), 0..8)).prop_map(|(number, (protocol, spi), transforms)| {
        Proposal {
            number,
            protocol,
            spi,
            transforms,
        }
    })
}

fn identification() -> impl Strategy<Value = Identification<'static>> {
    let data = prop_oneof![
        octets(4).prop_map(|data| (1, data)),
        octets(0..30).prop_map(|data| (2, data)),
        octets(8).prop_map(|data| (4, data)),
        octets(16).prop_map(|data| (5, data)),
        octets(32).prop_map(|data| (6, data)),
        octets(0..30).prop_map(|data| (11, data)),
    ];
    (data, any::<u8>(), any::<u16>()).prop_map(|((id_type, data), protocol, port)| Identification {
        id_type,
        protocol,
        port,
        data,
    })
}

fn notification() -> impl Strategy<Value = Notification<'static>> {
    let spi = octets(0..=16);
    (any::<u32>(), any::<u8>(), spi, any::<u16>(), octets(0..40)).prop_map(
        |(doi, protocol, spi, kind, data)| Notification {
            doi,
            protocol,
            spi,
            notify_type: NotifyType(kind),
            data,
        },
    )
}

fn delete() -> impl Strategy<Value = Delete<'static>> {
    let spis = prop_oneof![
        vec(octets(4), 0..8).prop_map(|spis| (3, spis)),
        vec(octets(16), 1..3).prop_map(|spis| (1, spis)),
    ];
    (any::<u32>(), spis).prop_map(|(doi, (protocol, spis))| Delete {
        doi,
        protocol,
        spis,
    })
}

fn attributes() -> impl Strategy<Value = Attributes<'static>> {
    let kind = prop_oneof![
        Just(ConfigurationKind::Request),
        Just(ConfigurationKind::Reply),
        Just(ConfigurationKind::Set),
        Just(ConfigurationKind::Ack),
    ];
    (kind, any::<u16>(), vec(attribute(), 0..12)).prop_map(|(kind, identifier, attributes)| {
        Attributes {
            kind,
            identifier,
            attributes,
        }
    })
}

fn numbers() -> impl Strategy<Value = NatNumbers> {
    prop_oneof![Just(NatNumbers::Rfc3947), Just(NatNumbers::Drafts)]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    ]
}

fn fragment() -> impl Strategy<Value = Fragment<'static>> {
    (any::<u16>(), 1_u8.., any::<bool>(), octets(0..64)).prop_map(|(id, number, last, data)| {
        Fragment {
            id,
            number,
            last,
            data,
        }
    })
}

/// Payloads of which a message may have several.
fn repeated() -> impl Strategy<Value = Payload<'static>> {
    prop_oneof![
        vec(proposal(), 1..4).prop_map(|proposals| Payload::Sa(Sa::new(proposals))),
        identification().prop_map(Payload::Identification),
        notification().prop_map(Payload::Notification),
        delete().prop_map(Payload::Delete),
        octets(0..32).prop_map(Payload::VendorId),
        (numbers(), octets(0..33)).prop_map(|(numbers, hash)| Payload::NatD { numbers, hash }),
        (numbers(), address()).prop_map(|(numbers, address)| Payload::NatOa { numbers, address }),
        (any::<u8>(), octets(0..32))
            .prop_map(|(encoding, data)| Payload::Certificate { encoding, data }),
        (any::<u8>(), octets(0..32))
            .prop_map(|(encoding, data)| Payload::CertificateRequest { encoding, data }),
        (133_u8.., octets(0..32)).prop_map(|(kind, data)| Payload::Unknown {
            kind: PayloadType(kind),
            data
        }),
    ]
}

/// HASH first, as where it counts, then at most one of each that may stand only once.
fn payloads() -> impl Strategy<Value = Vec<Payload<'static>>> {
    use proptest::option::of;
    let single = (
        of(octets(0..64).prop_map(Payload::Hash)),
        of(octets(0..64).prop_map(Payload::KeyExchange)),
        of(octets(8..=256).prop_map(Payload::Nonce)),
        of(octets(0..64).prop_map(Payload::Signature)),
        of(attributes().prop_map(Payload::Attributes)),
        of(fragment().prop_map(Payload::Fragment)),
    );
    (single, vec(repeated(), 0..8)).prop_map(|((a, b, c, d, e, f), repeated)| {
        let single = [a, b, c, d, e, f];
        single.into_iter().flatten().chain(repeated).collect()
    })
}

prop_compose! {
    fn header()(
        initiator_cookie: u64, responder_cookie: u64, minor in 0_u8..16, exchange: u8,
        commit: bool, authentication_only: bool, message_id: u32,
    ) -> Header {
        Header {
            initiator_cookie, responder_cookie, next_payload: 0, major: 1, minor,
            exchange: ExchangeType(exchange),
            flags: Flags { encryption: false, commit, authentication_only },
            message_id, length: 0,
        }
    }
}

proptest! {
    #[test]
    fn a_message_survives(header in header(), payloads in payloads()) {
        let octets = encode_message(&header, &payloads);
        let message = Message::parse(&octets).unwrap();
        let Body::Clear(read) = &message.body else {
            panic!("in the clear");
        };
        prop_assert_eq!(read.iter().cloned().collect::<Vec<_>>(), payloads.clone());
        prop_assert_eq!(read.octets, &octets[HEADER_LEN..]);
        for part in &read.parts {
            let mut body = Vec::new();
            encode_body(&part.payload, &mut body);
            prop_assert_eq!(&body, part.body);
        }
        let expected = Header {
            next_payload: payloads.first().map_or(0, |p| p.payload_type().0),
            length: u32::try_from(octets.len()).unwrap(),
            ..header
        };
        prop_assert_eq!(message.header, expected);
    }

    #[test]
    fn padding_is_not_part_of_a_chain(payloads in payloads(), block in prop_oneof![Just(8), Just(16)]) {
        // A fragment is never encrypted.
        prop_assume!(!matches!(payloads.first(), Some(Payload::Fragment(_))));
        let header = Header {
            initiator_cookie: 1, responder_cookie: 2, next_payload: 0, major: 1, minor: 0,
            exchange: ExchangeType::QUICK_MODE,
            flags: Flags { encryption: true, ..Flags::default() },
            message_id: 3, length: 0,
        };
        let mut message = encode_message(&header, &payloads);
        let unpadded = message.len();
        pad_to_block(&mut message, block);
        prop_assert!(message.len() < unpadded + block);
        prop_assert_eq!((message.len() - HEADER_LEN) % block, 0);
        let read = Message::parse(&message).unwrap();
        let Body::Encrypted(octets) = read.body else {
            panic!("says that it is encrypted");
        };
        let first = PayloadType(read.header.next_payload);
        let chain = parse_payloads(first, octets).unwrap();
        prop_assert_eq!(chain.octets.len(), unpadded - HEADER_LEN);
        prop_assert_eq!(chain.iter().cloned().collect::<Vec<_>>(), payloads);
    }

    #[test]
    fn what_a_hash_covers_is_what_was_written_after_it(
        hash in octets(0..64), rest in vec(repeated(), 0..6), header in header(),
    ) {
        let mut payloads = vec![Payload::Hash(hash)];
        payloads.extend(rest.iter().cloned());
        let message = encode_message(&header, &payloads);
        let range = hash_range(hash.len());
        prop_assert_eq!(&message[range.clone()], hash);
        let mut expected = Vec::new();
        encode_payloads(&rest, &mut expected);
        prop_assert_eq!(&message[range.end..], &expected);
        let read = parse_payloads(PayloadType::HASH, &message[HEADER_LEN..]).unwrap();
        prop_assert_eq!(read.hashed(), Some((hash, &expected[..])));
    }

    #[test]
    fn a_message_with_one_octet_changed_is_read_or_refused(
        payloads in payloads(), header in header(), at in any::<prop::sample::Index>(), to: u8,
    ) {
        let mut octets = encode_message(&header, &payloads);
        let at = at.index(octets.len());
        octets[at] = to;
        let _ = Message::parse(&octets);
    }

    #[test]
    fn no_octets_panic(first: u8, octets in vec(any::<u8>(), 0..256)) {
        let _ = Message::parse(&octets);
        if let Ok(read) = parse_payloads(PayloadType(first), &octets) {
            prop_assert!(read.octets.len() <= octets.len());
            let _ = read.hashed();
        }
    }
}
