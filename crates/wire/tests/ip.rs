//! IP headers: reading, rewriting and answering, checked against checksums computed anew.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;
use wire::Malformed;
use wire::ip::{
    EXTENSION_HEADERS_MAX, Fragment, InnerPacket, PathMtuError, Upper, build_udp, checksum,
    clamp_mss, decrement_hop_limit, ecn, packet_too_big, protocol, set_dont_fragment, set_dscp,
    set_ecn, set_traffic_class, transport_checksum,
};

const V4: (&str, &str) = ("10.1.2.3:1000", "192.0.2.9:2000");
const V6: (&str, &str) = ("[2001:db8::1]:1000", "[2001:db8::2]:2000");

fn udp((from, to): (&str, &str), payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let from: SocketAddr = from.parse().unwrap();
    assert!(build_udp(from, to.parse().unwrap(), payload, &mut packet));
    packet
}

fn header_checksum_is_right(packet: &[u8]) -> bool {
    checksum(&[&packet[..20]]) == 0
}

#[test]
fn a_built_packet_is_read_back() {
    for (addresses, header_len) in [(V4, 20), (V6, 40)] {
        let packet = udp(addresses, b"hello");
        let inner = InnerPacket::parse(&packet).unwrap();
        assert_eq!(inner.protocol, protocol::UDP);
        assert_eq!(inner.header_len, header_len);
        assert_eq!(inner.total_len, packet.len());
        assert_eq!(
            inner.upper,
            Upper::Ports {
                source: 1000,
                destination: 2000
            }
        );
        assert_eq!(inner.fragment, Fragment::Whole);
        let segment = &packet[header_len..];
        assert_eq!(
            transport_checksum(inner.source, inner.destination, protocol::UDP, segment),
            0
        );
    }
    assert!(header_checksum_is_right(&udp(V4, b"hello")));
}

#[test]
fn families_are_not_mixed() {
    let mut packet = Vec::new();
    let v4: SocketAddr = V4.0.parse().unwrap();
    assert!(!build_udp(v4, V6.1.parse().unwrap(), b"", &mut packet));
    assert!(packet.is_empty());
}

#[test]
fn trailing_padding_is_tolerated_and_truncation_is_not() {
    for addresses in [V4, V6] {
        let mut packet = udp(addresses, b"hello");
        let whole = packet.len();
        packet.extend_from_slice(&[0; 32]);
        assert_eq!(InnerPacket::parse(&packet).unwrap().total_len, whole);
        for length in 0..whole {
            assert!(InnerPacket::parse(&packet[..length]).is_err());
        }
    }
}

#[test]
fn fragments_are_told_apart() {
    let mut packet = udp(V4, &[0; 16]);
    packet[6] = 0x20;
    let first = InnerPacket::parse(&packet).unwrap();
    assert_eq!(first.fragment, Fragment::First);
    assert!(matches!(first.upper, Upper::Ports { .. }));
    packet[6] = 0;
    packet[7] = 2;
    let later = InnerPacket::parse(&packet).unwrap();
    assert_eq!(later.fragment, Fragment::Later);
    assert_eq!(later.upper, Upper::Opaque);
}

/// An IPv6 packet whose payload is `payload` under the first next header `next`.
fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
    packet[5] = u8::try_from(payload.len()).unwrap();
    packet.extend_from_slice(&[0x20; 32]);
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn extension_headers_are_walked_up_to_a_limit() {
    let options = [60, 0, 1, 4, 0, 0, 0, 0];
    let last = [protocol::UDP, 0, 1, 4, 0, 0, 0, 0];
    let ports = [0, 1, 0, 2, 0, 8, 0, 0];
    let chain = |count: usize| {
        let mut payload = options.repeat(count - 1);
        payload.extend_from_slice(&last);
        payload.extend_from_slice(&ports);
        v6(60, &payload)
    };
    let inner = InnerPacket::parse(&chain(EXTENSION_HEADERS_MAX)).unwrap();
    assert_eq!(inner.protocol, protocol::UDP);
    assert_eq!(inner.header_len, 40 + 8 * EXTENSION_HEADERS_MAX);
    assert!(matches!(
        inner.upper,
        Upper::Ports {
            source: 1,
            destination: 2
        }
    ));
    assert_eq!(
        InnerPacket::parse(&chain(EXTENSION_HEADERS_MAX + 1)),
        Err(Malformed::TooMany)
    );
}

#[test]
fn a_later_ipv6_fragment_has_no_ports() {
    let payload = [protocol::UDP, 0, 0, 9, 0, 0, 0, 1, 0, 1, 0, 2, 0, 8, 0, 0];
    let inner = InnerPacket::parse(&v6(44, &payload)).unwrap();
    assert_eq!(inner.fragment, Fragment::Later);
    assert_eq!(inner.protocol, protocol::UDP);
    assert_eq!(inner.upper, Upper::Opaque);
}

#[test]
fn the_hop_limit_does_not_reach_zero() {
    for addresses in [V4, V6] {
        let mut packet = udp(addresses, b"x");
        let before = InnerPacket::parse(&packet).unwrap().hop_limit;
        assert!(decrement_hop_limit(&mut packet));
        assert_eq!(InnerPacket::parse(&packet).unwrap().hop_limit, before - 1);
        if addresses == V4 {
            assert!(header_checksum_is_right(&packet));
        }
        for _ in 2..before {
            assert!(decrement_hop_limit(&mut packet));
        }
        assert!(!decrement_hop_limit(&mut packet));
        assert_eq!(InnerPacket::parse(&packet).unwrap().hop_limit, 1);
    }
}

fn tcp_syn(mss: u16, leading_nops: usize) -> Vec<u8> {
    let options = 4 + leading_nops.next_multiple_of(4);
    let mut segment = vec![0; 20];
    segment[12] = u8::try_from((20 + options) / 4).unwrap() << 4;
    segment[13] = 0x02;
    segment.extend(std::iter::repeat_n(1, leading_nops));
    segment.extend_from_slice(&[2, 4]);
    segment.extend_from_slice(&mss.to_be_bytes());
    segment.resize(20 + options, 0);
    let source = IpAddr::V6(Ipv6Addr::from([0x20; 16]));
    let sum = transport_checksum(source, source, protocol::TCP, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    v6(protocol::TCP, &segment)
}

#[test]
fn mss_is_lowered_and_the_checksum_kept() {
    for nops in 0..4 {
        let mut packet = tcp_syn(1460, nops);
        assert!(!clamp_mss(&mut packet, 1460));
        assert!(clamp_mss(&mut packet, 1360));
        let at = 40 + 20 + nops + 2;
        assert_eq!(packet[at..at + 2], 1360_u16.to_be_bytes());
        let source = IpAddr::V6(Ipv6Addr::from([0x20; 16]));
        assert_eq!(
            transport_checksum(source, source, protocol::TCP, &packet[40..]),
            0
        );
    }
}

#[test]
fn only_a_whole_syn_is_clamped() {
    let mut packet = tcp_syn(1460, 0);
    packet[40 + 13] = 0x10;
    assert!(!clamp_mss(&mut packet, 1000));
    let mut packet = tcp_syn(1460, 0);
    packet[40 + 21] = 3;
    assert!(!clamp_mss(&mut packet, 1000));
    let mut packet = udp(V4, &[0; 64]);
    assert!(!clamp_mss(&mut packet, 1));
}

#[test]
fn too_big_is_answered_for_both_families() {
    let mut answer = Vec::new();
    let packet = udp(V4, &[7; 1400]);
    let router = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    packet_too_big(&packet, router, 1280, &mut answer).unwrap();
    assert!(header_checksum_is_right(&answer));
    assert_eq!(answer.len(), 576);
    assert_eq!(answer[20..22], [3, 4]);
    assert_eq!(checksum(&[&answer[20..]]), 0);
    assert_eq!(answer[26..28], 1280_u16.to_be_bytes());
    assert_eq!(answer[28..], packet[..548]);
    let inner = InnerPacket::parse(&answer).unwrap();
    assert_eq!(
        (inner.source, inner.destination),
        (router, "10.1.2.3".parse().unwrap())
    );
    // An error is never answered with an error.
    let mut second = Vec::new();
    assert_eq!(
        packet_too_big(&answer, router, 500, &mut second),
        Err(PathMtuError::NotAnswerable)
    );

    let packet = udp(V6, &[7; 1400]);
    let router = IpAddr::V6("2001:db8::ff".parse().unwrap());
    packet_too_big(&packet, router, 1300, &mut answer).unwrap();
    assert_eq!(answer.len(), 1280);
    assert_eq!(answer[40..42], [2, 0]);
    let inner = InnerPacket::parse(&answer).unwrap();
    assert_eq!(
        transport_checksum(router, inner.destination, protocol::ICMPV6, &answer[40..]),
        0
    );
}

#[test]
fn too_big_is_not_answered_where_the_rfcs_forbid_it() {
    let mut out = Vec::new();
    let router = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let mut packet = udp(V4, &[7; 100]);
    assert!(set_dont_fragment(&mut packet, false));
    assert!(header_checksum_is_right(&packet));
    assert_eq!(
        packet_too_big(&packet, router, 68, &mut out),
        Err(PathMtuError::MayBeFragmented)
    );
    let multicast = udp(("10.1.2.3:1", "224.0.0.5:2"), &[7; 100]);
    assert_eq!(
        packet_too_big(&multicast, router, 68, &mut out),
        Err(PathMtuError::NotAnswerable)
    );
    assert_eq!(
        packet_too_big(&udp(V6, b"x"), router, 68, &mut out),
        Err(PathMtuError::WrongFamily)
    );
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn rewriting_keeps_the_checksum(class: u8, mark in 0_u8..4, codepoint in 0_u8..64) {
        for addresses in [V4, V6] {
            let mut packet = udp(addresses, b"payload");
            let before = InnerPacket::parse(&packet).unwrap();
            prop_assert!(set_traffic_class(&mut packet, class));
            prop_assert!(set_ecn(&mut packet, mark));
            prop_assert!(set_dscp(&mut packet, codepoint));
            let after = InnerPacket::parse(&packet).unwrap();
            prop_assert_eq!(after.traffic_class, (codepoint << 2) | mark);
            prop_assert_eq!(ecn(after.traffic_class), mark);
            prop_assert_eq!(InnerPacket { traffic_class: before.traffic_class, ..after }, before);
            if addresses == V4 {
                prop_assert!(header_checksum_is_right(&packet));
            }
        }
    }

    #[test]
    fn nothing_panics_on_any_octets(mut packet in vec(any::<u8>(), 0..200), version in 0_u8..16) {
        if let Some(first) = packet.first_mut() {
            *first = (version << 4) | (*first & 0x0f);
        }
        let mut out = Vec::new();
        for router in ["10.0.0.1", "2001:db8::1"] {
            let _ = packet_too_big(&packet, router.parse().unwrap(), 1280, &mut out);
        }
        clamp_mss(&mut packet, 1000);
        set_ecn(&mut packet, 3);
        set_dont_fragment(&mut packet, true);
        decrement_hop_limit(&mut packet);
    }
}
