//! Algorithms and their numbers in phase 1 (RFC 2409 appendix A), both ways.

use crypto::{EncryptionAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use wire::ikev1::numbers::phase1::{authentication, encryption, group, hash};

use super::suite::AuthMethod;

/// A cipher, its number, and the key length in bits that has to go with it.
const CIPHERS: [(EncryptionAlgorithm, u16, Option<u16>); 4] = [
    (EncryptionAlgorithm::Aes128Cbc, encryption::AES, Some(128)),
    (EncryptionAlgorithm::Aes192Cbc, encryption::AES, Some(192)),
    (EncryptionAlgorithm::Aes256Cbc, encryption::AES, Some(256)),
    (
        EncryptionAlgorithm::TripleDesCbc,
        encryption::TRIPLE_DES,
        None,
    ),
];

const HASHES: [(PrfAlgorithm, u16); 4] = [
    (PrfAlgorithm::HmacSha1, hash::SHA1),
    (PrfAlgorithm::HmacSha256, hash::SHA2_256),
    (PrfAlgorithm::HmacSha384, hash::SHA2_384),
    (PrfAlgorithm::HmacSha512, hash::SHA2_512),
];

const GROUPS: [(KeyExchangeMethod, u16); 7] = [
    (KeyExchangeMethod::Modp1024, group::MODP_1024),
    (KeyExchangeMethod::Modp1536, group::MODP_1536),
    (KeyExchangeMethod::Modp2048, group::MODP_2048),
    (KeyExchangeMethod::Modp3072, group::MODP_3072),
    (KeyExchangeMethod::Modp4096, group::MODP_4096),
    (KeyExchangeMethod::EcpP256, group::ECP_256),
    (KeyExchangeMethod::EcpP384, group::ECP_384),
];

const METHODS: [(AuthMethod, u16); 3] = [
    (AuthMethod::PreSharedKey, authentication::PRE_SHARED_KEY),
    (
        AuthMethod::XauthInitiator,
        authentication::XAUTH_INIT_PRE_SHARED,
    ),
    (
        AuthMethod::XauthResponder,
        authentication::XAUTH_RESP_PRE_SHARED,
    ),
];

/// The key length of an AES that names none: RFC 3602 §5.3 wants it named, and who does not means
/// the default of RFC 3602 §2.2.
const AES_DEFAULT_BITS: u16 = 128;

/// The number of a cipher, and the key length that has to be sent with it; `None` for what phase 1
/// does not have.
pub(super) fn cipher_number(cipher: EncryptionAlgorithm) -> Option<(u16, Option<u16>)> {
    CIPHERS
        .iter()
        .find(|(known, ..)| *known == cipher)
        .map(|(_, number, key_bits)| (*number, *key_bits))
}

/// The cipher of a number and the key length that came with it.
pub(super) fn cipher_of(number: u16, key_bits: Option<u16>) -> Option<EncryptionAlgorithm> {
    let key_bits = match number {
        encryption::AES => key_bits.or(Some(AES_DEFAULT_BITS)),
        _ => key_bits,
    };
    CIPHERS
        .iter()
        .find(|(_, known, bits)| *known == number && *bits == key_bits)
        .map(|(cipher, ..)| *cipher)
}

pub(super) fn hash_number(hash: PrfAlgorithm) -> Option<u16> {
    number_of(&HASHES, hash)
}

pub(super) fn hash_of(number: u16) -> Option<PrfAlgorithm> {
    named(&HASHES, number)
}

/// `None` for what phase 1 does not have.
pub(super) fn group_number(method: KeyExchangeMethod) -> Option<u16> {
    number_of(&GROUPS, method)
}

pub(super) fn group_of(number: u16) -> Option<KeyExchangeMethod> {
    named(&GROUPS, number)
}

pub(super) fn method_number(method: AuthMethod) -> Option<u16> {
    number_of(&METHODS, method)
}

pub(super) fn method_of(number: u16) -> Option<AuthMethod> {
    named(&METHODS, number)
}

fn number_of<A: Copy + PartialEq>(table: &[(A, u16)], algorithm: A) -> Option<u16> {
    table
        .iter()
        .find(|(known, _)| *known == algorithm)
        .map(|(_, number)| *number)
}

fn named<A: Copy>(table: &[(A, u16)], number: u16) -> Option<A> {
    table
        .iter()
        .find(|(_, known)| *known == number)
        .map(|(algorithm, _)| *algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_length_stands_exactly_where_it_is_defined() {
        assert_eq!(
            cipher_of(7, Some(256)),
            Some(EncryptionAlgorithm::Aes256Cbc)
        );
        assert_eq!(cipher_of(7, None), Some(EncryptionAlgorithm::Aes128Cbc));
        assert_eq!(cipher_of(7, Some(160)), None);
        assert_eq!(cipher_of(5, None), Some(EncryptionAlgorithm::TripleDesCbc));
        assert_eq!(cipher_of(5, Some(192)), None);
        assert_eq!(cipher_of(1, None), None);
        assert_eq!(cipher_number(EncryptionAlgorithm::Aes128Gcm16), None);
    }

    #[test]
    fn what_phase_1_does_not_have_has_no_number() {
        assert_eq!(group_number(KeyExchangeMethod::X25519), None);
        assert_eq!(group_number(KeyExchangeMethod::Modp2048), Some(14));
        assert_eq!(group_of(1), None);
        assert_eq!(hash_of(1), None, "MD5");
        assert_eq!(method_of(3), None, "RSA signatures");
        assert_eq!(method_of(65_001), Some(AuthMethod::XauthInitiator));
    }
}
