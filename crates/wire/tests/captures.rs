//! Captures from other projects: real exchanges have to parse, packets made to crash dissectors
//! have to be refused or read, and nothing may panic.

mod capture;

use capture::Captured;
use wire::Malformed;
use wire::esp::EspHeader;
use wire::ikev2::{ExchangeType, Header, Message, NotifyType, Payload, PayloadType};
use wire::udp_encap::{Encapsulated, classify};

fn ike(captured: &Captured) -> Option<&[u8]> {
    match (captured.port, classify(&captured.payload)) {
        (Some(4500), Encapsulated::Ike(message)) => Some(message),
        (Some(500), _) => Some(&captured.payload),
        _ => None,
    }
}

fn messages_of<'a>(all: &'a [Captured], file: &str) -> Vec<Result<Message<'a>, Malformed>> {
    all.iter()
        .filter(|captured| captured.file == file)
        .filter_map(ike)
        .map(Message::parse)
        .collect()
}

#[test]
fn no_capture_panics_and_each_is_read() {
    let all = capture::all();
    let mut messages = 0;
    let mut esp = 0;
    for captured in &all {
        if let Some(message) = ike(captured) {
            let _ = Header::parse(message);
            let _ = Message::parse(message);
            messages += 1;
        } else {
            let _ = EspHeader::parse(&captured.payload);
            esp += 1;
        }
    }
    assert!(messages > 40, "only {messages} IKE messages were found");
    assert!(esp > 20, "only {esp} ESP packets were found");
}

fn kinds(message: &Message<'_>) -> Vec<PayloadType> {
    message.payloads.iter().map(Payload::payload_type).collect()
}

#[test]
fn a_whole_ikev2_exchange_is_read() {
    let all = capture::all();
    let messages: Vec<Message<'_>> = messages_of(&all, "ikev2four.pcap")
        .into_iter()
        .map(|message| message.expect("a real exchange parses"))
        .collect();
    assert_eq!(messages.len(), 21);
    let offer = [
        PayloadType::SA,
        PayloadType::KE,
        PayloadType::NONCE,
        PayloadType::NOTIFY,
        PayloadType::NOTIFY,
    ];
    assert_eq!(kinds(&messages[0]), offer);
    assert!(matches!(
        &messages[1].payloads[..],
        [Payload::Notify(notify)] if notify.kind == NotifyType::COOKIE
    ));
    assert_eq!(kinds(&messages[2])[1..], offer);
    assert_eq!(kinds(&messages[3]), offer);
    for message in &messages[4..] {
        assert_ne!(message.header.exchange, ExchangeType::IKE_SA_INIT);
        assert!(message.encrypted.is_some());
        assert!(message.payloads.is_empty());
    }
}

#[test]
fn weak_proposals_are_read_as_they_stand() {
    let all = capture::all();
    let messages = messages_of(&all, "IKEv2_SA_INIT_2-8-weak.pcap");
    let message = messages[0].as_ref().expect("parses");
    // The sender's order is unusual but not forbidden.
    assert_eq!(
        kinds(message),
        [PayloadType::NONCE, PayloadType::KE, PayloadType::SA]
    );
    let Payload::SecurityAssociation(proposals) = &message.payloads[2] else {
        panic!("the third payload is SA");
    };
    assert!(!proposals[0].transforms.is_empty());
}

#[test]
fn ikev1_is_told_from_ikev2_by_its_version() {
    let all = capture::all();
    let mut seen = 0;
    for captured in &all {
        let Some(message) = ike(captured) else {
            continue;
        };
        if Header::parse(message).is_ok_and(|header| header.major == 1) {
            assert_eq!(Message::parse(message), Err(Malformed::BadValue));
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} IKEv1 messages were found");
}

#[test]
fn truncated_at_any_octet_is_refused() {
    for captured in &capture::all() {
        let Some(message) = ike(captured) else {
            continue;
        };
        if Message::parse(message).is_ok() {
            for length in 0..message.len() {
                assert!(Message::parse(&message[..length]).is_err());
            }
        }
    }
}
