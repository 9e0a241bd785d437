//! One packet: counter mode and hash in one pass, 256 octets at a time, then 64 at a time.

use core::ops::Range;

use archmage::intrinsics::x86_64::*;
use archmage::{X64V4xToken, arcane, rite};

use super::Nonce;
use super::ghash::{Sum, multiply, reverse, reverse_four};
use super::schedule::{BLOCK_LEN, Expanded, POWERS, POWERS_LEN};
use crate::associated::Associated;

/// Octets of one register.
const WIDE: usize = 64;
const GROUP: usize = POWERS * BLOCK_LEN;
/// The place of each octet in a register.
const PLACES: [u8; WIDE] = {
    let mut places = [0; WIDE];
    let mut place = 0;
    while place < WIDE {
        places[place] = place as u8;
        place += 1;
    }
    places
};

macro_rules! entries {
    ($seal:ident, $open:ident: $rounds:literal) => {
        #[arcane]
        pub(super) fn $seal(
            _: X64V4xToken,
            key: &Expanded,
            nonce: Nonce,
            associated: Associated<'_>,
            packet: &mut [u8],
            text: Range<usize>,
        ) -> [u8; 16] {
            let mut icv = [0; 16];
            let sealed = through::<$rounds, true>(key, nonce, associated, packet, text);
            _mm_storeu_si128(&mut icv, sealed);
            icv
        }

        #[arcane]
        pub(super) fn $open(
            _: X64V4xToken,
            key: &Expanded,
            nonce: Nonce,
            associated: Associated<'_>,
            packet: &mut [u8],
            text: Range<usize>,
            icv: [u8; 16],
        ) -> bool {
            let expected = through::<$rounds, false>(key, nonce, associated, packet, text);
            // One test of all bits: it takes the same time wherever the two differ.
            let differing = _mm_xor_si128(expected, _mm_loadu_si128(&icv));
            _mm_test_all_zeros(differing, differing) == 1
        }
    };
}

entries!(seal_128, open_128: 10);
entries!(seal_256, open_256: 14);

/// Encrypts or decrypts `text` within `packet` and returns the ICV.
#[rite(v4x)]
fn through<const ROUNDS: usize, const SEAL: bool>(
    key: &Expanded,
    nonce: Nonce,
    associated: Associated<'_>,
    packet: &mut [u8],
    text: Range<usize>,
) -> __m128i {
    // Less than a register is copied; the rest of this file needs no masks for loads then.
    let mut copy = [0; WIDE];
    let short = packet.len() < WIDE;
    let work = if short {
        copy[..packet.len()].copy_from_slice(packet);
        &mut copy[..]
    } else {
        &mut *packet
    };
    let hash = associated_hash(key, associated);
    let lengths = _mm_set_epi64x(bits(associated.len()), bits(text.len()));
    let icv = body::<ROUNDS, SEAL>(key, nonce, hash, lengths, work, text);
    if short {
        packet.copy_from_slice(&copy[..packet.len()]);
    }
    icv
}

const fn bits(octets: usize) -> i64 {
    (octets as u64 * 8).cast_signed()
}

/// The hash of the associated data. Of ESP that is one block.
#[rite(v4x)]
fn associated_hash(key: &Expanded, associated: Associated<'_>) -> __m128i {
    let first = first_power(key);
    match associated {
        Associated::Esn(number) => {
            let (low, high) = halves(number);
            multiply(reverse(_mm_set_epi64x(high, low)), first)
        }
        Associated::Octets(octets) => {
            let mut hash = _mm_setzero_si128();
            for part in octets.chunks(BLOCK_LEN) {
                let block = reverse(padded(part));
                hash = multiply(_mm_xor_si128(hash, block), first);
            }
            hash
        }
    }
}

// The halves are meant.
#[allow(clippy::cast_possible_truncation)]
const fn halves(number: u128) -> (i64, i64) {
    (number as i64, (number >> 64) as i64)
}

#[rite(v4x)]
fn first_power(key: &Expanded) -> __m128i {
    let power: Option<&[u8; BLOCK_LEN]> = key.powers.last_chunk();
    _mm_loadu_si128(power.expect("there are powers"))
}

/// Up to sixteen octets as a block, with zeros after them.
#[rite(v4x)]
fn padded(octets: &[u8]) -> __m128i {
    // What ESP has without extended sequence numbers, without a detour through memory.
    if let Ok(eight) = octets.try_into() {
        return _mm_set_epi64x(0, i64::from_le_bytes(eight));
    }
    let mut block = [0; BLOCK_LEN];
    block[..octets.len()].copy_from_slice(octets);
    _mm_loadu_si128(&block)
}

/// The round keys of AES, each in all lanes. Those that AES-128 has not are the last it has, so
/// that nothing is read that is not needed.
#[rite(v4x)]
fn wide_keys<const ROUNDS: usize>(key: &Expanded) -> [__m512i; 15] {
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
    let (k11, k12, k13, k14) = match ROUNDS {
        10 => (k10, k10, k10, k10),
        _ => (k11, k12, k13, k14),
    };
    [
        wide(k0),
        wide(k1),
        wide(k2),
        wide(k3),
        wide(k4),
        wide(k5),
        wide(k6),
        wide(k7),
        wide(k8),
        wide(k9),
        wide(k10),
        wide(k11),
        wide(k12),
        wide(k13),
        wide(k14),
    ]
}

#[rite(v4x)]
fn wide(key: &[u8; BLOCK_LEN]) -> __m512i {
    _mm512_broadcast_i32x4(_mm_loadu_si128(key))
}

/// AES over `N` times four blocks, in step, for each instruction waits for the one before it.
#[rite(v4x)]
fn cipher<const ROUNDS: usize, const N: usize>(
    keys: &[__m512i; 15],
    mut blocks: [__m512i; N],
) -> [__m512i; N] {
    for four in &mut blocks {
        *four = _mm512_xor_si512(*four, keys[0]);
    }
    for key in &keys[1..ROUNDS] {
        for four in &mut blocks {
            *four = _mm512_aesenc_epi128(*four, *key);
        }
    }
    for four in &mut blocks {
        *four = _mm512_aesenclast_epi128(*four, keys[ROUNDS]);
    }
    blocks
}

/// AES over one block.
#[rite(v4x)]
fn cipher_one<const ROUNDS: usize>(keys: &[__m512i; 15], block: __m128i) -> __m128i {
    let mut block = _mm_xor_si128(block, _mm512_castsi512_si128(keys[0]));
    for key in &keys[1..ROUNDS] {
        block = _mm_aesenc_si128(block, _mm512_castsi512_si128(*key));
    }
    _mm_aesenclast_si128(block, _mm512_castsi512_si128(keys[ROUNDS]))
}

/// The counter block of the ICV, octets reversed (SP 800-38D §7.1, step 2, for 96 bits of nonce).
#[rite(v4x)]
fn counter_zero(nonce: Nonce) -> __m128i {
    let high = u64::from(nonce.salt) << 32 | nonce.iv >> 32;
    _mm_set_epi64x(high.cast_signed(), (nonce.iv << 32 | 1).cast_signed())
}

/// Text, with what was hashed before it, and the lengths. `work` has a register's length at least.
#[rite(v4x)]
fn body<const ROUNDS: usize, const SEAL: bool>(
    key: &Expanded,
    nonce: Nonce,
    mut hash: __m128i,
    lengths: __m128i,
    work: &mut [u8],
    text: Range<usize>,
) -> __m128i {
    let keys = wide_keys::<ROUNDS>(key);
    let zero = counter_zero(nonce);
    let mask = cipher_one::<ROUNDS>(&keys, reverse(zero));
    let ahead = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1);
    let step = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4);
    let mut counter = _mm512_add_epi32(_mm512_broadcast_i32x4(zero), ahead);
    // The last octets of the text are read and written as a whole register that ends with them, or
    // begins with the packet.
    let window_at = text.end.saturating_sub(WIDE);
    let window = _mm512_loadu_si512(window_mut(work, window_at));
    let mut last = _mm512_setzero_si512();
    let text_len = text.len();

    let (groups, rest) = work[text.clone()].as_chunks_mut::<GROUP>();
    for group in groups {
        let second = _mm512_add_epi32(counter, step);
        let third = _mm512_add_epi32(second, step);
        let fourth = _mm512_add_epi32(third, step);
        let stream = cipher::<ROUNDS, 4>(
            &keys,
            [
                reverse_four(counter),
                reverse_four(second),
                reverse_four(third),
                reverse_four(fourth),
            ],
        );
        counter = _mm512_add_epi32(fourth, step);
        let mut carried = _mm512_zextsi128_si512(hash);
        let mut sum = Sum::zero();
        let (chunks, _) = group.as_chunks_mut::<WIDE>();
        let (powers, _) = key.powers.as_chunks::<WIDE>();
        for ((chunk, stream), powers) in chunks.iter_mut().zip(stream).zip(powers) {
            let before = _mm512_loadu_si512(chunk);
            last = _mm512_xor_si512(before, stream);
            _mm512_storeu_si512(chunk, last);
            let hashed = reverse_four(if SEAL { last } else { before });
            let blocks = _mm512_xor_si512(hashed, carried);
            carried = _mm512_setzero_si512();
            sum = sum.add(blocks, _mm512_loadu_si512(powers));
        }
        hash = sum.total();
    }

    // What is left and the lengths are hashed in one go if the powers suffice.
    let blocks = rest.len().div_ceil(BLOCK_LEN);
    let with_lengths = blocks < POWERS;
    let mut at = POWERS_LEN - (blocks + usize::from(with_lengths)) * BLOCK_LEN;
    let mut carried = _mm512_zextsi128_si512(hash);
    let mut sum = Sum::zero();
    let (chunks, tail) = rest.as_chunks_mut::<WIDE>();
    for chunk in chunks {
        let [stream] = cipher::<ROUNDS, 1>(&keys, [reverse_four(counter)]);
        counter = _mm512_add_epi32(counter, step);
        let before = _mm512_loadu_si512(chunk);
        last = _mm512_xor_si512(before, stream);
        _mm512_storeu_si512(chunk, last);
        let hashed = reverse_four(if SEAL { last } else { before });
        let blocks = _mm512_xor_si512(hashed, carried);
        carried = _mm512_setzero_si512();
        sum = sum.add(blocks, _mm512_loadu_si512(key.four_powers(at)));
        at += WIDE;
    }
    let tail_len = tail.len();
    if tail_len > 0 {
        let [stream] = cipher::<ROUNDS, 1>(&keys, [reverse_four(counter)]);
        let offset = text.end - tail_len - window_at;
        let there = u64::MAX >> (WIDE - tail_len);
        let places = _mm512_loadu_si512(&PLACES);
        let from = _mm512_add_epi8(places, all(offset));
        let before = _mm512_maskz_permutexvar_epi8(there, from, window);
        let after = _mm512_maskz_mov_epi8(there, _mm512_xor_si512(before, stream));
        let merged = if text_len >= WIDE {
            // Before the tail stands the end of what was written last.
            let from = _mm512_add_epi8(places, all(tail_len));
            _mm512_permutex2var_epi8(last, from, after)
        } else {
            let to = _mm512_sub_epi8(places, all(offset));
            _mm512_mask_permutexvar_epi8(window, there << offset, to, after)
        };
        _mm512_storeu_si512(window_mut(work, window_at), merged);
        let hashed = reverse_four(if SEAL { after } else { before });
        let blocks = _mm512_xor_si512(hashed, carried);
        carried = _mm512_setzero_si512();
        sum = sum.add(blocks, tail_powers(key, at));
    }
    if !with_lengths {
        carried = _mm512_zextsi128_si512(sum.total());
        sum = Sum::zero();
    }
    let final_block = _mm512_xor_si512(_mm512_zextsi128_si512(lengths), carried);
    sum = sum.add(final_block, _mm512_zextsi128_si512(first_power(key)));
    _mm_xor_si128(reverse(sum.total()), mask)
}

/// The powers from an offset on to the first, and anything after it.
#[rite(v4x)]
fn tail_powers(key: &Expanded, at: usize) -> __m512i {
    let from = at.min(POWERS_LEN - WIDE);
    let four = _mm512_loadu_si512(key.four_powers(from));
    let shift = _mm512_set1_epi64(((at - from) as u64 / 8).cast_signed());
    let words = _mm512_add_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), shift);
    // The upper bits of the places are not looked at: it begins again from the front.
    _mm512_permutexvar_epi64(words, four)
}

/// An octet in all places; the callers' are below 128.
#[rite(v4x)]
fn all(octet: usize) -> __m512i {
    _mm512_set1_epi8((octet as u8).cast_signed())
}

fn window_mut(work: &mut [u8], at: usize) -> &mut [u8; WIDE] {
    let window = work.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    window.expect("the packet is no shorter than a register")
}
