//! Padding, pad length and next header (RFC 4303 §2.4-2.6).

use crypto::ProtectionSuite;

use crate::overhead::TRAILER_LEN;

/// Payload, padding, pad length and next header together are a multiple of this (RFC 4303 §2.4). It
/// is a power of two.
#[inline]
pub(crate) fn alignment(suite: &ProtectionSuite) -> usize {
    suite.block_len().max(4)
}

/// Octets of padding after a payload.
pub(crate) fn pad_len(payload: usize, alignment: usize) -> usize {
    // What is missing to the next multiple; a division would cost more than the rest of this.
    (payload + TRAILER_LEN).wrapping_neg() & (alignment - 1)
}

/// Writes padding, pad length and next header over all of `space`.
pub(crate) fn write(space: &mut [u8], next_header: u8) {
    let Some((trailer, padding)) = space.split_last_chunk_mut::<TRAILER_LEN>().map(swap) else {
        return;
    };
    // RFC 4303 §2.4: 1, 2, 3, ...; the alignment keeps it far below 256.
    let mut count = 0;
    for octet in padding {
        count += 1;
        *octet = count;
    }
    *trailer = [count, next_header];
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

/// Payload length and next header of a decrypted text, or `None` if the padding is wrong.
pub(crate) fn read(text: &[u8]) -> Option<(usize, u8)> {
    let (rest, &[pad_len, next_header]) = text.split_last_chunk::<TRAILER_LEN>()?;
    let payload = rest.len().checked_sub(usize::from(pad_len))?;
    let padding = rest.get(payload..)?;
    let ascending = padding
        .iter()
        .zip(1_u8..=u8::MAX)
        .all(|(octet, place)| *octet == place);
    ascending.then_some((payload, next_header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for alignment in [4, 16] {
            for payload in 0..70 {
                let padding = pad_len(payload, alignment);
                assert!(padding < alignment);
                let mut text = vec![0xee; payload + padding + TRAILER_LEN];
                assert!(text.len().is_multiple_of(alignment));
                write(&mut text[payload..], 41);
                assert_eq!(read(&text), Some((payload, 41)));
            }
        }
    }

    #[test]
    fn other_padding_is_refused() {
        assert_eq!(read(&[9, 1, 2, 3, 3, 4]), Some((1, 4)));
        assert_eq!(read(&[9, 0, 0, 0, 3, 4]), None);
        assert_eq!(read(&[1, 2, 3, 4, 4]), None);
        assert_eq!(read(&[4]), None);
        assert_eq!(read(&[]), None);
        let mut longest: Vec<u8> = (1..=255).collect();
        longest.extend([255, 59]);
        assert_eq!(read(&longest), Some((0, 59)));
    }
}
