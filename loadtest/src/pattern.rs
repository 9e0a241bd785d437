//! The payload of a test packet: who sent it, its number, when, and a pattern that follows from
//! these, so that the receiver needs no memory to check every octet.

/// Octets before the pattern.
pub(crate) const HEAD_LEN: usize = 24;
const MAGIC: [u8; 4] = *b"PLd1";

/// What a test packet says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    /// Number of the peer.
    pub(crate) peer: u32,
    /// Counts the packets of the peer.
    pub(crate) sequence: u64,
    /// When it was sent, in nanoseconds of the run.
    pub(crate) sent_ns: u64,
}

/// Fills a payload of at least [`HEAD_LEN`] octets.
pub(crate) fn write(stamp: Stamp, seed: u64, payload: &mut [u8]) {
    let Some((head, rest)) = payload.split_first_chunk_mut::<HEAD_LEN>() else {
        return;
    };
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&stamp.peer.to_be_bytes());
    head[8..16].copy_from_slice(&stamp.sequence.to_be_bytes());
    head[16..].copy_from_slice(&stamp.sent_ns.to_be_bytes());
    let mut pattern = Pattern::new(stamp, seed);
    for chunk in rest.chunks_mut(8) {
        let word = pattern.next().to_be_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
}

/// Reads a payload back; `None` unless every octet is what [`write()`] wrote.
pub(crate) fn verify(payload: &[u8], seed: u64) -> Option<Stamp> {
    let (head, rest) = payload.split_first_chunk::<HEAD_LEN>()?;
    let [m0, m1, m2, m3, p0, p1, p2, p3, numbers @ ..] = *head;
    let (sequence, sent_ns) = numbers.split_first_chunk::<8>()?;
    let stamp = Stamp {
        peer: u32::from_be_bytes([p0, p1, p2, p3]),
        sequence: u64::from_be_bytes(*sequence),
        sent_ns: u64::from_be_bytes(*sent_ns.first_chunk()?),
    };
    let mut pattern = Pattern::new(stamp, seed);
    let same = rest
        .chunks(8)
        .all(|chunk| pattern.next().to_be_bytes().starts_with(chunk));
    ([m0, m1, m2, m3] == MAGIC && same).then_some(stamp)
}

/// SplitMix64: cheap, and every word differs.
struct Pattern(u64);

impl Pattern {
    fn new(stamp: Stamp, seed: u64) -> Self {
        let mut pattern = Self(seed);
        for word in [u64::from(stamp.peer), stamp.sequence, stamp.sent_ns] {
            pattern.0 = pattern.next() ^ word;
        }
        pattern
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        peer: 7,
        sequence: 99,
        sent_ns: 123_456_789,
    };

    #[test]
    fn every_octet_counts() {
        for length in [24, 25, 31, 64, 1_400] {
            let mut payload = vec![0; length];
            write(STAMP, 5, &mut payload);
            assert_eq!(verify(&payload, 5), Some(STAMP));
            for at in 0..length {
                payload[at] ^= 0x10;
                // A changed stamp changes the pattern, if there is enough of it to see that.
                if length >= 32 || !(4..HEAD_LEN).contains(&at) {
                    assert_eq!(verify(&payload, 5), None, "{length} {at}");
                }
                payload[at] ^= 0x10;
            }
        }
    }

    #[test]
    fn another_run_and_a_short_payload_are_refused() {
        let mut payload = vec![0; 64];
        write(STAMP, 5, &mut payload);
        assert_eq!(verify(&payload, 6), None);
        assert_eq!(verify(&payload[..23], 5), None);
    }
}
