//! AES-CBC of several packets at once.
//!
//! Within a packet each block waits for the one before it, some forty cycles long, in which the
//! processor could encrypt seven others. Blocks of other packets wait for nothing.

use archmage::intrinsics::x86_64::*;
use archmage::{SimdToken, X64V4xToken, arcane, rite};
use zeroize::Zeroize;

use crate::EncryptionAlgorithm;
use crate::gcm::{RoundKeys, Rounds, round_keys_128, round_keys_256};

/// Packets that are encrypted at once: enough to fill the time that a block waits.
pub(crate) const LANES: usize = 8;

const BLOCK_LEN: usize = 16;

/// Round keys that many packets can share a pass with.
pub(crate) struct ChainKey {
    round_keys: RoundKeys,
    rounds: Rounds,
    token: X64V4xToken,
}

/// A packet of a pass.
pub(crate) struct Lane<'a> {
    pub(crate) key: &'a ChainKey,
    pub(crate) iv: [u8; BLOCK_LEN],
    /// In whole blocks.
    pub(crate) text: &'a mut [u8],
}

impl ChainKey {
    /// `None` for other algorithms, or if this processor lacks something.
    pub(crate) fn new(encryption: EncryptionAlgorithm, key: &[u8]) -> Option<Self> {
        let token = X64V4xToken::summon()?;
        let (round_keys, rounds) = match encryption {
            EncryptionAlgorithm::Aes128Cbc => {
                (round_keys_128(token, key.try_into().ok()?), Rounds::Ten)
            }
            EncryptionAlgorithm::Aes256Cbc => (
                round_keys_256(token, key.try_into().ok()?),
                Rounds::Fourteen,
            ),
            _ => return None,
        };
        Some(Self {
            round_keys,
            rounds,
            token,
        })
    }
}

impl Drop for ChainKey {
    fn drop(&mut self) {
        self.round_keys.zeroize();
    }
}

/// Encrypts all lanes in place.
pub(crate) fn encrypt(lanes: &mut [Option<Lane<'_>>; LANES]) {
    if let Some(token) = lanes.iter().flatten().map(|lane| lane.key.token).next() {
        encrypt_rows(token, lanes);
    }
}

/// Row by row: the first block of each lane, then the second of each, and so on. The processor's own
/// look ahead, longer than a row, does the rest.
#[arcane]
fn encrypt_rows(_: X64V4xToken, lanes: &mut [Option<Lane<'_>>; LANES]) {
    let mut chains = [_mm_setzero_si128(); LANES];
    let mut rows = 0;
    for (chain, lane) in chains.iter_mut().zip(&*lanes) {
        if let Some(lane) = lane {
            *chain = _mm_loadu_si128(&lane.iv);
            rows = rows.max(lane.text.len() / BLOCK_LEN);
        }
    }
    for row in 0..rows {
        for (chain, lane) in chains.iter_mut().zip(&mut *lanes) {
            let Some(lane) = lane else { continue };
            let (blocks, _) = lane.text.as_chunks_mut::<BLOCK_LEN>();
            if let Some(block) = blocks.get_mut(row) {
                *chain = cipher(lane.key, _mm_xor_si128(_mm_loadu_si128(block), *chain));
                _mm_storeu_si128(block, *chain);
            }
        }
    }
}

#[rite(v4x)]
fn cipher(key: &ChainKey, block: __m128i) -> __m128i {
    let [
        k0,
        k1,
        k2,
        k3,
        k4,
        k5,
        k6,
        k7,
        k8,
        k9,
        k10,
        k11,
        k12,
        k13,
        k14,
    ] = &key.round_keys.0;
    let mut block = _mm_xor_si128(block, _mm_loadu_si128(k0));
    for round in [k1, k2, k3, k4, k5, k6, k7, k8, k9] {
        block = _mm_aesenc_si128(block, _mm_loadu_si128(round));
    }
    match key.rounds {
        Rounds::Ten => _mm_aesenclast_si128(block, _mm_loadu_si128(k10)),
        Rounds::Fourteen => {
            for round in [k10, k11, k12, k13] {
                block = _mm_aesenc_si128(block, _mm_loadu_si128(round));
            }
            _mm_aesenclast_si128(block, _mm_loadu_si128(k14))
        }
    }
}
