//! Limits and lies: lists that are too long, lengths that do not add up.

use wire::Malformed;
use wire::ikev2::numbers::protocol;
use wire::ikev2::{
    DELETED_SPIS_MAX, ExchangeType, Flags, HEADER_LEN, Header, Message, PAYLOADS_MAX,
    PROPOSALS_MAX, Payload, PayloadType, Proposal, Puzzle, SELECTORS_MAX, TRANSFORMS_MAX,
    TrafficSelector, Transform, TransformType, encode_message, encode_payloads, parse_payloads,
};

const HEADER: Header = Header {
    initiator_spi: 1,
    responder_spi: 2,
    next_payload: 0,
    major: 2,
    minor: 0,
    exchange: ExchangeType::INFORMATIONAL,
    flags: Flags {
        initiator: true,
        version: false,
        response: false,
    },
    message_id: 3,
    length: 0,
};

const TRANSFORM: Transform = Transform {
    kind: TransformType::ENCRYPTION,
    id: 20,
    key_bits: Some(256),
    unknown_attribute: false,
};

fn read(payloads: &[Payload<'_>]) -> Result<usize, Malformed> {
    let mut octets = Vec::new();
    let first = encode_payloads(payloads, &mut octets);
    parse_payloads(first, &octets).map(|payloads| payloads.len())
}

fn proposals(count: usize, transforms: usize) -> Payload<'static> {
    let proposal = Proposal {
        number: 1,
        protocol: protocol::IKE,
        spi: &[],
        transforms: vec![TRANSFORM; transforms],
    };
    Payload::SecurityAssociation(vec![proposal; count])
}

#[test]
fn lists_have_limits() {
    let vendor = Payload::VendorId(&[1]);
    assert_eq!(read(&vec![vendor.clone(); PAYLOADS_MAX]), Ok(PAYLOADS_MAX));
    assert_eq!(
        read(&vec![vendor; PAYLOADS_MAX + 1]),
        Err(Malformed::TooMany)
    );

    assert_eq!(read(&[proposals(PROPOSALS_MAX, 1)]), Ok(1));
    assert_eq!(
        read(&[proposals(PROPOSALS_MAX + 1, 1)]),
        Err(Malformed::TooMany)
    );
    assert_eq!(read(&[proposals(1, TRANSFORMS_MAX)]), Ok(1));
    assert_eq!(
        read(&[proposals(1, TRANSFORMS_MAX + 1)]),
        Err(Malformed::TooMany)
    );
    assert_eq!(
        read(&[proposals(5, TRANSFORMS_MAX)]),
        Err(Malformed::TooMany)
    );

    let selector = TrafficSelector {
        protocol: 0,
        start_port: 0,
        end_port: 65535,
        start: [10, 0, 0, 0].into(),
        end: [10, 0, 0, 255].into(),
    };
    let selectors = |count| Payload::TrafficSelectorsInitiator(vec![selector; count]);
    assert_eq!(read(&[selectors(SELECTORS_MAX)]), Ok(1));
    assert_eq!(
        read(&[selectors(SELECTORS_MAX + 1)]),
        Err(Malformed::TooMany)
    );

    let delete = |count| {
        Payload::Delete(wire::ikev2::Delete {
            protocol: protocol::ESP,
            spis: vec![7; count],
        })
    };
    assert_eq!(read(&[delete(DELETED_SPIS_MAX)]), Ok(1));
    assert_eq!(
        read(&[delete(DELETED_SPIS_MAX + 1)]),
        Err(Malformed::TooMany)
    );
}

#[test]
fn a_second_payload_of_a_single_kind_is_refused() {
    let nonce = [7; 16];
    let payload = Payload::Nonce(&nonce);
    assert_eq!(read(&[payload.clone(), payload]), Err(Malformed::TooMany));
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
fn a_payload_length_below_its_own_header_is_refused() {
    for length in 0..4 {
        let mut octets = encode_message(&HEADER, &[Payload::VendorId(&[1, 2, 3])]);
        octets[HEADER_LEN + 3] = length;
        assert_eq!(Message::parse(&octets), Err(Malformed::BadLength));
    }
}

#[test]
fn octets_after_the_last_payload_are_refused() {
    let mut octets = Vec::new();
    let first = encode_payloads(&[Payload::VendorId(&[1])], &mut octets);
    octets.push(0);
    assert_eq!(parse_payloads(first, &octets), Err(Malformed::BadLength));
    assert_eq!(
        parse_payloads(PayloadType::NONE, &[0]),
        Err(Malformed::BadLength)
    );
    assert_eq!(parse_payloads(PayloadType::NONE, &[]), Ok(Vec::new()));
}

#[test]
fn an_encrypted_payload_must_be_the_last_and_never_nests() {
    let sk = [0, 0, 0, 4];
    assert_eq!(
        parse_payloads(PayloadType::SK, &sk),
        Err(Malformed::BadValue)
    );
    let mut octets = encode_message(
        &HEADER,
        &[Payload::Unknown {
            kind: PayloadType::SK,
            critical: false,
            data: &[1, 2, 3],
        }],
    );
    assert!(Message::parse(&octets).unwrap().encrypted.is_some());
    octets.extend_from_slice(&[0, 0, 0, 4]);
    let length = u8::try_from(octets.len()).unwrap();
    octets[27] = length;
    assert_eq!(Message::parse(&octets), Err(Malformed::BadLength));
}

#[test]
fn fragment_numbers_start_at_one_and_stay_within_the_total() {
    let message = |number: u16, total: u16| {
        wire::ikev2::encode_encrypted_head(
            &HEADER,
            &[],
            PayloadType::NONE,
            Some((number, total)),
            0,
        )
    };
    assert!(Message::parse(&message(1, 1)).is_ok());
    assert_eq!(Message::parse(&message(0, 1)), Err(Malformed::BadValue));
    assert_eq!(Message::parse(&message(2, 1)), Err(Malformed::BadValue));
}

#[test]
fn nonces_and_addresses_have_their_sizes() {
    assert_eq!(read(&[Payload::Nonce(&[0; 15])]), Err(Malformed::BadLength));
    assert_eq!(
        read(&[Payload::Nonce(&[0; 257])]),
        Err(Malformed::BadLength)
    );
    for (kind, len) in [(1, 3), (1, 5), (5, 4), (5, 17)] {
        let id = wire::ikev2::Identification {
            kind,
            data: &[9; 17][..len],
        };
        assert_eq!(
            read(&[Payload::IdentificationInitiator(id)]),
            Err(Malformed::BadLength)
        );
    }
}

#[test]
fn an_unknown_attribute_is_remembered_and_a_lying_length_refused() {
    let mut octets = Vec::new();
    let first = encode_payloads(&[proposals(1, 1)], &mut octets);
    // Payload header 4, proposal header 8, transform header 8: the attribute follows.
    octets[20] = 0x80;
    octets[21] = 99;
    let payloads = parse_payloads(first, &octets).unwrap();
    let Payload::SecurityAssociation(read) = &payloads[0] else {
        panic!("SA");
    };
    assert!(read[0].transforms[0].unknown_attribute);
    assert_eq!(read[0].transforms[0].key_bits, None);
    // As type-length-value the same octets claim 256 that are not there.
    octets[20] = 0;
    assert_eq!(parse_payloads(first, &octets), Err(Malformed::BadLength));
}

#[test]
fn unknown_selector_types_are_passed_over() {
    // One selector of type 9 between two of type 7 (RFC 7296 §3.13.1).
    let mut body = vec![3, 0, 0, 0];
    let known = [7, 0, 0, 16, 0, 0, 0xff, 0xff, 10, 0, 0, 0, 10, 0, 0, 9];
    body.extend_from_slice(&known);
    body.extend_from_slice(&[9, 0, 0, 8, 1, 2, 3, 4]);
    body.extend_from_slice(&known);
    let mut octets = vec![0, 0, 0, u8::try_from(body.len() + 4).unwrap()];
    octets.extend_from_slice(&body);
    let payloads = parse_payloads(PayloadType::TSI, &octets).unwrap();
    assert!(matches!(&payloads[0], Payload::TrafficSelectorsInitiator(ts) if ts.len() == 2));
}

#[test]
fn reserved_bits_are_ignored() {
    let mut octets = encode_message(&HEADER, &[Payload::VendorId(&[1])]);
    octets[HEADER_LEN + 1] = 0x7f;
    octets[19] |= 0xc7;
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.payloads, [Payload::VendorId(&[1])]);
    assert_eq!(message.header.flags, HEADER.flags);
}

#[test]
fn the_solution_of_a_puzzle_is_four_keys_of_one_size() {
    for (length, fits) in [(0, false), (3, false), (4, true), (6, false), (16, true)] {
        let data = vec![7; length];
        let read = read(&[Payload::PuzzleSolution(&data)]);
        assert_eq!(read.is_ok(), fits, "{length}");
    }
}

#[test]
fn a_puzzle_has_three_octets() {
    let puzzle = Puzzle {
        prf: 5,
        difficulty: 18,
    };
    assert_eq!(puzzle.data(), [0, 5, 18]);
    assert_eq!(Puzzle::parse(&puzzle.data()), Ok(puzzle));
    assert_eq!(Puzzle::parse(&[0, 5]), Err(Malformed::BadLength));
    assert_eq!(Puzzle::parse(&[0, 5, 18, 0]), Err(Malformed::BadLength));
}
