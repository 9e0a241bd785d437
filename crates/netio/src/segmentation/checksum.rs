//! The Internet checksum (RFC 1071) at the speed of memory.

use super::octets::is_ipv6;

/// A ones' complement sum in the machine's octet order, which RFC 1071 §2 (B) allows as long as it
/// is stored in that order, too. It has room for 2³² words.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds octets that begin at an even place; only the last ones added may be of odd length.
    pub(crate) fn add(self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks();
        let mut sum = self.0;
        for word in words {
            sum += u64::from(u32::from_ne_bytes(*word));
        }
        let mut last = [0; 4];
        for (place, octet) in last.iter_mut().zip(rest) {
            *place = *octet;
        }
        Self(sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// Adds a number as it stands in a header.
    pub(super) fn add_word(self, word: u16) -> Self {
        self.add(&word.to_be_bytes())
    }

    /// The sum as it stands in a header, not complemented.
    pub(crate) fn fold(self) -> [u8; 2] {
        let mut sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_ne_bytes()
    }

    /// The checksum: the complement of the sum.
    pub(super) fn checksum(self) -> [u8; 2] {
        self.fold().map(|octet| !octet)
    }
}

/// The pseudo header's part of a transport checksum (RFC 9293 §3.1, RFC 8200 §8.1).
pub(super) fn pseudo_header(packet: &[u8], protocol: u8, len: usize) -> Option<Sum> {
    let addresses = if is_ipv6(packet) {
        packet.get(8..40)?
    } else {
        packet.get(12..20)?
    };
    let len = u16::try_from(len).ok()?;
    let sum = Sum::default().add(addresses);
    Some(sum.add_word(u16::from(protocol)).add_word(len))
}

/// Whether the checksum of what begins at `transport` is right.
pub(super) fn is_right(packet: &[u8], protocol: u8, transport: usize) -> bool {
    let sum = packet
        .get(transport..)
        .and_then(|body| Some(pseudo_header(packet, protocol, body.len())?.add(body)));
    sum.is_some_and(|sum| sum.checksum() == [0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 §4.1, word by word.
    fn slow(octets: &[u8]) -> [u8; 2] {
        let mut sum = 0_u32;
        for pair in octets.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    }

    #[test]
    fn the_sum_of_rfc_1071_section_3() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add(&octets).fold(), [0xdd, 0xf2]);
    }

    proptest! {
        #[test]
        fn it_is_what_words_one_by_one_give(octets in prop::collection::vec(any::<u8>(), 1..300)) {
            let fast = Sum::default().add(&octets).checksum();
            prop_assert_eq!(fast, slow(&octets));
        }

        #[test]
        fn parts_add_up(octets in prop::collection::vec(any::<u8>(), 2..300), cut: usize) {
            let cut = cut % (octets.len() / 2) * 2;
            let fast = Sum::default().add(&octets[..cut]).add(&octets[cut..]).checksum();
            prop_assert_eq!(fast, slow(&octets));
        }
    }
}
