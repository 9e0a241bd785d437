//! Whatever can be said can be written and read back, and no octets whatever make a reader panic.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wire::ikev2::numbers::protocol;
use wire::ikev2::{
    Attribute, Configuration, ConfigurationKind, Delete, ExchangeType, Flags, Header,
    Identification, Message, Notify, NotifyType, Payload, PayloadType, Proposal, TrafficSelector,
    Transform, TransformType, encode_encrypted_head, encode_message, encode_payloads,
    parse_payloads,
};
use wire::ip::InnerPacket;

/// Octets with a `'static` life, so that strategies can hand out borrowed payloads.
fn octets(
    size: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), size).prop_map(|octets| &*octets.leak())
}

fn transform() -> impl Strategy<Value = Transform> {
    (1_u8..6, any::<u16>(), option::of(any::<u16>())).prop_map(|(kind, id, key_bits)| Transform {
        kind: TransformType(kind),
        id,
        key_bits,
        unknown_attribute: false,
    })
}

fn proposal() -> impl Strategy<Value = Proposal<'static>> {
    let spi = prop_oneof![
        octets(8).prop_map(|spi| (protocol::IKE, spi)),
        octets(0).prop_map(|spi| (protocol::IKE, spi)),
        octets(4).prop_map(|spi| (protocol::ESP, spi)),
    ];
    (any::<u8>(), spi, vec(transform(), 0..12)).prop_map(|(number, (protocol, spi), transforms)| {
        Proposal {
            number,
            protocol,
            spi,
            transforms,
        }
    })
}

fn selector() -> impl Strategy<Value = TrafficSelector> {
    let v4 = (any::<u32>(), any::<u32>())
        .prop_map(|(a, b)| [a, b].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))));
    let v6 = (any::<u128>(), any::<u128>())
        .prop_map(|(a, b)| [a, b].map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))));
    let addresses = prop_oneof![v4, v6];
    (any::<u8>(), any::<u16>(), any::<u16>(), addresses).prop_map(
        |(protocol, start_port, end_port, [a, b])| TrafficSelector {
            protocol,
            start_port,
            end_port,
            start: a.min(b),
            end: a.max(b),
        },
    )
}

fn identification() -> impl Strategy<Value = Identification<'static>> {
    prop_oneof![
        octets(4).prop_map(|data| Identification { kind: 1, data }),
        octets(16).prop_map(|data| Identification { kind: 5, data }),
        octets(0..40).prop_map(|data| Identification { kind: 2, data }),
        octets(0..40).prop_map(|data| Identification { kind: 11, data }),
    ]
}

fn configuration() -> impl Strategy<Value = Configuration<'static>> {
    let kind = prop_oneof![
        Just(ConfigurationKind::Request),
        Just(ConfigurationKind::Reply),
        Just(ConfigurationKind::Set),
        Just(ConfigurationKind::Ack),
    ];
    let attribute =
        (0_u16..0x8000, octets(0..20)).prop_map(|(kind, value)| Attribute { kind, value });
    (kind, vec(attribute, 0..8)).prop_map(|(kind, attributes)| Configuration { kind, attributes })
}

/// At most one of each: a message may not carry two of most kinds.
fn payloads() -> impl Strategy<Value = Vec<Payload<'static>>> {
    let notify = (any::<u8>(), octets(0..9), any::<u16>(), octets(0..64)).prop_map(
        |(protocol, spi, kind, data)| {
            Payload::Notify(Notify {
                protocol,
                spi,
                kind: NotifyType(kind),
                data,
            })
        },
    );
    let delete = prop_oneof![
        vec(any::<u32>(), 0..8).prop_map(|spis| Delete {
            protocol: protocol::ESP,
            spis
        }),
        Just(Delete {
            protocol: protocol::IKE,
            spis: Vec::new()
        }),
    ];
    let unknown = (55_u8..255, any::<bool>(), octets(0..32)).prop_map(|(kind, critical, data)| {
        Payload::Unknown {
            kind: PayloadType(kind),
            critical,
            data,
        }
    });
    let single = (
        option::of(vec(proposal(), 1..5).prop_map(Payload::SecurityAssociation)),
        option::of(
            (any::<u16>(), octets(0..96))
                .prop_map(|(group, data)| Payload::KeyExchange { group, data }),
        ),
        option::of(octets(16..=256).prop_map(Payload::Nonce)),
        option::of(identification().prop_map(Payload::IdentificationInitiator)),
        option::of(identification().prop_map(Payload::IdentificationResponder)),
        option::of(
            (any::<u8>(), octets(0..64))
                .prop_map(|(method, data)| Payload::Authentication { method, data }),
        ),
        option::of(vec(selector(), 0..6).prop_map(Payload::TrafficSelectorsInitiator)),
        option::of(vec(selector(), 0..6).prop_map(Payload::TrafficSelectorsResponder)),
        option::of(configuration().prop_map(Payload::Configuration)),
        option::of(octets(0..32).prop_map(Payload::Eap)),
    );
    let repeated = vec(
        prop_oneof![
            notify,
            delete.prop_map(Payload::Delete),
            unknown,
            octets(0..32).prop_map(Payload::VendorId),
            (1..9_usize)
                .prop_flat_map(|keys| octets(keys * 4..=keys * 4))
                .prop_map(Payload::PuzzleSolution),
            (any::<u8>(), octets(0..32))
                .prop_map(|(encoding, data)| Payload::Certificate { encoding, data }),
            (any::<u8>(), octets(0..32))
                .prop_map(|(encoding, data)| Payload::CertificateRequest { encoding, data }),
        ],
        0..8,
    );
    (single, repeated).prop_map(|((a, b, c, d, e, f, g, h, i, j), repeated)| {
        let single = [a, b, c, d, e, f, g, h, i, j];
        single.into_iter().flatten().chain(repeated).collect()
    })
}

prop_compose! {
    fn header()(
        initiator_spi: u64, responder_spi: u64, minor in 0_u8..16, exchange: u8,
        initiator: bool, version: bool, response: bool, message_id: u32,
    ) -> Header {
        Header {
            initiator_spi, responder_spi, next_payload: 0, major: 2, minor,
            exchange: ExchangeType(exchange),
            flags: Flags { initiator, version, response },
            message_id, length: 0,
        }
    }
}

proptest! {
    #[test]
    fn a_message_survives(header in header(), payloads in payloads()) {
        let octets = encode_message(&header, &payloads);
        let message = Message::parse(&octets).unwrap();
        prop_assert_eq!(&message.payloads, &payloads);
        prop_assert_eq!(message.encrypted, None);
        let expected = Header {
            next_payload: payloads.first().map_or(0, |p| p.payload_type().0),
            length: u32::try_from(octets.len()).unwrap(),
            ..header
        };
        prop_assert_eq!(message.header, expected);
    }

    #[test]
    fn a_chain_survives(payloads in payloads()) {
        let mut octets = Vec::new();
        let first = encode_payloads(&payloads, &mut octets);
        prop_assert_eq!(parse_payloads(first, &octets).unwrap(), payloads);
    }

    #[test]
    fn an_encrypted_head_survives(
        header in header(),
        first in any::<u8>(),
        total in option::of(1_u16..),
        sealed in vec(any::<u8>(), 0..64),
        clear in octets(0..16),
    ) {
        let fragment = total.map(|total| (1 + total / 2, total));
        let clear = [Payload::VendorId(clear)];
        let mut octets =
            encode_encrypted_head(&header, &clear, PayloadType(first), fragment, sealed.len());
        let body = octets.len();
        octets.extend_from_slice(&sealed);
        let message = Message::parse(&octets).unwrap();
        let encrypted = message.encrypted.unwrap();
        prop_assert_eq!(encrypted.first, PayloadType(first));
        prop_assert_eq!(encrypted.fragment, fragment);
        prop_assert_eq!(encrypted.body, body);
        prop_assert_eq!(message.payloads, clear);
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
        let _ = parse_payloads(PayloadType(first), &octets);
        if let Ok(inner) = InnerPacket::parse(&octets) {
            prop_assert!(inner.header_len <= inner.total_len && inner.total_len <= octets.len());
        }
    }
}
