//! GHASH as POLYVAL computes it (RFC 8452 appendix A): blocks with their octets reversed, products
//! divided by x^128, the hash key multiplied by x once. That saves the reversal of bits.

use archmage::intrinsics::x86_64::*;
use archmage::rite;

/// x^127 + x^126 + x^121, the upper half of the polynomial that products are reduced by.
const POLYNOMIAL: i64 = 0xc200_0000_0000_0000_u64.cast_signed();
/// Reverses sixteen octets: what stands in the lower and in the upper half.
const REVERSE: [i64; 2] = [0x0809_0a0b_0c0d_0e0f, 0x0001_0203_0405_0607];

/// A block with its octets in the other order.
#[rite(v4x)]
pub(super) fn reverse(block: __m128i) -> __m128i {
    _mm_shuffle_epi8(block, _mm_set_epi64x(REVERSE[1], REVERSE[0]))
}

/// Four blocks, each with its octets in the other order.
#[rite(v4x)]
pub(super) fn reverse_four(blocks: __m512i) -> __m512i {
    let order = _mm_set_epi64x(REVERSE[1], REVERSE[0]);
    _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(order))
}

/// The product of two field elements.
#[rite(v4x)]
pub(super) fn multiply(a: __m128i, b: __m128i) -> __m128i {
    let low = _mm_clmulepi64_si128::<0x00>(a, b);
    let high = _mm_clmulepi64_si128::<0x11>(a, b);
    let middle = _mm_xor_si128(
        _mm_clmulepi64_si128::<0x01>(a, b),
        _mm_clmulepi64_si128::<0x10>(a, b),
    );
    reduce(low, middle, high)
}

/// Divides a product of 256 bits by x^128 modulo the polynomial. The middle part lies across the
/// halves of the other two.
#[rite(v4x)]
fn reduce(low: __m128i, middle: __m128i, high: __m128i) -> __m128i {
    let polynomial = _mm_set_epi64x(0, POLYNOMIAL);
    let low = _mm_xor_si128(low, _mm_slli_si128::<8>(middle));
    let high = _mm_xor_si128(high, _mm_srli_si128::<8>(middle));
    let once = _mm_clmulepi64_si128::<0x00>(low, polynomial);
    let low = _mm_xor_si128(_mm_shuffle_epi32::<0x4e>(low), once);
    let twice = _mm_clmulepi64_si128::<0x00>(low, polynomial);
    _mm_ternarylogic_epi64::<0x96>(_mm_shuffle_epi32::<0x4e>(low), twice, high)
}

/// The products of four pairs of field elements.
#[rite(v4x)]
pub(super) fn multiply_four(a: __m512i, b: __m512i) -> __m512i {
    let products = Sum::zero().add(a, b);
    let polynomial = _mm512_broadcast_i32x4(_mm_set_epi64x(0, POLYNOMIAL));
    let low = _mm512_xor_si512(products.low, _mm512_bslli_epi128::<8>(products.middle));
    let high = _mm512_xor_si512(products.high, _mm512_bsrli_epi128::<8>(products.middle));
    let once = _mm512_clmulepi64_epi128::<0x00>(low, polynomial);
    let low = _mm512_xor_si512(_mm512_shuffle_epi32::<0x4e>(low), once);
    let twice = _mm512_clmulepi64_epi128::<0x00>(low, polynomial);
    _mm512_ternarylogic_epi64::<0x96>(_mm512_shuffle_epi32::<0x4e>(low), twice, high)
}

/// A sum of products, four at a time, that is reduced once at the end.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl Sum {
    #[rite(v4x)]
    pub(super) fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self {
            low: zero,
            middle: zero,
            high: zero,
        }
    }

    /// Adds the products of four pairs.
    #[rite(v4x)]
    pub(super) fn add(self, blocks: __m512i, powers: __m512i) -> Self {
        let low = _mm512_clmulepi64_epi128::<0x00>(blocks, powers);
        let high = _mm512_clmulepi64_epi128::<0x11>(blocks, powers);
        let one = _mm512_clmulepi64_epi128::<0x01>(blocks, powers);
        let other = _mm512_clmulepi64_epi128::<0x10>(blocks, powers);
        Self {
            low: _mm512_xor_si512(self.low, low),
            middle: _mm512_ternarylogic_epi64::<0x96>(self.middle, one, other),
            high: _mm512_xor_si512(self.high, high),
        }
    }

    #[rite(v4x)]
    pub(super) fn total(self) -> __m128i {
        reduce(lanes(self.low), lanes(self.middle), lanes(self.high))
    }
}

/// The sum of the four lanes.
#[rite(v4x)]
fn lanes(four: __m512i) -> __m128i {
    let upper = _mm512_extracti64x4_epi64::<1>(four);
    let two = _mm256_xor_si256(_mm512_castsi512_si256(four), upper);
    _mm_xor_si128(
        _mm256_castsi256_si128(two),
        _mm256_extracti128_si256::<1>(two),
    )
}
