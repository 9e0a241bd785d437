use core::net::IpAddr;

/// The Internet checksum (RFC 1071) over the parts as if they stood one after the other. Each part
/// but the last must have an even number of octets.
#[must_use]
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let sum = parts.iter().map(|part| sum_words(part)).sum();
    !fold(sum)
}

/// The checksum of a TCP, UDP or ICMPv6 segment with its pseudo-header (RFC 8200 §8.1; RFC 768).
/// Of a segment that already carries its right checksum the result is 0.
#[must_use]
pub fn transport_checksum(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    segment: &[u8],
) -> u16 {
    let addresses = match (source, destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => sum_words(&s.octets()) + sum_words(&d.octets()),
        (s, d) => sum_words(&v6_octets(s)) + sum_words(&v6_octets(d)),
    };
    // A length above 65535 adds its two halves, as the 32-bit field of the pseudo-header does.
    let length = segment.len() as u64;
    let sum = addresses + u64::from(protocol) + length + sum_words(segment);
    !fold(sum)
}

fn v6_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The checksum after one 16-bit word changed (RFC 1624 §3, equation 3).
#[must_use]
pub fn update_checksum(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

fn sum_words(octets: &[u8]) -> u64 {
    let (words, last) = octets.as_chunks::<2>();
    let sum: u64 = words
        .iter()
        .map(|word| u64::from(u16::from_be_bytes(*word)))
        .sum();
    // RFC 1071 §4.1: an odd octet counts as the high half of a word.
    sum + last.first().map_or(0, |octet| u64::from(*octet) << 8)
}

fn fold(mut sum: u64) -> u16 {
    loop {
        let carry = sum >> 16;
        if carry == 0 {
            return u16::try_from(sum & 0xffff).unwrap_or(u16::MAX);
        }
        sum = (sum & 0xffff) + carry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&octets]), !0xddf2);
        assert_eq!(checksum(&[&octets[..4], &octets[4..]]), !0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624() {
        // §4: HC = DD2F, m = 5555, m' = 3285 gives 0000.
        assert_eq!(update_checksum(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn an_odd_octet_is_padded_on_the_right() {
        assert_eq!(checksum(&[&[0xab]]), !0xab00);
    }
}
