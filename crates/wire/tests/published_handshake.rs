//! The initiator's side of a published handshake (Android Open Source Project,
//! platform/packages/modules/IPsec at c0736f6c, tests/iketests; Apache-2.0, values only).

use wire::ikev2::numbers::{self, authentication, identification};
use wire::ikev2::{
    ExchangeType, Message, NotifyType, Payload, PayloadType, TransformType, encode_encrypted_head,
    encode_message, encode_payloads, parse_payloads,
};

fn vector(name: &str) -> Vec<u8> {
    let text = include_str!("vectors/aosp-psk-handshake.txt");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .expect("the vector is in the file");
    (0..line.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

#[test]
fn ike_sa_init_is_read_and_written_octet_for_octet() {
    let octets = vector("ike_sa_init_request");
    let message = Message::parse(&octets).expect("parses");
    assert_eq!(message.header.exchange, ExchangeType::IKE_SA_INIT);
    assert_eq!(message.header.initiator_spi, 0x5f54_bf6d_8b48_e6e1);
    assert_eq!(message.header.responder_spi, 0);
    assert!(message.header.flags.initiator && !message.header.flags.response);
    let Payload::SecurityAssociation(proposals) = &message.payloads[0] else {
        panic!("SA comes first");
    };
    assert_eq!(proposals.len(), 1);
    let kinds: Vec<_> = proposals[0].transforms.iter().map(|t| t.kind).collect();
    assert!(kinds.contains(&TransformType::KEY_EXCHANGE));
    assert_eq!(proposals[0].transforms[0].id, numbers::encryption::AES_CBC);
    assert_eq!(proposals[0].transforms[0].key_bits, Some(128));
    assert!(
        matches!(&message.payloads[1], Payload::KeyExchange { group: 2, data } if data.len() == 128)
    );
    assert!(matches!(&message.payloads[2], Payload::Nonce(nonce) if **nonce == vector("ni")));
    let notifies: Vec<_> = message
        .payloads
        .iter()
        .filter_map(|payload| match payload {
            Payload::Notify(notify) => Some(notify.kind),
            _ => None,
        })
        .collect();
    assert!(notifies.contains(&NotifyType::NAT_DETECTION_SOURCE_IP));
    assert!(notifies.contains(&NotifyType::NAT_DETECTION_DESTINATION_IP));
    assert_eq!(encode_message(&message.header, &message.payloads), octets);
}

#[test]
fn ike_auth_shows_where_its_encrypted_payload_stands() {
    let octets = vector("ike_auth_request");
    let message = Message::parse(&octets).expect("parses");
    let encrypted = message.encrypted.expect("IKE_AUTH is encrypted");
    assert!(message.payloads.is_empty());
    assert_eq!(encrypted.first, PayloadType::IDI);
    assert_eq!(encrypted.fragment, None);
    assert_eq!(encrypted.body, 32);
    let head = encode_encrypted_head(
        &message.header,
        &[],
        encrypted.first,
        None,
        octets.len() - encrypted.body,
    );
    assert_eq!(head, octets[..encrypted.body]);
}

#[test]
fn the_decrypted_payloads_are_read_and_written_octet_for_octet() {
    let octets = vector("ike_auth_plaintext_payloads");
    let payloads = parse_payloads(PayloadType::IDI, &octets).expect("parses");
    assert!(matches!(
        &payloads[0],
        Payload::IdentificationInitiator(id)
            if id.kind == identification::IPV4_ADDR && id.data == [10, 80, 80, 13]
    ));
    assert!(payloads.iter().any(|payload| matches!(
        payload,
        Payload::Authentication { method: authentication::SHARED_KEY, data } if data.len() == 20
    )));
    assert!(payloads.iter().any(
        |payload| matches!(payload, Payload::TrafficSelectorsInitiator(ts) if ts.len() == 1
            && ts[0].end_port == 65535)
    ));
    let mut written = Vec::new();
    assert_eq!(encode_payloads(&payloads, &mut written), PayloadType::IDI);
    assert_eq!(written, octets);
}
