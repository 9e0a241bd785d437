//! The rules between inner and outer header (RFC 4301 §5.1.2, RFC 6040) and path MTU.

use esp::{HEADROOM, InboundDrop, OutboundDrop, OutboundPacket, Sealed, TAILROOM, seal_batch};
use ipsec::{DfPolicy, Encapsulation, OuterHeaderPolicy};
use wire::ip::{InnerPacket, checksum, set_dont_fragment, set_traffic_class};

use crate::support::{GCM, NOW, Pair, SUITES, Setup, udp4, udp6};

fn outer(df: DfPolicy, copy_dscp: bool) -> OuterHeaderPolicy {
    OuterHeaderPolicy {
        df,
        copy_dscp,
        mss_clamp: None,
    }
}

fn fields(pair: &mut Pair, inner: &[u8]) -> (u8, bool) {
    match pair.seal_outcome(inner).0 {
        Sealed::Packet { outer, .. } => (outer.traffic_class, outer.dont_fragment),
        outcome => panic!("{outcome:?}"),
    }
}

fn with_class(mut inner: Vec<u8>, class: u8) -> Vec<u8> {
    assert!(set_traffic_class(&mut inner, class));
    inner
}

fn with_df(mut inner: Vec<u8>, df: bool) -> Vec<u8> {
    assert!(set_dont_fragment(&mut inner, df));
    inner
}

#[test]
fn dscp_is_copied_if_so_configured_and_ecn_always() {
    for inner in [udp4(4), udp6(4)] {
        let inner = with_class(inner, 0b1011_1010);
        for (copy_dscp, class) in [(true, 0b1011_1010), (false, 0b0000_0010)] {
            let setup = Setup {
                outer: outer(DfPolicy::Copy, copy_dscp),
                ..Setup::default()
            };
            assert_eq!(fields(&mut setup.build(), &inner).0, class);
        }
    }
}

#[test]
fn the_outer_df_bit_follows_policy() {
    for (policy, unset, set, v6) in [
        (DfPolicy::Copy, false, true, true),
        (DfPolicy::Set, true, true, true),
        (DfPolicy::Clear, false, false, false),
    ] {
        let mut pair = Setup {
            outer: outer(policy, true),
            ..Setup::default()
        }
        .build();
        let df = |pair: &mut Pair, inner: &[u8]| fields(pair, inner).1;
        assert_eq!(df(&mut pair, &with_df(udp4(4), false)), unset, "{policy:?}");
        assert_eq!(df(&mut pair, &with_df(udp4(4), true)), set, "{policy:?}");
        assert_eq!(df(&mut pair, &udp6(4)), v6, "{policy:?}");
    }
}

#[test]
fn congestion_on_the_way_arrives_inside() {
    const CE: u8 = 0b11;
    for inner in [udp4(4), udp6(4)] {
        let mut pair = Pair::new();
        let capable = with_class(inner.clone(), 0b1011_1010);
        let packet = pair.seal(&capable);
        let opened = pair.open_under(&packet, CE).unwrap();
        assert_eq!(opened, with_class(capable, 0b1011_1011));
        if opened[0] >> 4 == 4 {
            assert_eq!(
                checksum(&[&opened[..20]]),
                0,
                "the header checksum is right again"
            );
        }
        // The outer DSCP is the network's affair and does not come inside.
        let plain = with_class(inner.clone(), 0b1011_1000);
        let packet = pair.seal(&plain);
        assert_eq!(pair.open_under(&packet, 0b0101_0100), Ok(plain.clone()));
        let packet = pair.seal(&plain);
        assert_eq!(
            pair.open_under(&packet, CE),
            Err(InboundDrop::CongestionUnmarkable)
        );
        assert_eq!(pair.inbound.heard.len(), 1);
        assert_eq!(pair.inbound_sa().counters.refused, 1);
    }
}

/// The outer IP packet that carries an ESP packet.
fn outer_len(esp: usize, ip: usize, encapsulation: Encapsulation) -> usize {
    ip + esp
        + if encapsulation == Encapsulation::Udp {
            8
        } else {
            0
        }
}

#[test]
fn the_inner_mtu_is_the_biggest_that_fits() {
    for suite in SUITES {
        for encapsulation in [Encapsulation::Raw, Encapsulation::Udp] {
            for (peer, ip) in [("198.51.100.1:4500", 20), ("[2001:db8::1]:4500", 40)] {
                for mtu in [1280, 1400, 1499, 1500] {
                    let peer = peer.parse().unwrap();
                    let setup = Setup {
                        suite,
                        encapsulation,
                        peer,
                        mtu,
                        ..Setup::default()
                    };
                    let mut pair = setup.build();
                    let inner_mtu = usize::from(esp::inner_mtu(pair.outbound_sa()));
                    let fits = pair.seal(&with_df(udp4(inner_mtu - 28), true));
                    assert!(outer_len(fits.len(), ip, encapsulation) <= usize::from(mtu));
                    let (outcome, _) = pair.seal_outcome(&with_df(udp4(inner_mtu - 27), true));
                    let mtu_told = u16::try_from(inner_mtu).unwrap();
                    assert_eq!(outcome, Sealed::TooBig { mtu: mtu_told });
                    // One octet more would indeed not fit.
                    let over = pair.seal(&with_df(udp4(inner_mtu - 27), false));
                    assert!(outer_len(over.len(), ip, encapsulation) > usize::from(mtu));
                }
            }
        }
    }
}

#[test]
fn what_is_too_big_stays_as_it_was_and_is_counted() {
    let mut pair = Setup {
        mtu: 1400,
        ..Setup::default()
    }
    .build();
    let inner = with_df(udp4(1400), true);
    let mut buffer = vec![0; HEADROOM + inner.len() + TAILROOM];
    let range = HEADROOM..HEADROOM + inner.len();
    buffer[range.clone()].copy_from_slice(&inner);
    let mut packets = [OutboundPacket::new(&mut buffer, range.clone(), pair.handle)];
    packets[0].forwarded_here = true;
    seal_batch(&mut pair.sad, &mut packets, NOW, &mut pair.outbound);
    assert!(matches!(packets[0].outcome, Sealed::TooBig { .. }));
    assert_eq!(buffer[range], inner[..]);
    assert_eq!(pair.outbound.drops[OutboundDrop::TooBig.index()], 1);
    assert_eq!(pair.outbound_sa().counters.too_big, 1);
    assert_eq!(pair.outbound_sa().sequence.peek(), 1);
}

#[test]
fn what_may_be_fragmented_is_sent_without_df() {
    for policy in [DfPolicy::Copy, DfPolicy::Set, DfPolicy::Clear] {
        let mut pair = Setup {
            mtu: 1300,
            outer: outer(policy, true),
            ..Setup::default()
        }
        .build();
        assert!(
            !fields(&mut pair, &with_df(udp4(1400), false)).1,
            "{policy:?}"
        );
        // RFC 8200 §5: 1,280 octets pass whatever it takes; one more does not.
        assert!(!fields(&mut pair, &udp6(1280 - 48)).1, "{policy:?}");
        assert!(matches!(
            pair.seal_outcome(&udp6(1281 - 48)).0,
            Sealed::TooBig { .. }
        ));
    }
}

fn forward(pair: &mut Pair, inner: &[u8]) -> (Sealed, Option<Vec<u8>>) {
    let mut buffer = vec![0; HEADROOM + inner.len() + TAILROOM];
    let range = HEADROOM..HEADROOM + inner.len();
    buffer[range.clone()].copy_from_slice(inner);
    let mut packets = [OutboundPacket::new(&mut buffer, range, pair.handle)];
    packets[0].forwarded_here = true;
    seal_batch(&mut pair.sad, &mut packets, NOW, &mut pair.outbound);
    (
        packets[0].outcome.clone(),
        packets[0].packet().map(<[u8]>::to_vec),
    )
}

#[test]
fn forwarding_costs_a_hop_and_sealing_alone_none() {
    for (inner, hop_at) in [(udp4(4), 8), (udp6(4), 7)] {
        let mut pair = Pair::new();
        let sealed = pair.seal(&inner);
        assert_eq!(pair.open(&sealed), Ok(inner.clone()));
        let forwarded = forward(&mut pair, &inner).1.unwrap();
        let arrived = pair.open(&forwarded).unwrap();
        assert_eq!(arrived[hop_at], inner[hop_at] - 1);
        if hop_at == 8 {
            assert_eq!(checksum(&[&arrived[..20]]), 0);
        }
        let mut last_hop = inner.clone();
        last_hop[hop_at] = 1;
        let (outcome, _) = forward(&mut pair, &last_hop);
        assert_eq!(outcome, Sealed::Dropped(OutboundDrop::HopLimitExceeded));
    }
}

#[test]
fn the_segment_size_of_a_syn_is_clamped_either_way() {
    let mut syn = udp4(16);
    syn[9] = 6;
    syn[20..44].copy_from_slice(&[
        0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0x05,
        0xb4,
    ]);
    let clamp = OuterHeaderPolicy {
        mss_clamp: Some(1200),
        ..outer(DfPolicy::Copy, true)
    };
    let mut pair = Setup {
        outer: clamp,
        ..Setup::default()
    }
    .build();
    let packet = pair.seal(&syn);
    let arrived = pair.open(&packet).unwrap();
    assert_eq!(arrived[42..44], 1200_u16.to_be_bytes());
    let mut pair = Pair::new();
    let packet = pair.seal(&syn);
    assert_eq!(pair.open(&packet), Ok(syn.clone()));
    pair.sad.inbound_mut(pair.spi).unwrap().mss_clamp = Some(1200);
    let packet = pair.seal(&syn);
    assert_eq!(pair.open(&packet), Ok(arrived));
}

#[test]
fn octets_after_the_inner_packet_are_not_sent() {
    let mut pair = Pair::new();
    let inner = udp4(12);
    let mut trailing = inner.clone();
    trailing.extend_from_slice(&[0xff; 7]);
    let packet = pair.seal(&trailing);
    assert_eq!(packet.len(), pair.seal(&inner).len());
    assert_eq!(pair.open(&packet), Ok(inner));
    assert_eq!(GCM, pair.suite);
}

#[test]
fn later_fragments_need_selectors_without_ports() {
    let mut fragment = udp4(12);
    fragment[6..8].copy_from_slice(&[0, 9]);
    assert!(InnerPacket::parse(&fragment).unwrap().is_fragment());
    let mut pair = Pair::new();
    let packet = pair.seal(&fragment);
    assert_eq!(pair.open(&packet), Ok(fragment.clone()));
    let remote = vec!["10.0.1.0/24[udp/2000]".parse().unwrap()];
    let mut pair = Setup {
        remote,
        ..Setup::default()
    }
    .build();
    let (outcome, _) = pair.seal_outcome(&fragment);
    assert_eq!(outcome, Sealed::Dropped(OutboundDrop::SelectorMismatch));
}
