use wire::esp::EspHeader;
use wire::ikev2::{
    Message, PAYLOADS_MAX, Payload, PayloadType, encode_message, encode_payloads, parse_payloads,
};
use wire::udp_encap::{Encapsulated, classify};

/// A datagram of IKE, without the marker. What is read can be written and is then read the same.
pub fn ikev2_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    assert!(message.payloads.len() <= PAYLOADS_MAX);
    if let Some(encrypted) = message.encrypted {
        assert!(encrypted.body <= data.len());
        return;
    }
    if is_writable(&message.payloads) {
        let written = encode_message(&message.header, &message.payloads);
        let again = Message::parse(&written).expect("what was written is readable");
        assert_eq!(again.payloads, message.payloads);
    }
}

/// The first octet is the type of the first payload, the rest a decrypted chain.
pub fn ikev2_payloads(data: &[u8]) {
    let Some((first, octets)) = data.split_first() else {
        return;
    };
    let Ok(payloads) = parse_payloads(PayloadType(*first), octets) else {
        return;
    };
    assert!(payloads.len() <= PAYLOADS_MAX);
    if is_writable(&payloads) {
        let mut written = Vec::new();
        let first = encode_payloads(&payloads, &mut written);
        let again = parse_payloads(first, &written).expect("what was written is readable");
        assert_eq!(again, payloads);
    }
}

/// An unknown attribute is remembered by its presence only, so it cannot be written again.
fn is_writable(payloads: &[Payload<'_>]) -> bool {
    payloads.iter().all(|payload| match payload {
        Payload::SecurityAssociation(proposals) => proposals
            .iter()
            .flat_map(|proposal| &proposal.transforms)
            .all(|transform| !transform.unknown_attribute),
        _ => true,
    })
}

/// A datagram on the encapsulation port.
pub fn udp_encap(data: &[u8]) {
    match classify(data) {
        Encapsulated::Keepalive => assert_eq!(data, [0xff]),
        Encapsulated::Ike(message) => {
            assert_eq!(message.len() + 4, data.len());
            ikev2_message(message);
        }
        Encapsulated::Esp => {
            if let Ok(header) = EspHeader::parse(data) {
                assert_eq!(data.get(..8), Some(&header.to_octets()[..]));
            }
        }
        Encapsulated::TooShort => assert!(data.len() < 4),
    }
}
