//! The answer of an inner host that echoes: UDP to any port, and ICMP echo requests.

use wire::ip::{Fragment, InnerPacket, protocol, update_checksum};

const ICMP_ECHO_REQUEST: u8 = 8;
const ICMP_ECHO_REPLY: u8 = 0;
const ICMPV6_ECHO_REQUEST: u8 = 128;
const ICMPV6_ECHO_REPLY: u8 = 129;

/// Turns a packet into its answer, in place. `false` when it has none; the packet is then as it
/// was.
///
/// Exchanging source and destination leaves every checksum right, since a sum does not depend on
/// the order of its terms.
pub(crate) fn answer(packet: &mut [u8]) -> bool {
    let Ok(parsed) = InnerPacket::parse(packet) else {
        return false;
    };
    if parsed.fragment != Fragment::Whole {
        return false;
    }
    let at = parsed.header_len;
    let answered = match (parsed.is_ipv6(), parsed.protocol) {
        (_, protocol::UDP) => swap(packet, at, at + 2, 2),
        (false, protocol::ICMP) => change_type(packet, at, ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY),
        (true, protocol::ICMPV6) => change_type(packet, at, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY),
        _ => false,
    };
    answered
        && if parsed.is_ipv6() {
            swap(packet, 8, 24, 16)
        } else {
            swap(packet, 12, 16, 4)
        }
}

/// Exchanges `len` octets at `a` with those at `b`, where `a + len <= b`.
fn swap(packet: &mut [u8], a: usize, b: usize, len: usize) -> bool {
    let Some((front, back)) = packet.split_at_mut_checked(b) else {
        return false;
    };
    match (front.get_mut(a..a + len), back.get_mut(..len)) {
        (Some(first), Some(second)) => {
            first.swap_with_slice(second);
            true
        }
        _ => false,
    }
}

fn change_type(packet: &mut [u8], at: usize, from: u8, to: u8) -> bool {
    let Some([kind, code, high, low]) = packet.get_mut(at..).and_then(|p| p.first_chunk_mut())
    else {
        return false;
    };
    if *kind != from || *code != 0 {
        return false;
    }
    let old = u16::from_be_bytes([*kind, *code]);
    let new = u16::from_be_bytes([to, *code]);
    let checksum = update_checksum(u16::from_be_bytes([*high, *low]), old, new);
    *kind = to;
    [*high, *low] = checksum.to_be_bytes();
    true
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, SocketAddr};

    use wire::ip::{build_udp, checksum, transport_checksum};

    use super::*;

    fn udp(source: &str, destination: &str) -> Vec<u8> {
        let source: SocketAddr = source.parse().unwrap();
        let destination: SocketAddr = destination.parse().unwrap();
        let mut packet = Vec::new();
        assert!(build_udp(source, destination, b"hello, world", &mut packet));
        packet
    }

    #[test]
    fn udp_goes_back_with_right_checksums() {
        for (a, b) in [
            ("10.0.0.1:4000", "10.0.0.2:7"),
            ("[2001:db8::1]:4000", "[2001:db8::2]:7"),
        ] {
            let mut packet = udp(a, b);
            assert!(answer(&mut packet));
            assert_eq!(packet, udp(b, a));
        }
    }

    fn echo_v4(kind: u8) -> Vec<u8> {
        let mut packet = udp("10.0.0.1:1", "10.0.0.2:2");
        packet[9] = protocol::ICMP;
        packet[10..12].fill(0);
        let header = checksum(&[&packet[..20]]);
        packet[10..12].copy_from_slice(&header.to_be_bytes());
        packet[20] = kind;
        packet[21..24].fill(0);
        let sum = checksum(&[&packet[20..]]);
        packet[22..24].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn icmp_echo_requests_are_answered_and_replies_are_not() {
        let mut packet = echo_v4(ICMP_ECHO_REQUEST);
        assert!(answer(&mut packet));
        assert_eq!(packet[20], ICMP_ECHO_REPLY);
        assert_eq!(checksum(&[&packet[..20]]), 0);
        assert_eq!(checksum(&[&packet[20..]]), 0);
        assert_eq!(packet[12..16], [10, 0, 0, 2]);
        let reply = packet.clone();
        assert!(!answer(&mut packet));
        assert_eq!(packet, reply);
    }

    #[test]
    fn icmpv6_echo_requests_are_answered() {
        let mut packet = udp("[2001:db8::1]:1", "[2001:db8::2]:2");
        let (source, destination): (IpAddr, IpAddr) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        );
        packet[6] = protocol::ICMPV6;
        packet[40] = ICMPV6_ECHO_REQUEST;
        packet[41..44].fill(0);
        let sum = transport_checksum(source, destination, protocol::ICMPV6, &packet[40..]);
        packet[42..44].copy_from_slice(&sum.to_be_bytes());
        assert!(answer(&mut packet));
        assert_eq!(packet[40], ICMPV6_ECHO_REPLY);
        let sum = u16::from_be_bytes([packet[42], packet[43]]);
        packet[42..44].fill(0);
        let right = transport_checksum(destination, source, protocol::ICMPV6, &packet[40..]);
        assert_eq!(sum, right);
    }

    #[test]
    fn what_has_no_answer_is_left_alone() {
        assert!(!answer(&mut []));
        assert!(!answer(&mut [0x45; 19]));
        let mut fragment = udp("10.0.0.1:1", "10.0.0.2:2");
        fragment[6] = 0x20;
        let before = fragment.clone();
        assert!(!answer(&mut fragment));
        assert_eq!(fragment, before);
    }
}
