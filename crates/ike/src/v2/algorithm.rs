//! Crypto algorithms and IKEv2 transforms (RFC 7296 §3.3.2, §3.3.5), both ways.

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use wire::ikev2::numbers::{encryption, esn, integrity, key_exchange, prf};
use wire::ikev2::{Transform, TransformType};

/// A crypto algorithm that a transform can name.
pub(crate) trait Negotiable: Copy + 'static {
    /// Every algorithm of this type that we know.
    const ALL: &'static [Self];

    /// The transform as we write it, and as a peer must have written it to mean the same.
    fn transform(self) -> Transform;

    /// The algorithm that a transform names: its key length must be written as the algorithm's
    /// definition says (RFC 7296 §3.3.5) and no unknown attribute may qualify it (§3.3.6).
    fn from_transform(transform: &Transform) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|algorithm| algorithm.transform() == *transform)
    }
}

impl Negotiable for EncryptionAlgorithm {
    const ALL: &'static [Self] = &[
        Self::Aes128Gcm16,
        Self::Aes192Gcm16,
        Self::Aes256Gcm16,
        Self::ChaCha20Poly1305,
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::TripleDesCbc,
    ];

    fn transform(self) -> Transform {
        let (id, key_bits) = match self {
            Self::Aes128Gcm16 => (encryption::AES_GCM_16, Some(128)),
            Self::Aes192Gcm16 => (encryption::AES_GCM_16, Some(192)),
            Self::Aes256Gcm16 => (encryption::AES_GCM_16, Some(256)),
            // RFC 7634 §4: the Key Length attribute is not used.
            Self::ChaCha20Poly1305 => (encryption::CHACHA20_POLY1305, None),
            Self::Aes128Cbc => (encryption::AES_CBC, Some(128)),
            Self::Aes192Cbc => (encryption::AES_CBC, Some(192)),
            Self::Aes256Cbc => (encryption::AES_CBC, Some(256)),
            // RFC 7296 §3.3.5: nor with ciphers of a fixed key length.
            Self::TripleDesCbc => (encryption::TRIPLE_DES, None),
        };
        Transform {
            kind: TransformType::ENCRYPTION,
            id,
            key_bits,
            unknown_attribute: false,
        }
    }
}

impl Negotiable for IntegrityAlgorithm {
    const ALL: &'static [Self] = &[
        Self::HmacSha1_96,
        Self::HmacSha256_128,
        Self::HmacSha384_192,
        Self::HmacSha512_256,
    ];

    fn transform(self) -> Transform {
        let id = match self {
            Self::HmacSha1_96 => integrity::HMAC_SHA1_96,
            Self::HmacSha256_128 => integrity::HMAC_SHA2_256_128,
            Self::HmacSha384_192 => integrity::HMAC_SHA2_384_192,
            Self::HmacSha512_256 => integrity::HMAC_SHA2_512_256,
        };
        plain(TransformType::INTEGRITY, id)
    }
}

impl Negotiable for PrfAlgorithm {
    const ALL: &'static [Self] = &[
        Self::HmacSha1,
        Self::HmacSha256,
        Self::HmacSha384,
        Self::HmacSha512,
    ];

    fn transform(self) -> Transform {
        let id = match self {
            Self::HmacSha1 => prf::HMAC_SHA1,
            Self::HmacSha256 => prf::HMAC_SHA2_256,
            Self::HmacSha384 => prf::HMAC_SHA2_384,
            Self::HmacSha512 => prf::HMAC_SHA2_512,
        };
        plain(TransformType::PRF, id)
    }
}

impl Negotiable for KeyExchangeMethod {
    const ALL: &'static [Self] = &[
        Self::X25519,
        Self::EcpP256,
        Self::EcpP384,
        Self::Modp1024,
        Self::Modp1536,
        Self::Modp2048,
        Self::Modp3072,
        Self::Modp4096,
    ];

    fn transform(self) -> Transform {
        plain(TransformType::KEY_EXCHANGE, group_number(self))
    }
}

/// The number of a method in a KE payload and in INVALID_KE_PAYLOAD (RFC 7296 §3.4).
pub(crate) const fn group_number(method: KeyExchangeMethod) -> u16 {
    match method {
        KeyExchangeMethod::X25519 => key_exchange::CURVE25519,
        KeyExchangeMethod::EcpP256 => key_exchange::ECP_256,
        KeyExchangeMethod::EcpP384 => key_exchange::ECP_384,
        KeyExchangeMethod::Modp1024 => key_exchange::MODP_1024,
        KeyExchangeMethod::Modp1536 => key_exchange::MODP_1536,
        KeyExchangeMethod::Modp2048 => key_exchange::MODP_2048,
        KeyExchangeMethod::Modp3072 => key_exchange::MODP_3072,
        KeyExchangeMethod::Modp4096 => key_exchange::MODP_4096,
    }
}

/// The method that a KE payload's number stands for.
pub(crate) fn method_of_group(number: u16) -> Option<KeyExchangeMethod> {
    KeyExchangeMethod::from_transform(&plain(TransformType::KEY_EXCHANGE, number))
}

/// The ESN transform: `true` for 64-bit sequence numbers.
pub(crate) const fn esn_transform(extended: bool) -> Transform {
    plain(
        TransformType::ESN,
        if extended { esn::YES } else { esn::NO },
    )
}

/// The transform that spells out the absence of an optional algorithm (RFC 7296 §3.3.2).
pub(crate) const fn none_transform(kind: TransformType) -> Transform {
    plain(kind, 0)
}

const fn plain(kind: TransformType, id: u16) -> Transform {
    Transform {
        kind,
        id,
        key_bits: None,
        unknown_attribute: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back<A: Negotiable + PartialEq + core::fmt::Debug>() {
        for algorithm in A::ALL {
            let transform = algorithm.transform();
            assert_eq!(A::from_transform(&transform), Some(*algorithm));
            assert_eq!(
                A::from_transform(&Transform {
                    unknown_attribute: true,
                    ..transform
                }),
                None,
                "an unknown attribute makes a transform unusable"
            );
        }
    }

    #[test]
    fn every_algorithm_comes_back_from_its_transform() {
        comes_back::<EncryptionAlgorithm>();
        comes_back::<IntegrityAlgorithm>();
        comes_back::<PrfAlgorithm>();
        comes_back::<KeyExchangeMethod>();
    }

    #[test]
    fn a_key_length_stands_exactly_where_it_is_defined() {
        let cbc = EncryptionAlgorithm::Aes128Cbc.transform();
        let chacha = EncryptionAlgorithm::ChaCha20Poly1305.transform();
        for wrong in [
            Transform {
                key_bits: None,
                ..cbc
            },
            Transform {
                key_bits: Some(160),
                ..cbc
            },
            Transform {
                key_bits: Some(256),
                ..chacha
            },
        ] {
            assert_eq!(
                EncryptionAlgorithm::from_transform(&wrong),
                None,
                "{wrong:?}"
            );
        }
        let prf = Transform {
            key_bits: Some(256),
            ..PrfAlgorithm::HmacSha256.transform()
        };
        assert_eq!(PrfAlgorithm::from_transform(&prf), None);
    }

    #[test]
    fn groups_have_their_registered_numbers() {
        for (number, method) in [
            (2, KeyExchangeMethod::Modp1024),
            (5, KeyExchangeMethod::Modp1536),
            (14, KeyExchangeMethod::Modp2048),
            (15, KeyExchangeMethod::Modp3072),
            (16, KeyExchangeMethod::Modp4096),
            (19, KeyExchangeMethod::EcpP256),
            (20, KeyExchangeMethod::EcpP384),
            (31, KeyExchangeMethod::X25519),
        ] {
            assert_eq!(group_number(method), number);
            assert_eq!(method_of_group(number), Some(method));
        }
        assert_eq!(method_of_group(0), None);
        assert_eq!(method_of_group(1), None);
    }
}
