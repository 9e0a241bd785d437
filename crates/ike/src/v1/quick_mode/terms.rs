//! Transforms of the IPsec DOI and their attributes (RFC 2407 §4.4.4, §4.5), both ways.

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, ProtectionSuite};
use wire::ikev1::numbers::phase2::{attribute, authentication, encapsulation, esp};
use wire::ikev1::{Attribute, Transform};

use super::life::{Durations, Life, LifeReader};
use crate::v1::algorithm::{group_number, group_of};

/// ECN Tunnel (RFC 3168 §9.2.2): whatever it says, packets are treated alike here.
const ECN_TUNNEL: u16 = 10;

/// How tunnel mode is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::v1) enum TunnelMode {
    /// Raw ESP.
    Raw,
    /// ESP in UDP, with the number of RFC 3947 §5.1.
    Udp,
    /// ESP in UDP, with the number of the drafts 02 and 03.
    UdpDrafts,
}

impl TunnelMode {
    fn number(self) -> u16 {
        match self {
            Self::Raw => encapsulation::TUNNEL,
            Self::Udp => encapsulation::UDP_TUNNEL,
            Self::UdpDrafts => encapsulation::UDP_TUNNEL_DRAFTS,
        }
    }

    fn of_number(number: u64) -> Option<Self> {
        [Self::Raw, Self::Udp, Self::UdpDrafts]
            .into_iter()
            .find(|mode| u64::from(mode.number()) == number)
    }

    /// UDP carries the packets.
    pub(in crate::v1) fn is_encapsulated(self) -> bool {
        self != Self::Raw
    }
}

/// What one transform means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    pub(super) encryption: EncryptionAlgorithm,
    /// `None` exactly when the cipher is an AEAD.
    pub(super) integrity: Option<IntegrityAlgorithm>,
    /// Perfect forward secrecy.
    pub(super) group: Option<KeyExchangeMethod>,
    /// Left out, it is up to us (RFC 2407 §4.5).
    pub(super) mode: Option<TunnelMode>,
    /// 64-bit sequence numbers (RFC 4304).
    pub(super) esn: bool,
    pub(super) life: Life,
}

impl Terms {
    pub(super) fn protection(&self) -> ProtectionSuite {
        ProtectionSuite {
            encryption: self.encryption,
            integrity: self.integrity,
        }
    }

    /// IKEv1 has numbers for cipher and group.
    pub(super) fn can_be_said(&self) -> bool {
        let group = self.group.is_none_or(|group| group_number(group).is_some());
        group && transform_of(self.encryption).is_some()
    }

    /// `None` when it holds anything that we cannot do or do not know, transport mode included.
    pub(super) fn read(transform: &Transform<'_>) -> Option<Self> {
        let mut key_bits = None;
        let mut integrity = None;
        let mut group = None;
        let mut mode = None;
        let mut esn = false;
        let mut life = LifeReader::default();
        for Attribute { kind, value } in &transform.attributes {
            let number = value.number();
            match *kind {
                attribute::LIFE_TYPE => life.unit(number?),
                attribute::LIFE_DURATION => life.duration(number),
                attribute::GROUP => {
                    let number = u16::try_from(number?).ok()?;
                    group = Some(group_of(number)?);
                }
                attribute::ENCAPSULATION => mode = Some(TunnelMode::of_number(number?)?),
                attribute::AUTHENTICATION => integrity = Some(integrity_of(number?)?),
                attribute::KEY_LENGTH => key_bits = Some(number?),
                attribute::EXTENDED_SEQUENCE_NUMBER => esn = number? == 1,
                ECN_TUNNEL => {}
                _ => return None,
            }
        }
        let encryption = encryption_of(transform.id, key_bits)?;
        (encryption.is_aead() == integrity.is_none()).then(|| Self {
            encryption,
            integrity,
            group,
            mode,
            esn,
            life: life.finish(),
        })
    }

    /// The transform ID and its attributes. `durations` holds what attributes borrow.
    pub(super) fn write<'a>(&self, number: u8, durations: &'a Durations) -> Option<Transform<'a>> {
        let (id, key_bits) = transform_of(self.encryption)?;
        let mut attributes = durations.attributes();
        let mut basic = |kind, value| attributes.push(Attribute::basic(kind, value));
        if let Some(group) = self.group {
            basic(attribute::GROUP, group_number(group)?);
        }
        if let Some(mode) = self.mode {
            basic(attribute::ENCAPSULATION, mode.number());
        }
        if let Some(integrity) = self.integrity {
            basic(attribute::AUTHENTICATION, integrity_number(integrity));
        }
        if let Some(bits) = key_bits {
            basic(attribute::KEY_LENGTH, bits);
        }
        if self.esn {
            basic(attribute::EXTENDED_SEQUENCE_NUMBER, 1);
        }
        Some(Transform {
            number,
            id,
            attributes,
        })
    }
}

/// Transform ID and key length; `None` for a cipher that IKEv1 has no number for.
fn transform_of(encryption: EncryptionAlgorithm) -> Option<(u8, Option<u16>)> {
    Some(match encryption {
        EncryptionAlgorithm::Aes128Cbc => (esp::AES_CBC, Some(128)),
        EncryptionAlgorithm::Aes192Cbc => (esp::AES_CBC, Some(192)),
        EncryptionAlgorithm::Aes256Cbc => (esp::AES_CBC, Some(256)),
        EncryptionAlgorithm::TripleDesCbc => (esp::TRIPLE_DES, None),
        // RFC 4106 §8.2: the length is that of the key, the salt excluded.
        EncryptionAlgorithm::Aes128Gcm16 => (esp::AES_GCM_16, Some(128)),
        EncryptionAlgorithm::Aes192Gcm16 => (esp::AES_GCM_16, Some(192)),
        EncryptionAlgorithm::Aes256Gcm16 => (esp::AES_GCM_16, Some(256)),
        // RFC 7634 §4 has a number for IKEv2 only.
        EncryptionAlgorithm::ChaCha20Poly1305 => return None,
    })
}

fn encryption_of(id: u8, key_bits: Option<u64>) -> Option<EncryptionAlgorithm> {
    [
        EncryptionAlgorithm::Aes128Cbc,
        EncryptionAlgorithm::Aes192Cbc,
        EncryptionAlgorithm::Aes256Cbc,
        EncryptionAlgorithm::TripleDesCbc,
        EncryptionAlgorithm::Aes128Gcm16,
        EncryptionAlgorithm::Aes192Gcm16,
        EncryptionAlgorithm::Aes256Gcm16,
    ]
    .into_iter()
    .find(|encryption| {
        let written = transform_of(*encryption);
        written.is_some_and(|(own, bits)| own == id && bits.map(u64::from) == key_bits)
    })
}

fn integrity_number(integrity: IntegrityAlgorithm) -> u16 {
    match integrity {
        IntegrityAlgorithm::HmacSha1_96 => authentication::HMAC_SHA1,
        IntegrityAlgorithm::HmacSha256_128 => authentication::HMAC_SHA2_256,
        IntegrityAlgorithm::HmacSha384_192 => authentication::HMAC_SHA2_384,
        IntegrityAlgorithm::HmacSha512_256 => authentication::HMAC_SHA2_512,
    }
}

fn integrity_of(number: u64) -> Option<IntegrityAlgorithm> {
    [
        IntegrityAlgorithm::HmacSha1_96,
        IntegrityAlgorithm::HmacSha256_128,
        IntegrityAlgorithm::HmacSha384_192,
        IntegrityAlgorithm::HmacSha512_256,
    ]
    .into_iter()
    .find(|integrity| u64::from(integrity_number(*integrity)) == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        encryption: EncryptionAlgorithm::Aes128Cbc,
        integrity: Some(IntegrityAlgorithm::HmacSha1_96),
        group: Some(KeyExchangeMethod::Modp2048),
        mode: Some(TunnelMode::Raw),
        esn: false,
        life: Life {
            seconds: Some(3_600),
            kilobytes: Some(4_608_000),
        },
    };

    #[test]
    fn what_is_written_comes_back() {
        let gcm = Terms {
            encryption: EncryptionAlgorithm::Aes256Gcm16,
            integrity: None,
            group: None,
            mode: Some(TunnelMode::UdpDrafts),
            esn: true,
            life: Life::default(),
        };
        let triple = Terms {
            encryption: EncryptionAlgorithm::TripleDesCbc,
            mode: Some(TunnelMode::Udp),
            ..TERMS
        };
        for terms in [TERMS, gcm, triple] {
            let durations = Durations::new(terms.life);
            let written = terms.write(1, &durations).expect("a known cipher");
            assert_eq!(Terms::read(&written), Some(terms));
        }
        let chacha = Terms {
            encryption: EncryptionAlgorithm::ChaCha20Poly1305,
            ..gcm
        };
        assert!(chacha.write(1, &Durations::new(Life::default())).is_none());
    }

    #[test]
    fn a_router_with_esp_aes_and_esp_sha_hmac_is_understood() {
        // As IOS writes it: both lifetimes, the duration in kilobytes as four octets.
        let kilobytes = 4_608_000_u32.to_be_bytes();
        let transform = Transform {
            number: 1,
            id: 12,
            attributes: vec![
                Attribute::basic(4, 1),
                Attribute::basic(1, 1),
                Attribute::basic(2, 3_600),
                Attribute::basic(1, 2),
                Attribute::variable(2, &kilobytes),
                Attribute::basic(5, 2),
                Attribute::basic(6, 128),
            ],
        };
        let expected = Terms {
            group: None,
            ..TERMS
        };
        assert_eq!(Terms::read(&transform), Some(expected));
    }

    #[test]
    fn what_we_cannot_do_is_not_understood() {
        let good = [
            Attribute::basic(5, 2),
            Attribute::basic(6, 128),
            Attribute::basic(4, 1),
        ];
        let read = |id, attributes: &[Attribute<'static>]| {
            Terms::read(&Transform {
                number: 1,
                id,
                attributes: attributes.to_vec(),
            })
        };
        assert!(read(12, &good).is_some());
        for (what, id, attributes) in [
            ("NULL", 11, &good[..1]),
            ("DES", 2, &good[..1]),
            ("AES without key length", 12, &good[..1]),
            ("triple DES with key length", 3, &good[..2]),
            ("CBC without integrity", 12, &good[1..]),
            ("GCM with integrity", 20, &good[..]),
            ("GCM with an ICV of 8 octets", 18, &good[1..]),
            (
                "MD5",
                12,
                &[Attribute::basic(5, 1), Attribute::basic(6, 128)],
            ),
            (
                "transport mode",
                12,
                &[good[0], good[1], Attribute::basic(4, 2)],
            ),
            (
                "an unknown group",
                12,
                &[good[0], good[1], Attribute::basic(3, 99)],
            ),
            (
                "an unknown attribute",
                12,
                &[good[0], good[1], Attribute::basic(12, 1)],
            ),
        ] {
            assert_eq!(read(id, attributes), None, "{what}");
        }
    }
}
