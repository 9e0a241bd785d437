//! What several of these tests need: hexadecimal fields, prepared entropy, names of suites.

use crypto::{EncryptionAlgorithm, Entropy, IntegrityAlgorithm, PrfAlgorithm, ProtectionSuite};
use serde_json::Value;

/// The octets of a hexadecimal string field.
pub(crate) fn octets(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(case, field)).expect("hexadecimal")
}

pub(crate) fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is missing from {case}"))
}

pub(crate) fn prf_named(name: &str) -> PrfAlgorithm {
    match name {
        "SHA-1" => PrfAlgorithm::HmacSha1,
        "SHA-256" => PrfAlgorithm::HmacSha256,
        "SHA-384" => PrfAlgorithm::HmacSha384,
        "SHA-512" => PrfAlgorithm::HmacSha512,
        other => panic!("no such hash: {other}"),
    }
}

pub(crate) const AEAD_SUITES: [ProtectionSuite; 4] = [
    aead(EncryptionAlgorithm::Aes128Gcm16),
    aead(EncryptionAlgorithm::Aes192Gcm16),
    aead(EncryptionAlgorithm::Aes256Gcm16),
    aead(EncryptionAlgorithm::ChaCha20Poly1305),
];

pub(crate) const CBC_SUITES: [ProtectionSuite; 12] = [
    cbc(
        EncryptionAlgorithm::TripleDesCbc,
        IntegrityAlgorithm::HmacSha1_96,
    ),
    cbc(
        EncryptionAlgorithm::TripleDesCbc,
        IntegrityAlgorithm::HmacSha256_128,
    ),
    cbc(
        EncryptionAlgorithm::Aes192Cbc,
        IntegrityAlgorithm::HmacSha1_96,
    ),
    cbc(
        EncryptionAlgorithm::Aes192Cbc,
        IntegrityAlgorithm::HmacSha256_128,
    ),
    cbc(
        EncryptionAlgorithm::Aes128Cbc,
        IntegrityAlgorithm::HmacSha1_96,
    ),
    cbc(
        EncryptionAlgorithm::Aes128Cbc,
        IntegrityAlgorithm::HmacSha256_128,
    ),
    cbc(
        EncryptionAlgorithm::Aes128Cbc,
        IntegrityAlgorithm::HmacSha384_192,
    ),
    cbc(
        EncryptionAlgorithm::Aes128Cbc,
        IntegrityAlgorithm::HmacSha512_256,
    ),
    cbc(
        EncryptionAlgorithm::Aes256Cbc,
        IntegrityAlgorithm::HmacSha1_96,
    ),
    cbc(
        EncryptionAlgorithm::Aes256Cbc,
        IntegrityAlgorithm::HmacSha256_128,
    ),
    cbc(
        EncryptionAlgorithm::Aes256Cbc,
        IntegrityAlgorithm::HmacSha384_192,
    ),
    cbc(
        EncryptionAlgorithm::Aes256Cbc,
        IntegrityAlgorithm::HmacSha512_256,
    ),
];

pub(crate) fn all_suites() -> impl Iterator<Item = ProtectionSuite> {
    AEAD_SUITES.into_iter().chain(CBC_SUITES)
}

pub(crate) const fn aead(encryption: EncryptionAlgorithm) -> ProtectionSuite {
    ProtectionSuite {
        encryption,
        integrity: None,
    }
}

pub(crate) const fn cbc(
    encryption: EncryptionAlgorithm,
    integrity: IntegrityAlgorithm,
) -> ProtectionSuite {
    ProtectionSuite {
        encryption,
        integrity: Some(integrity),
    }
}

/// Lays a packet out as sealing expects it.
pub(crate) fn layout(suite: ProtectionSuite, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut packet = associated.to_vec();
    packet.resize(packet.len() + suite.iv_len(), 0);
    packet.extend_from_slice(plaintext);
    packet.resize(packet.len() + suite.icv_len(), 0);
    packet
}

/// Hands out the given octets, once.
pub(crate) struct Prepared(pub(crate) Vec<u8>);

impl Entropy for Prepared {
    fn fill(&mut self, out: &mut [u8]) {
        let rest = self.0.split_off(out.len());
        out.copy_from_slice(&self.0);
        self.0 = rest;
    }
}

/// Octets from a seed, by SplitMix64.
pub(crate) struct Seeded(pub(crate) u64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_be_bytes()[..chunk.len()]);
        }
    }
}
