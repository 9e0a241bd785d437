//! Chains of payloads that an input makes up: well-formed for the most part, and senseless.

use wire::ikev1::numbers::{identification, phase1, phase2, protocol, transaction};
use wire::ikev1::{
    Attribute, Attributes, ConfigurationKind, Delete, Identification, NatNumbers, Notification,
    NotifyType, Payload, PayloadType, Proposal, Sa, Transform, encode_payloads,
};

use crate::operations::Operations;

const NOTIFIES: [NotifyType; 12] = [
    NotifyType::R_U_THERE,
    NotifyType::R_U_THERE_ACK,
    NotifyType::INITIAL_CONTACT,
    NotifyType::IOS_KEEPALIVE,
    NotifyType::IOS_KEEPALIVE_ACK,
    NotifyType::RESPONDER_LIFETIME,
    NotifyType::REPLAY_STATUS,
    NotifyType::CONNECTED,
    NotifyType::INVALID_SPI,
    NotifyType::INVALID_COOKIE,
    NotifyType::NO_PROPOSAL_CHOSEN,
    NotifyType::PAYLOAD_MALFORMED,
];

const ASKED: [u16; 14] = [
    transaction::attribute::INTERNAL_IP4_ADDRESS,
    transaction::attribute::INTERNAL_IP4_NETMASK,
    transaction::attribute::INTERNAL_IP4_DNS,
    transaction::attribute::INTERNAL_IP4_SUBNET,
    transaction::attribute::INTERNAL_ADDRESS_EXPIRY,
    transaction::attribute::INTERNAL_IP6_ADDRESS,
    transaction::attribute::APPLICATION_VERSION,
    transaction::xauth::TYPE,
    transaction::xauth::USER_NAME,
    transaction::xauth::USER_PASSWORD,
    transaction::xauth::STATUS,
    transaction::unity::BANNER,
    transaction::unity::SPLIT_INCLUDE,
    transaction::unity::DEFAULT_DOMAIN,
];

/// What the peer knows and a payload may name.
pub(super) struct Known {
    pub(super) cookies: [u8; 16],
    pub(super) spis: Vec<[u8; 4]>,
    pub(super) public: Vec<u8>,
    pub(super) identifier: u16,
}

/// A chain, and the type of its first payload.
pub(super) fn build(operations: &mut Operations<'_>, known: &Known) -> (PayloadType, Vec<u8>) {
    let count = operations.octet() % 6;
    let payloads: Vec<Payload<'_>> = (0..count).map(|_| payload(operations, known)).collect();
    let mut octets = Vec::new();
    let first = encode_payloads(&payloads, &mut octets);
    (first, octets)
}

fn payload<'p, 'd: 'p>(operations: &mut Operations<'d>, known: &'p Known) -> Payload<'p> {
    match operations.octet() % 16 {
        0 | 1 => Payload::Sa(sa(operations, known)),
        2 | 3 => Payload::Nonce(nonce(operations)),
        4 => Payload::KeyExchange(&known.public),
        5 => Payload::KeyExchange(operations.run()),
        6 | 7 => Payload::Identification(identification(operations)),
        8 | 9 => Payload::Notification(notification(operations, known)),
        10 => Payload::Delete(delete(operations, known)),
        11 | 12 => Payload::Attributes(attributes(operations, known)),
        13 => Payload::NatOa {
            numbers: NatNumbers::Rfc3947,
            address: [10, 0, 0, operations.octet()].into(),
        },
        14 => Payload::VendorId(operations.run()),
        _ => Payload::Unknown {
            kind: PayloadType(operations.octet()),
            data: operations.run(),
        },
    }
}

fn nonce<'a>(operations: &mut Operations<'a>) -> &'a [u8] {
    match operations.run() {
        nonce if (8..=256).contains(&nonce.len()) => nonce,
        _ => b"a nonce of a peer",
    }
}

fn known_spi<'p>(operations: &mut Operations<'_>, known: &'p Known) -> &'p [u8] {
    let pick = usize::from(operations.octet());
    known
        .spis
        .get(pick % known.spis.len().max(1))
        .map_or(b"none", |spi| spi)
}

fn sa<'p, 'd: 'p>(operations: &mut Operations<'d>, known: &'p Known) -> Sa<'p> {
    let proposals = 1 + operations.octet() % 3;
    Sa::new(
        (0..proposals)
            .map(|_| proposal(operations, known))
            .collect(),
    )
}

fn proposal<'p, 'd: 'p>(operations: &mut Operations<'d>, known: &'p Known) -> Proposal<'p> {
    let (protocol, spi) = match operations.octet() % 8 {
        0 => (protocol::ISAKMP, &known.cookies[..8]),
        1 => (protocol::AH, &b"spi1"[..]),
        2 => (protocol::IPCOMP, &b"sp"[..]),
        3 => (protocol::ESP, known_spi(operations, known)),
        _ => (protocol::ESP, &b"spi1"[..]),
    };
    let transforms = operations.octet() % 4;
    Proposal {
        number: operations.octet() % 4,
        protocol,
        spi,
        transforms: (0..transforms).map(|_| transform(operations)).collect(),
    }
}

fn transform<'a>(operations: &mut Operations<'a>) -> Transform<'a> {
    let sound = operations.octet();
    if sound & 1 == 0 {
        return Transform {
            number: sound,
            id: phase2::esp::AES_GCM_16,
            attributes: vec![
                Attribute::basic(phase2::attribute::LIFE_TYPE, 1 + u16::from(sound >> 1 & 1)),
                Attribute::basic(phase2::attribute::LIFE_DURATION, operations.number()),
                Attribute::basic(phase2::attribute::KEY_LENGTH, 128),
                Attribute::basic(
                    phase2::attribute::ENCAPSULATION,
                    phase2::encapsulation::TUNNEL,
                ),
            ],
        };
    }
    let count = operations.octet() % 6;
    Transform {
        number: sound,
        id: operations.octet(),
        attributes: (0..count).map(|_| attribute(operations)).collect(),
    }
}

fn attribute<'a>(operations: &mut Operations<'a>) -> Attribute<'a> {
    let kind = match operations.octet() {
        small @ 0..64 => u16::from(small) % 16,
        other => ASKED
            .get(usize::from(other) % ASKED.len())
            .copied()
            .unwrap_or(phase1::attribute::PRF),
    };
    if operations.octet() & 1 == 0 {
        Attribute::basic(kind, operations.number())
    } else {
        Attribute::variable(kind, operations.run())
    }
}

fn attributes<'a>(operations: &mut Operations<'a>, known: &Known) -> Attributes<'a> {
    let kind = match operations.octet() % 4 {
        0 => ConfigurationKind::Request,
        1 => ConfigurationKind::Reply,
        2 => ConfigurationKind::Set,
        _ => ConfigurationKind::Ack,
    };
    let identifier = match operations.octet() {
        0..200 => known.identifier,
        other => u16::from(other),
    };
    let count = operations.octet() % 8;
    Attributes {
        kind,
        identifier,
        attributes: (0..count).map(|_| attribute(operations)).collect(),
    }
}

fn identification<'a>(operations: &mut Operations<'a>) -> Identification<'a> {
    let data = operations.run();
    let (id_type, data) = match (operations.octet() % 4, data) {
        (0, _) => (
            identification::IPV4_ADDR_SUBNET,
            &[172, 16, 0, 0, 255, 240, 0, 0][..],
        ),
        (1, _) => (identification::IPV4_ADDR, &[100, 64, 0, 1][..]),
        (2, data) => (identification::FQDN, data),
        (_, data) => (identification::KEY_ID, data),
    };
    Identification {
        id_type,
        protocol: operations.octet() % 18,
        port: operations.number(),
        data,
    }
}

fn notification<'p, 'd: 'p>(operations: &mut Operations<'d>, known: &'p Known) -> Notification<'p> {
    let pick = usize::from(operations.octet());
    let spi = match operations.octet() % 4 {
        0 => &[][..],
        1 => known_spi(operations, known),
        _ => &known.cookies,
    };
    Notification {
        doi: u32::from(operations.octet() % 3),
        protocol: operations.octet() % 5,
        spi,
        notify_type: NOTIFIES
            .get(pick)
            .copied()
            .unwrap_or(NotifyType(operations.number())),
        data: operations.run(),
    }
}

fn delete<'p>(operations: &mut Operations<'_>, known: &'p Known) -> Delete<'p> {
    let (protocol, spi) = match operations.octet() % 4 {
        0 => (protocol::ISAKMP, &known.cookies[..]),
        1 => (protocol::ISAKMP, &known.cookies[..8]),
        2 => (protocol::AH, known_spi(operations, known)),
        _ => (protocol::ESP, known_spi(operations, known)),
    };
    Delete {
        doi: 1,
        protocol,
        spis: vec![spi; usize::from(operations.octet() % 4)],
    }
}
