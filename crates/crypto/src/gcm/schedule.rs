//! From a key to what packets need of it.

use archmage::intrinsics::x86_64::*;
use archmage::{X64V4xToken, arcane, rite};

use super::ghash::{multiply, multiply_four};
use crate::aead::SALT_LEN;
use zeroize::{Zeroize, optimization_barrier};

/// Blocks that are hashed before a reduction, so as many powers of the hash key.
pub(super) const POWERS: usize = 16;
pub(super) const BLOCK_LEN: usize = 16;
pub(super) const POWERS_LEN: usize = POWERS * BLOCK_LEN;
/// Round keys of AES-256, the most.
const ROUND_KEYS: usize = 15;

/// What packets need of a key, in eight cache lines: the powers of the hash key from the sixteenth down
/// to the first, the salt, the round keys. A short packet needs the lower powers alone and so
/// neighbouring lines; AES-128 leaves the last line untouched.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Expanded {
    pub(super) powers: [u8; POWERS_LEN],
    pub(super) salt: [u8; SALT_LEN],
    pub(super) rounds: Rounds,
    pub(super) round_keys: RoundKeys,
}

/// How often AES goes round.
#[derive(Clone, Copy)]
pub(crate) enum Rounds {
    /// AES-128.
    Ten,
    /// AES-256.
    Fourteen,
}

/// Those of AES-256, or of AES-128 and zeros.
#[repr(align(16))]
#[derive(Clone)]
pub(crate) struct RoundKeys(pub(crate) [[u8; BLOCK_LEN]; ROUND_KEYS]);

impl Expanded {
    pub(super) const fn zeroed(salt: [u8; SALT_LEN], rounds: Rounds) -> Self {
        Self {
            powers: [0; POWERS_LEN],
            salt,
            rounds,
            round_keys: RoundKeys::zeroed(),
        }
    }

    /// Four powers of the hash key, the greatest at an offset.
    #[inline]
    pub(super) fn four_powers(&self, at: usize) -> &[u8; 4 * BLOCK_LEN] {
        let four = self.powers.get(at..).and_then(<[u8]>::first_chunk);
        four.expect("four powers stand there")
    }
}

impl Zeroize for Expanded {
    /// All at once: an IKE message has a key of its own, and wiping it octet by octet took longer than sealing.
    fn zeroize(&mut self) {
        self.powers = [0; POWERS_LEN];
        self.salt = [0; SALT_LEN];
        self.round_keys = RoundKeys::zeroed();
        optimization_barrier(self);
    }
}

impl Zeroize for RoundKeys {
    fn zeroize(&mut self) {
        *self = Self::zeroed();
        optimization_barrier(self);
    }
}

impl RoundKeys {
    const fn zeroed() -> Self {
        Self([[0; BLOCK_LEN]; ROUND_KEYS])
    }
}

#[arcane]
pub(super) fn expand_128(_: X64V4xToken, key: &[u8; 16], out: &mut Expanded) {
    finish::<10>(&keys_128(key), out);
}

#[arcane]
pub(super) fn expand_256(_: X64V4xToken, key: &[u8; 32], out: &mut Expanded) {
    finish::<14>(&keys_256(key), out);
}

/// The round keys alone, of a key of 128 bits.
#[arcane]
pub(crate) fn round_keys_128(_: X64V4xToken, key: &[u8; 16]) -> RoundKeys {
    stored(&keys_128(key))
}

/// The round keys alone, of a key of 256 bits.
#[arcane]
pub(crate) fn round_keys_256(_: X64V4xToken, key: &[u8; 32]) -> RoundKeys {
    stored(&keys_256(key))
}

/// FIPS 197 §5.2 for a key of 128 bits.
#[rite(v4x)]
fn keys_128(key: &[u8; 16]) -> [__m128i; ROUND_KEYS] {
    let mut keys = [_mm_setzero_si128(); ROUND_KEYS];
    keys[0] = _mm_loadu_si128(key);
    macro_rules! round {
        ($round:literal, $constant:literal) => {
            let assist = _mm_aeskeygenassist_si128::<$constant>(keys[$round - 1]);
            keys[$round] = next(keys[$round - 1], _mm_shuffle_epi32::<0xff>(assist));
        };
    }
    round!(1, 0x01);
    round!(2, 0x02);
    round!(3, 0x04);
    round!(4, 0x08);
    round!(5, 0x10);
    round!(6, 0x20);
    round!(7, 0x40);
    round!(8, 0x80);
    round!(9, 0x1b);
    round!(10, 0x36);
    keys
}

/// FIPS 197 §5.2 for a key of 256 bits.
#[rite(v4x)]
fn keys_256(key: &[u8; 32]) -> [__m128i; ROUND_KEYS] {
    let mut keys = [_mm_setzero_si128(); ROUND_KEYS];
    let (halves, _) = key.as_chunks::<16>();
    keys[0] = _mm_loadu_si128(&halves[0]);
    keys[1] = _mm_loadu_si128(&halves[1]);
    macro_rules! even {
        ($round:literal, $constant:literal) => {
            let assist = _mm_aeskeygenassist_si128::<$constant>(keys[$round - 1]);
            keys[$round] = next(keys[$round - 2], _mm_shuffle_epi32::<0xff>(assist));
        };
    }
    macro_rules! odd {
        ($round:literal) => {
            let assist = _mm_aeskeygenassist_si128::<0>(keys[$round - 1]);
            keys[$round] = next(keys[$round - 2], _mm_shuffle_epi32::<0xaa>(assist));
        };
    }
    even!(2, 0x01);
    odd!(3);
    even!(4, 0x02);
    odd!(5);
    even!(6, 0x04);
    odd!(7);
    even!(8, 0x08);
    odd!(9);
    even!(10, 0x10);
    odd!(11);
    even!(12, 0x20);
    odd!(13);
    even!(14, 0x40);
    keys
}

#[rite(v4x)]
fn stored(keys: &[__m128i; ROUND_KEYS]) -> RoundKeys {
    let mut stored = RoundKeys::zeroed();
    for (place, key) in stored.0.iter_mut().zip(keys) {
        _mm_storeu_si128(place, *key);
    }
    stored
}

/// Each word of a round key is the sum of the words before it and of the substituted one.
#[rite(v4x)]
fn next(before: __m128i, substituted: __m128i) -> __m128i {
    let two = _mm_xor_si128(before, _mm_slli_si128::<4>(before));
    let four = _mm_xor_si128(two, _mm_slli_si128::<8>(two));
    _mm_xor_si128(four, substituted)
}

/// Writes the round keys, and the powers of the hash key that comes of them.
#[rite(v4x)]
fn finish<const ROUNDS: usize>(keys: &[__m128i; ROUND_KEYS], out: &mut Expanded) {
    out.round_keys = stored(keys);
    let first = hash_key::<ROUNDS>(keys);
    let second = multiply(first, first);
    let (third, fourth) = (multiply(second, first), multiply(second, second));
    // Four powers at a time, for each product waits for the one before it.
    let mut four = _mm512_castsi128_si512(fourth);
    four = _mm512_inserti32x4::<1>(four, third);
    four = _mm512_inserti32x4::<2>(four, second);
    four = _mm512_inserti32x4::<3>(four, first);
    let step = _mm512_broadcast_i32x4(fourth);
    for place in out.powers.as_chunks_mut().0.iter_mut().rev() {
        _mm512_storeu_si512::<[u8; 4 * BLOCK_LEN]>(place, four);
        four = multiply_four(four, step);
    }
}

/// The encryption of a block of zeros, brought into the form that POLYVAL takes: octets reversed
/// and multiplied by x (RFC 8452 appendix A).
#[rite(v4x)]
fn hash_key<const ROUNDS: usize>(keys: &[__m128i; ROUND_KEYS]) -> __m128i {
    let mut block = keys[0];
    for key in &keys[1..ROUNDS] {
        block = _mm_aesenc_si128(block, *key);
    }
    let mut octets = [0; BLOCK_LEN];
    _mm_storeu_si128(&mut octets, _mm_aesenclast_si128(block, keys[ROUNDS]));
    let value = u128::from_be_bytes(octets);
    let overflow = 0_u128.wrapping_sub(value >> 127);
    // x^128 = x^127 + x^126 + x^121 + 1.
    let times_x = (value << 1) ^ (overflow & ((0xc2 << 120) | 1));
    _mm_loadu_si128(&times_x.to_le_bytes())
}
