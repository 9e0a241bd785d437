use core::net::{IpAddr, SocketAddr};

use esp::{
    HEADROOM, InboundDrop, InboundPacket, Opened, OutboundPacket, Sealed, TAILROOM, open_batch,
    seal_batch,
};
use ipsec::Encapsulation;
use proptest::prelude::*;

use crate::support::{NOW, OWNER, Pair, SUITES, Setup, udp4, udp6};

#[test]
fn every_suite_carries_both_families_with_and_without_esn() {
    for suite in SUITES {
        for esn in [false, true] {
            let mut pair = Setup {
                suite,
                esn,
                ..Setup::default()
            }
            .build();
            for inner in [udp4(0), udp4(1), udp4(1000), udp6(0), udp6(33)] {
                let packet = pair.seal(&inner);
                assert_eq!(packet.len() % 4, 0);
                assert_eq!(pair.open(&packet), Ok(inner), "{suite:?}");
            }
        }
    }
}

#[test]
fn the_outer_family_and_encapsulation_do_not_matter_to_the_octets() {
    let inner = udp6(100);
    let mut packets = Vec::new();
    for peer in ["198.51.100.1:4500", "[2001:db8::1]:4500"] {
        for encapsulation in [Encapsulation::Raw, Encapsulation::Udp] {
            let peer: SocketAddr = peer.parse().unwrap();
            let mut pair = Setup {
                peer,
                encapsulation,
                ..Setup::default()
            }
            .build();
            packets.push(pair.seal(&inner));
        }
    }
    packets.dedup();
    assert_eq!(packets.len(), 1);
}

#[test]
fn any_changed_octet_is_noticed() {
    for suite in SUITES {
        let mut pair = Setup {
            suite,
            ..Setup::default()
        }
        .build();
        let inner = udp4(40);
        let packet = pair.seal(&inner);
        for place in 4..packet.len() {
            let mut changed = packet.clone();
            changed[place] ^= 0x10;
            let result = pair.open(&changed);
            assert_eq!(
                result,
                Err(InboundDrop::Integrity),
                "{suite:?} octet {place}"
            );
        }
        for len in 8..packet.len() {
            assert_eq!(
                pair.open(&packet[..len]),
                Err(InboundDrop::Integrity),
                "{suite:?} {len}"
            );
        }
        assert_eq!(
            pair.inbound_sa().window.top(),
            0,
            "nothing forged moves the window"
        );
        assert!(pair.inbound.heard.is_empty());
        assert_eq!(pair.open(&packet), Ok(inner));
    }
}

#[test]
fn a_batch_keeps_order_and_tells_duplicates() {
    let mut pair = Pair::new();
    let inners: Vec<_> = (0..6).map(|n| udp4(n * 100)).collect();
    let mut buffers: Vec<_> = inners
        .iter()
        .map(|inner| {
            let mut buffer = vec![0; HEADROOM + inner.len() + TAILROOM];
            buffer[HEADROOM..HEADROOM + inner.len()].copy_from_slice(inner);
            (buffer, HEADROOM..HEADROOM + inner.len())
        })
        .collect();
    let mut packets: Vec<_> = buffers
        .iter_mut()
        .map(|(buffer, range)| OutboundPacket::new(buffer, range.clone(), pair.handle))
        .collect();
    seal_batch(&mut pair.sad, &mut packets, NOW, &mut pair.outbound);
    assert_eq!(pair.outbound.used.len(), 1);
    assert_eq!(pair.outbound.used[0].owner, OWNER);
    let sealed: Vec<_> = packets
        .iter()
        .map(|packet| packet.packet().unwrap().to_vec())
        .collect();
    for (packet, sequence) in sealed.iter().zip(1_u32..) {
        assert_eq!(packet[4..8], sequence.to_be_bytes());
    }
    // 0 1 3 3 2 1: two of them came before, within the same batch.
    let mut received: Vec<_> = [0, 1, 3, 3, 2, 1]
        .map(|place: usize| sealed[place].clone())
        .into();
    let mut packets: Vec<_> = received
        .iter_mut()
        .map(|octets| InboundPacket::new(octets, 0))
        .collect();
    open_batch(&mut pair.sad, &mut packets, NOW, &mut pair.inbound);
    let duplicate = Opened::Dropped(InboundDrop::SequenceDuplicate);
    let newest: Vec<_> = packets
        .iter()
        .map(|packet| match &packet.outcome {
            Opened::Inner { newest, .. } => Some(*newest),
            outcome => {
                assert_eq!(*outcome, duplicate);
                None
            }
        })
        .collect();
    assert_eq!(
        newest,
        [Some(true), Some(true), Some(true), None, Some(false), None]
    );
    assert_eq!(packets[2].inner(), Some(&inners[3][..]));
    let heard = (pair.inbound.heard.len(), pair.inbound.authentic);
    assert_eq!(heard, (1, 4), "duplicates are no proof");
    assert_eq!(
        (pair.inbound.packets, pair.inbound.drops.iter().sum::<u64>()),
        (4, 2)
    );
    // And across batches.
    assert_eq!(pair.open(&sealed[4]), Ok(inners[4].clone()));
    assert_eq!(pair.open(&sealed[4]), Err(InboundDrop::SequenceDuplicate));
    assert!(
        pair.inbound.heard.is_empty(),
        "a duplicate is no proof of life"
    );
}

#[test]
fn extended_numbers_carry_on_past_the_low_word() {
    for suite in SUITES {
        let mut pair = Setup {
            suite,
            esn: true,
            ..Setup::default()
        }
        .build();
        // Both ends have come far together.
        let used = u64::from(u32::MAX) - 40;
        pair.outbound_sa().sequence.skip(used);
        pair.sad
            .inbound_mut(pair.spi)
            .unwrap()
            .window
            .advance(used)
            .unwrap();
        let mut held_back = Vec::new();
        for n in 0..80 {
            let packet = pair.seal(&udp4(n));
            if n % 3 == 0 {
                held_back.push((packet, udp4(n)));
            } else {
                assert_eq!(pair.open(&packet), Ok(udp4(n)), "{suite:?} {n}");
            }
        }
        assert!(pair.inbound_sa().window.top() > u64::from(u32::MAX));
        let (late, in_time) = held_back.split_at(held_back.len() - 21);
        for (packet, inner) in in_time {
            assert_eq!(pair.open(packet), Ok(inner.clone()));
        }
        for (packet, _) in late {
            // RFC 4303 A2.1: a low half behind the window is taken for one of the next turn.
            assert_eq!(pair.open(packet), Err(InboundDrop::Integrity));
        }
    }
}

fn inner_v4() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<[u8; 4]>(),
        any::<[u8; 4]>(),
        any::<u8>(),
        any::<u8>(),
        0_u16..4,
        payload(),
    )
        .prop_map(|(source, destination, protocol, class, flags, payload)| {
            let total = u16::try_from(20 + payload.len()).unwrap();
            let mut packet = vec![0x45, class];
            packet.extend_from_slice(&total.to_be_bytes());
            packet.extend_from_slice(&[0, 0]);
            packet.extend_from_slice(&(flags << 13).to_be_bytes());
            packet.extend_from_slice(&[64, protocol, 0, 0]);
            packet.extend_from_slice(&source);
            packet.extend_from_slice(&destination);
            let sum = wire::ip::checksum(&[&packet]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            packet.extend_from_slice(&payload);
            packet
        })
}

fn inner_v6() -> impl Strategy<Value = Vec<u8>> {
    // A next header that is no extension header.
    let next_header = prop_oneof![Just(6_u8), Just(17), Just(58), Just(59), Just(47)];
    (
        any::<[u8; 16]>(),
        any::<[u8; 16]>(),
        next_header,
        any::<u32>(),
        payload(),
    )
        .prop_map(|(source, destination, next_header, flow, payload)| {
            let mut packet = (0x6000_0000 | (flow & 0x0fff_ffff)).to_be_bytes().to_vec();
            packet.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
            packet.extend_from_slice(&[next_header, 64]);
            packet.extend_from_slice(&source);
            packet.extend_from_slice(&destination);
            packet.extend_from_slice(&payload);
            packet
        })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..1200)
}

proptest! {
    #[test]
    fn any_inner_packet_comes_out_as_it_went_in(
        inners in proptest::collection::vec(prop_oneof![inner_v4(), inner_v6()], 1..12),
        suite in proptest::sample::select(&SUITES[..]),
        esn in any::<bool>(),
        start in prop_oneof![Just(0_u64), 0..u64::from(u32::MAX) / 2],
    ) {
        let mut pair = Setup { suite, esn, ..Setup::default() }.build();
        pair.outbound_sa().sequence.skip(start);
        for inner in inners {
            let (outcome, packet) = pair.seal_outcome(&inner);
            let Sealed::Packet { outer, .. } = outcome else {
                panic!("{outcome:?}");
            };
            let opened = pair.open_under(&packet.unwrap(), outer.traffic_class);
            prop_assert_eq!(opened, Ok(inner));
        }
    }

    #[test]
    fn no_octets_at_all_can_harm(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut pair = Pair::new();
        prop_assert!(pair.open(&octets).is_err());
        // The same, addressed to the SA.
        let mut addressed = pair.spi.0.to_be_bytes().to_vec();
        addressed.extend_from_slice(&octets);
        prop_assert!(pair.open(&addressed).is_err());
        prop_assert_eq!(pair.inbound_sa().window.top(), 0);
    }

    #[test]
    fn authentic_nonsense_is_dropped_with_a_reason(
        text in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut pair = Pair::new();
        let packet = pair.forge(1, &text);
        match pair.open(&packet) {
            Ok(inner) => prop_assert!(inner.len() <= text.len()),
            Err(reason) => prop_assert!(matches!(
                reason,
                InboundDrop::BadPadding | InboundDrop::UnknownNextHeader
                    | InboundDrop::MalformedInner
            )),
        }
        prop_assert_eq!(pair.inbound.heard.len(), 1);
    }
}

#[test]
fn the_other_family_can_be_the_peer() {
    let peer: SocketAddr = (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 9]), 4500).into();
    let mut pair = Setup {
        peer,
        ..Setup::default()
    }
    .build();
    let inner = udp4(10);
    let packet = pair.seal(&inner);
    assert_eq!(pair.open(&packet), Ok(inner));
}
