//! Cache lines that are asked for before they are needed. With many SAs every packet meets cold
//! memory; asked for while other packets are worked on, it is there in time. A hint changes nothing
//! but time.

use core::ops::Range;

use crypto::{EncryptionAlgorithm, ProtectionSuite};
use prefetch_index::prefetch_index;

use crate::EspSpi;

const LINE_LEN: usize = 64;

/// Asks for the first cache line of an element; an element that is not there does no harm.
#[inline]
pub fn fetch<T>(slice: &[T], index: usize) {
    prefetch_index(slice, index);
}

/// Asks for the cache line in which a value begins.
#[inline]
pub fn fetch_value<T>(value: &T) {
    prefetch_index(core::slice::from_ref(value), 0);
}

/// Asks for cache lines of an SA, counted from the one that begins with its SPI.
#[inline]
pub(crate) fn fetch_lines(spi: &EspSpi, lines: Range<usize>) {
    const STEP: usize = LINE_LEN / size_of::<EspSpi>();
    for line in lines {
        prefetch_index(core::slice::from_ref(spi), line * STEP);
    }
}

/// In which cache line an offset lies.
pub(crate) const fn line_of(offset: usize) -> usize {
    offset / LINE_LEN
}

/// Cache lines at the end of a key that its packets do not touch: an expanded key of 128 bits is shorter
/// than one of 256, and the state of CBC and HMAC lies elsewhere.
pub(crate) const fn key_lines_unused(suite: ProtectionSuite) -> usize {
    match suite.encryption {
        EncryptionAlgorithm::Aes256Gcm16 => 0,
        EncryptionAlgorithm::Aes128Gcm16 => 1,
        _ => 7,
    }
}
