//! Published packets (`tests/vectors/esp.json` says whose), opened and, where the IV is ours to
//! choose, sealed.

use core::ops::Range;

use crypto::{
    EncryptionAlgorithm, IntegrityAlgorithm, OpeningKey, PrfAlgorithm, ProtectionSuite, SealingKey,
    prf,
};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpi, IkeSlot, InboundParameters, InboundSa,
    OutboundParameters, OutboundSa, OuterHeaderPolicy, Selectors, TrafficSelector, VolumeLimits,
};
use serde_json::Value;
use wire::esp::EspHeader;
use wire::ip::InnerPacket;

use crate::inbound::{accept, admit_to, decrypt};
use crate::outbound::write_frame;
use crate::{InboundDrop, trailer};

const GCM_128: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::Aes128Gcm16,
    integrity: None,
};
const CHACHA: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::ChaCha20Poly1305,
    integrity: None,
};
const CBC_SHA256: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::Aes128Cbc,
    integrity: Some(IntegrityAlgorithm::HmacSha256_128),
};

struct Vector {
    key_material: Vec<u8>,
    sequence: u64,
    packet: Vec<u8>,
    text: Vec<u8>,
    iv: Option<u64>,
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../tests/vectors/esp.json")).unwrap()
}

fn octets(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().unwrap()).unwrap()
}

fn vector(name: &str) -> Vector {
    let vector = &vectors()[name];
    Vector {
        key_material: octets(vector, "key_material"),
        sequence: vector["sequence"].as_u64().unwrap(),
        packet: octets(vector, "packet"),
        text: octets(vector, "text"),
        iv: vector["iv"]
            .as_str()
            .map(|iv| u64::from_str_radix(iv, 16).unwrap()),
    }
}

/// The AES-CBC packets of RFC 3602 have no ICV: one is added with a key of our own.
fn vector_with_own_icv(name: &str) -> Vector {
    const INTEGRITY_KEY: [u8; 32] = [0x5a; 32];
    let vector = &vectors()[name];
    let mut packet = octets(vector, "packet_without_icv");
    let icv = prf(PrfAlgorithm::HmacSha256, &INTEGRITY_KEY, &[&packet]);
    packet.extend_from_slice(&icv.expose()[..16]);
    Vector {
        key_material: [octets(vector, "key"), INTEGRITY_KEY.to_vec()].concat(),
        sequence: vector["sequence"].as_u64().unwrap(),
        packet,
        text: octets(vector, "text"),
        iv: None,
    }
}

fn selectors() -> Selectors {
    Selectors::new(&[TrafficSelector::ANY_V4], &[TrafficSelector::ANY_V4])
}

fn receiver(suite: ProtectionSuite, vector: &Vector) -> InboundSa {
    let header = EspHeader::parse(&vector.packet).unwrap();
    let mut sa = InboundSa::new(
        EspSpi(header.spi),
        InboundParameters {
            key: OpeningKey::new(suite, &vector.key_material),
            suite,
            esn: vector.sequence > u64::from(u32::MAX),
            replay_window: 64,
            selectors: selectors(),
            limits: VolumeLimits::NONE,
            owner: IkeSlot::default(),
        },
    );
    if vector.sequence > 1 {
        sa.window.advance(vector.sequence - 1).unwrap();
    }
    sa
}

/// Takes a packet through all steps of opening; the text, and what came out.
fn open(suite: ProtectionSuite, vector: &Vector) -> (Vec<u8>, Result<Vec<u8>, InboundDrop>) {
    let sa = receiver(suite, vector);
    let mut packet = vector.packet.clone();
    let low = EspHeader::parse(&packet).unwrap().sequence;
    let sequence = admit_to(&sa, low).unwrap();
    assert_eq!(sequence, vector.sequence);
    let text: Range<usize> = decrypt(&sa, &mut packet, sequence).unwrap();
    let inner = accept(&sa, &mut packet, text.clone(), 0);
    (
        packet[text].to_vec(),
        inner.map(|range| packet[range].to_vec()),
    )
}

fn seal(suite: ProtectionSuite, vector: &Vector) -> Vec<u8> {
    let esn = vector.sequence > u64::from(u32::MAX);
    let header = EspHeader::parse(&vector.packet).unwrap();
    let any_path = EspPath {
        local: "192.0.2.1:4500".parse().unwrap(),
        remote: "192.0.2.2:4500".parse().unwrap(),
        encapsulation: Encapsulation::Raw,
        mtu: 1500,
        fvrf: ipsec::FrontVrf::GLOBAL,
    };
    let sa = OutboundSa::new(OutboundParameters {
        spi: EspSpi(header.spi),
        key: SealingKey::new(suite, &vector.key_material),
        suite,
        esn,
        outer: OuterHeaderPolicy {
            df: DfPolicy::Copy,
            copy_dscp: true,
            mss_clamp: None,
        },
        selectors: selectors(),
        limits: VolumeLimits::NONE,
        owner: IkeSlot::default(),
        path: any_path,
    });
    let (inner_len, next_header) = trailer::read(&vector.text).unwrap();
    let mut frame = vec![0; vector.packet.len()];
    let text_at = 8 + suite.iv_len();
    frame[text_at..text_at + inner_len].copy_from_slice(&vector.text[..inner_len]);
    write_frame(&sa, &mut frame, inner_len, next_header, vector.sequence);
    let high = esn.then(|| u32::try_from(vector.sequence >> 32).unwrap());
    sa.key.seal(&mut frame, 8, high, vector.iv.unwrap());
    frame
}

#[test]
fn aead_packets_open_and_seal_to_the_published_octets() {
    for (name, suite) in [
        ("rfc7634", CHACHA),
        ("linux_aes128gcm16", GCM_128),
        ("linux_aes128gcm16_esn", GCM_128),
    ] {
        let vector = vector(name);
        let (text, inner) = open(suite, &vector);
        assert_eq!(text, vector.text, "{name}");
        let inner = inner.unwrap();
        assert_eq!(inner[..], vector.text[..inner.len()], "{name}");
        assert_eq!(InnerPacket::parse(&inner).unwrap().total_len, 84, "{name}");
        assert_eq!(seal(suite, &vector), vector.packet, "{name}");
    }
}

#[test]
fn the_unsent_half_of_the_number_is_authenticated() {
    for (name, suite) in [
        ("linux_aes128gcm16_esn", GCM_128),
        ("scapy_cbc_sha256_esn", CBC_SHA256),
    ] {
        let vector = vector(name);
        let mut packet = vector.packet.clone();
        let sa = receiver(suite, &vector);
        let wrong = vector.sequence + (1 << 32);
        assert_eq!(
            decrypt(&sa, &mut packet, wrong),
            Err(InboundDrop::Integrity),
            "{name}"
        );
    }
}

#[test]
fn cbc_with_hmac_and_extended_numbers_opens() {
    let vector = vector("scapy_cbc_sha256_esn");
    let (text, inner) = open(CBC_SHA256, &vector);
    assert_eq!(text, vector.text);
    // The packet carries TCP in transport mode.
    assert_eq!(inner, Err(InboundDrop::UnknownNextHeader));
}

#[test]
fn aes_cbc_packets_of_rfc_3602_open() {
    for name in ["rfc3602_case7", "rfc3602_case8"] {
        let vector = vector_with_own_icv(name);
        let (text, inner) = open(CBC_SHA256, &vector);
        assert_eq!(text, vector.text, "{name}");
        let inner = inner.unwrap();
        assert_eq!(inner[..], vector.text[..inner.len()], "{name}");
    }
    // These two carry ICMP in transport mode.
    for name in ["rfc3602_case5", "rfc3602_case6"] {
        let vector = vector_with_own_icv(name);
        let (text, inner) = open(CBC_SHA256, &vector);
        assert_eq!(text, vector.text, "{name}");
        assert_eq!(inner, Err(InboundDrop::UnknownNextHeader), "{name}");
    }
}
