//! IKEv1 captures from other projects, and a message of a published handshake.

mod capture;

use capture::Captured;
use wire::Malformed;
use wire::ikev1::numbers::phase1::{attribute, encryption, hash, life_type};
use wire::ikev1::numbers::protocol;
use wire::ikev1::{
    Body, ExchangeType, Header, Message, NotifyType, Payload, PayloadType, Payloads, Proposal,
    Vendor, parse_payloads,
};
use wire::udp_encap::{Encapsulated, classify};

/// What of a capture is IKEv1.
fn messages<'a>(all: &'a [Captured], file: &'a str) -> impl Iterator<Item = &'a [u8]> {
    all.iter()
        .filter(move |captured| captured.file == file)
        .filter_map(
            |captured| match (captured.port, classify(&captured.payload)) {
                (Some(4500), Encapsulated::Ike(message)) => Some(message),
                (Some(500), _) => Some(&captured.payload[..]),
                _ => None,
            },
        )
        .filter(|message| Header::parse(message).is_ok_and(|header| header.major == 1))
}

fn read<'a>(all: &'a [Captured], file: &'a str) -> Vec<Message<'a>> {
    messages(all, file)
        .map(|message| Message::parse(message).expect("a real exchange parses"))
        .collect()
}

fn clear<'m, 'a>(message: &'m Message<'a>) -> &'m Payloads<'a> {
    match &message.body {
        Body::Clear(payloads) => payloads,
        Body::Encrypted(_) => panic!("encrypted"),
    }
}

fn kinds(message: &Message<'_>) -> Vec<PayloadType> {
    clear(message).iter().map(Payload::payload_type).collect()
}

fn vendors(message: &Message<'_>) -> Vec<Vendor> {
    clear(message)
        .iter()
        .filter_map(|payload| match payload {
            Payload::VendorId(body) => Vendor::read(body),
            _ => None,
        })
        .collect()
}

fn proposals<'m>(message: &'m Message<'_>) -> &'m [Proposal<'m>] {
    match clear(message).iter().next() {
        Some(Payload::Sa(sa)) => &sa.proposals,
        other => panic!("the first payload is SA, not {other:?}"),
    }
}

/// The basic attributes and the durations of a transform.
fn numbers(proposal: &Proposal<'_>, transform: usize) -> Vec<(u16, u64)> {
    proposal.transforms[transform]
        .attributes
        .iter()
        .map(|attribute| (attribute.kind, attribute.value.number().expect("a number")))
        .collect()
}

/// Six messages of main mode, of which the last two are encrypted, and three of quick mode.
fn check_flow(messages: &[Message<'_>]) {
    for (index, message) in messages[..9].iter().enumerate() {
        let expected = match index {
            0..6 => ExchangeType::IDENTITY_PROTECTION,
            _ => ExchangeType::QUICK_MODE,
        };
        assert_eq!(message.header.exchange, expected);
        assert_eq!(message.header.flags.encryption, index >= 4);
        assert_eq!(matches!(message.body, Body::Encrypted(_)), index >= 4);
        assert_eq!(message.header.message_id == 0, index < 6);
        assert_eq!(message.header.responder_cookie == 0, index == 0);
    }
}

#[test]
fn a_main_and_quick_mode_of_two_routers_is_read() {
    let all = capture::all();
    let messages = read(&all, "ikev1-isakmp-main-mode.pcap");
    assert_eq!(messages.len(), 9);
    check_flow(&messages);
    let [offer] = proposals(&messages[0]) else {
        panic!("one proposal");
    };
    assert_eq!((offer.protocol, offer.spi), (protocol::ISAKMP, &[][..]));
    let chosen = [
        (attribute::ENCRYPTION, u64::from(encryption::AES)),
        (attribute::KEY_LENGTH, 128),
        (attribute::HASH, u64::from(hash::SHA1)),
        (attribute::GROUP, 2),
        (attribute::AUTHENTICATION, 1),
        (attribute::LIFE_TYPE, u64::from(life_type::SECONDS)),
        (attribute::LIFE_DURATION, 86_400),
    ];
    assert_eq!(numbers(offer, 0), chosen);
    // The transform comes back as it was offered (RFC 2409 §5).
    assert_eq!(proposals(&messages[1]), core::slice::from_ref(offer));
    assert_eq!(vendors(&messages[1]), [Vendor::NatTraversal]);
    assert_eq!(
        vendors(&messages[0]),
        [
            Vendor::NatTraversal,
            Vendor::NatTraversalDraft03,
            Vendor::NatTraversalDraft02Newline
        ]
    );
    assert_eq!(
        vendors(&messages[2]),
        [Vendor::DeadPeerDetection, Vendor::ExtendedAuthentication]
    );
    let kinds = kinds(&messages[3]);
    assert_eq!(kinds[..2], [PayloadType::KE, PayloadType::NONCE]);
    assert_eq!(kinds[kinds.len() - 2..], [PayloadType::NAT_D; 2]);
}

#[test]
fn a_router_whose_nat_discovery_follows_an_unsupported_draft_is_read() {
    let all = capture::all();
    let messages = read(&all, "ISAKMP_sa_setup.pcap");
    assert_eq!(messages.len(), 9);
    check_flow(&messages);
    assert_eq!(kinds(&messages[2])[6..], [PayloadType(15); 2]);
}

#[test]
fn several_transforms_are_read_in_their_order() {
    let all = capture::all();
    let messages = read(&all, "isakmp4500.pcap");
    assert_eq!(messages.len(), 15);
    check_flow(&messages);
    let [offer] = proposals(&messages[0]) else {
        panic!("one proposal");
    };
    // This sender counts proposals from zero.
    assert_eq!((offer.number, offer.transforms.len()), (0, 4));
    let groups: Vec<u64> = (0..4).map(|index| numbers(offer, index)[5].1).collect();
    assert_eq!(groups, [5, 5, 2, 2]);
    let [answer] = proposals(&messages[1]) else {
        panic!("one proposal");
    };
    assert_eq!(answer.transforms, offer.transforms[..1]);
    let last = messages.last().expect("15 messages");
    assert_eq!(last.header.exchange, ExchangeType::INFORMATIONAL);
    assert!(matches!(last.body, Body::Encrypted(octets) if octets.len() == 48));
}

#[test]
fn packets_made_to_crash_dissectors_are_refused_or_read() {
    let all = capture::all();
    let verdicts = |file| -> Vec<Option<Malformed>> {
        messages(&all, file)
            .map(|message| Message::parse(message).err())
            .collect()
    };
    assert_eq!(
        verdicts("isakmp-pointer-loop.pcap"),
        [Some(Malformed::BadLength)]
    );
    assert_eq!(
        verdicts("isakmp-no-none-np.pcapng"),
        [Some(Malformed::BadLength)]
    );
    assert_eq!(verdicts("isakmp-identification-segfault.pcap"), [None]);
}

#[test]
fn truncated_at_any_octet_is_refused() {
    let all = capture::all();
    let mut seen = 0;
    for file in ["ikev1-isakmp-main-mode.pcap", "isakmp4500.pcap"] {
        for message in messages(&all, file) {
            for length in 0..message.len() {
                assert!(Message::parse(&message[..length]).is_err());
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 24);
}

/// The plaintext of an informational message, padding included, as RUB-NDS/IPsec-StateMachineExtractor
/// publishes it (7f2b9693, `EncryptedISAKMPMessageTest.java`, Apache-2.0; the octets only).
#[test]
fn a_decrypted_message_with_its_padding_is_read() {
    let plaintext = [
        0x0b, 0x00, 0x00, 0x18, 0x6c, 0xcb, 0xbd, 0xd7, 0x49, 0x96, 0x2c, 0x1c, 0x0c, 0xde, 0x5e,
        0x55, 0xe9, 0xbd, 0x8b, 0x73, 0xf7, 0x79, 0xba, 0x53, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00,
        0x00, 0x01, 0x01, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00,
    ];
    let read = parse_payloads(PayloadType::HASH, &plaintext).expect("a real message parses");
    assert_eq!(read.octets, &plaintext[..36]);
    assert_eq!(read.hashed(), Some((&plaintext[4..24], &plaintext[24..36])));
    let Some(Payload::Notification(notification)) = read.iter().nth(1) else {
        panic!("the second payload is a notification");
    };
    assert_eq!(notification.notify_type, NotifyType::PAYLOAD_MALFORMED);
    assert_eq!((notification.doi, notification.protocol), (1, 1));
    assert_eq!(
        read.body_of(PayloadType::NOTIFICATION),
        Some(&plaintext[28..36])
    );
}
