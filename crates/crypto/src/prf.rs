use zeroize::Zeroize;

use crate::hmac_key::{HmacKey, OUTPUT_LEN_MAX};
use crate::{PrfAlgorithm, Secret};

/// RFC 7296 §2.13: the counter of prf+ is a single octet, so it ends after this many rounds.
pub const PRF_PLUS_ROUNDS_MAX: usize = 255;

/// prf(key, parts concatenated), RFC 7296 §2.13.
#[must_use]
pub fn prf(algorithm: PrfAlgorithm, key: &[u8], parts: &[&[u8]]) -> Secret {
    let mut out = Secret::zeroed(algorithm.output_len());
    HmacKey::for_prf(algorithm, key).compute(parts, out.expose_mut());
    out
}

/// A function of many inputs under one key, whose pads are hashed once.
pub struct PrfKey(HmacKey);

impl PrfKey {
    /// Takes the key in.
    #[must_use]
    pub fn new(algorithm: PrfAlgorithm, key: &[u8]) -> Self {
        Self(HmacKey::for_prf(algorithm, key))
    }

    /// Writes the leading octets of prf(key, parts concatenated) to fill `out`. Nothing is allocated.
    ///
    /// # Panics
    /// When `out` is longer than the function's output.
    pub fn compute(&self, parts: &[&[u8]], out: &mut [u8]) {
        self.0.compute(parts, out);
    }
}

/// Fills `out` with prf+(key, seed parts concatenated), RFC 7296 §2.13.
///
/// # Panics
/// When `out` is longer than [`PRF_PLUS_ROUNDS_MAX`] outputs of the function. What is derived has
/// lengths that the program chooses, never the peer.
pub fn prf_plus(algorithm: PrfAlgorithm, key: &[u8], seed_parts: &[&[u8]], out: &mut [u8]) {
    let output_len = algorithm.output_len();
    assert!(
        out.len() <= PRF_PLUS_ROUNDS_MAX * output_len,
        "prf+ ends after 255 rounds"
    );
    let key = HmacKey::for_prf(algorithm, key);
    let mut block = [0; OUTPUT_LEN_MAX];
    let mut block_len = 0;
    for (round, chunk) in (1..=u8::MAX).zip(out.chunks_mut(output_len)) {
        // T1 = prf(K, S | 0x01), Tn = prf(K, Tn-1 | S | n)
        let counter = [round];
        let previous = block;
        let mut parts = Vec::with_capacity(seed_parts.len() + 2);
        parts.push(&previous[..block_len]);
        parts.extend_from_slice(seed_parts);
        parts.push(&counter);
        block_len = output_len;
        key.compute(&parts, &mut block[..block_len]);
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    block.zeroize();
}
