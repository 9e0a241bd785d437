//! Arithmetic on address prefixes and ranges.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address as a number, left-aligned to its family's width in bits.
pub(crate) fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The address of a family that is `width` bits wide.
pub(crate) fn address(number: u128, width: u8) -> IpAddr {
    if width == 32 {
        // The mask keeps the cast exact.
        #[allow(clippy::cast_possible_truncation)]
        IpAddr::V4(Ipv4Addr::from_bits((number & 0xffff_ffff) as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(number))
    }
}

/// The bits of an address of `width` bits that follow a prefix of `length` bits.
pub(crate) fn host_bits(width: u8, length: u8) -> u128 {
    let free = u32::from(width.saturating_sub(length));
    1_u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1)
}

/// The network of `length` bits around `inside`; `None` when the length exceeds the family's.
pub(crate) fn mask(inside: IpAddr, length: u8) -> Option<IpAddr> {
    let (bits, width) = number(inside);
    (length <= width).then(|| address(bits & !host_bits(width, length), width))
}

/// Whether `inside` belongs to `network`/`length` (false across families).
pub(crate) fn in_prefix(inside: IpAddr, network: IpAddr, length: u8) -> bool {
    inside.is_ipv4() == network.is_ipv4() && mask(inside, length) == mask(network, length)
}

/// The length of the prefix that is exactly `start..=end`, if there is one.
pub(crate) fn prefix_length(start: IpAddr, end: IpAddr) -> Option<u8> {
    let ((first, width), (last, other)) = (number(start), number(end));
    let size = first ^ last;
    let aligned = width == other && size & size.wrapping_add(1) == 0 && first & size == 0;
    let used = u8::try_from(128 - size.leading_zeros()).ok()?;
    aligned.then(|| width.saturating_sub(used))
}

/// The fewest prefixes that together are exactly `start..=end`: at most twice the width of the
/// family in bits. Empty when the ends are of two families or in the wrong order.
pub(crate) fn prefixes(start: IpAddr, end: IpAddr) -> Vec<(IpAddr, u8)> {
    let ((mut first, width), (last, other)) = (number(start), number(end));
    let mut found = Vec::new();
    if width != other {
        return found;
    }
    while first <= last {
        let aligned = first.trailing_zeros().min(u32::from(width));
        let room = (last - first).checked_add(1).map_or(128, u128::ilog2);
        let free = u8::try_from(aligned.min(room)).unwrap_or(width);
        let length = width.saturating_sub(free);
        found.push((address(first, width), length));
        let Some(next) = (first | host_bits(width, length)).checked_add(1) else {
            break;
        };
        first = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn masks_keep_the_network() {
        assert_eq!(mask(ip("10.1.2.3"), 8), Some(ip("10.0.0.0")));
        assert_eq!(mask(ip("10.1.2.3"), 32), Some(ip("10.1.2.3")));
        assert_eq!(mask(ip("10.1.2.3"), 33), None);
        assert_eq!(mask(ip("2001:db8::1"), 0), Some(ip("::")));
        assert!(!in_prefix(ip("::1"), ip("0.0.0.0"), 0));
    }

    #[test]
    fn a_range_that_is_a_prefix_is_recognised() {
        assert_eq!(prefix_length(ip("10.0.0.0"), ip("10.0.0.255")), Some(24));
        assert_eq!(prefix_length(ip("0.0.0.0"), ip("255.255.255.255")), Some(0));
        assert_eq!(prefix_length(ip("10.0.0.1"), ip("10.0.0.1")), Some(32));
        assert_eq!(prefix_length(ip("10.0.0.1"), ip("10.0.0.2")), None);
        assert_eq!(prefix_length(ip("10.0.0.128"), ip("10.0.1.127")), None);
        let all = (ip("::"), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        assert_eq!(prefix_length(all.0, all.1), Some(0));
    }

    #[test]
    fn a_range_is_the_union_of_its_prefixes() {
        let text = |range: Vec<(IpAddr, u8)>| {
            range
                .iter()
                .map(|(net, len)| format!("{net}/{len}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            text(prefixes(ip("10.0.0.1"), ip("10.0.0.6"))),
            "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32"
        );
        assert_eq!(
            text(prefixes(ip("0.0.0.0"), ip("255.255.255.255"))),
            "0.0.0.0/0"
        );
        let all = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(text(prefixes(ip("::"), all)), "::/0");
        assert_eq!(prefixes(ip("::1"), all).len(), 128);
        assert!(prefixes(ip("10.0.0.2"), ip("10.0.0.1")).is_empty());
        assert!(prefixes(ip("10.0.0.2"), ip("::1")).is_empty());
    }
}
