use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, CoreProxy};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::{IntegrityAlgorithm, PrfAlgorithm};

/// An HMAC key with both pads already hashed, so that a packet pays for its own blocks only.
///
/// Only the two compression states are kept; the block buffer lives on the stack of a call.
pub(crate) enum HmacKey {
    Sha1(HmacCore<Sha1>),
    Sha256(HmacCore<Sha256>),
    Sha384(HmacCore<Sha384>),
    Sha512(HmacCore<Sha512>),
}

/// Longest HMAC output, SHA-512's, in octets.
pub(crate) const OUTPUT_LEN_MAX: usize = 64;

impl HmacKey {
    pub(crate) fn for_integrity(algorithm: IntegrityAlgorithm, key: &[u8]) -> Self {
        match algorithm {
            IntegrityAlgorithm::HmacSha1_96 => Self::Sha1(core(key)),
            IntegrityAlgorithm::HmacSha256_128 => Self::Sha256(core(key)),
            IntegrityAlgorithm::HmacSha384_192 => Self::Sha384(core(key)),
            IntegrityAlgorithm::HmacSha512_256 => Self::Sha512(core(key)),
        }
    }

    pub(crate) fn for_prf(algorithm: PrfAlgorithm, key: &[u8]) -> Self {
        match algorithm {
            PrfAlgorithm::HmacSha1 => Self::Sha1(core(key)),
            PrfAlgorithm::HmacSha256 => Self::Sha256(core(key)),
            PrfAlgorithm::HmacSha384 => Self::Sha384(core(key)),
            PrfAlgorithm::HmacSha512 => Self::Sha512(core(key)),
        }
    }

    /// Writes the leading octets of HMAC(`parts` concatenated) to fill `out`.
    pub(crate) fn compute(&self, parts: &[&[u8]], out: &mut [u8]) {
        match self {
            Self::Sha1(core) => truncated(core, parts, out),
            Self::Sha256(core) => truncated(core, parts, out),
            Self::Sha384(core) => truncated(core, parts, out),
            Self::Sha512(core) => truncated(core, parts, out),
        }
    }
}

/// HMAC takes a key of any length: a long one is hashed first (RFC 2104 §2).
fn core<D: EagerHash>(key: &[u8]) -> HmacCore<D> {
    HmacCore::new_from_slice(key).expect("HMAC accepts a key of any length")
}

fn truncated<D: EagerHash>(key: &HmacCore<D>, parts: &[&[u8]], out: &mut [u8]) {
    let mut state = Hmac::compose(key.clone(), Buffer::<HmacCore<D>>::default());
    for part in parts {
        state.update(part);
    }
    let icv = state.finalize().into_bytes();
    out.copy_from_slice(&icv[..out.len()]);
}
