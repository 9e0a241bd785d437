use esp::InboundDrop;
use ipsec::{FrontVrf, InnerVrf, LifeStage, VolumeLimits};

use crate::support::{CBC, OWNER, Pair, Setup, udp, udp4, udp6};

/// Text of an ESP packet: payload, padding by the rule, next header.
fn text(payload: &[u8], next_header: u8) -> Vec<u8> {
    let padding = (payload.len() + 2).next_multiple_of(4) - payload.len() - 2;
    let mut text = payload.to_vec();
    text.extend((1_u8..).take(padding));
    text.extend([u8::try_from(padding).unwrap(), next_header]);
    text
}

#[test]
fn short_and_stray_packets_are_told_apart() {
    let mut pair = Pair::new();
    for len in 0..8 {
        assert_eq!(pair.open(&vec![1; len]), Err(InboundDrop::TooShort));
    }
    assert_eq!(
        pair.open(&[0; 60]),
        Err(InboundDrop::TooShort),
        "SPI 0 is no SPI"
    );
    assert_eq!(pair.open(&[1; 60]), Err(InboundDrop::UnknownSpi));
    let mut deleted = pair.seal(&udp4(1));
    assert!(pair.sad.remove_inbound(pair.spi));
    assert_eq!(pair.open(&deleted), Err(InboundDrop::UnknownSpi));
    deleted[3] ^= 1;
    assert_eq!(pair.open(&deleted), Err(InboundDrop::UnknownSpi));
}

#[test]
fn dummies_prove_life_and_carry_nothing() {
    let mut pair = Pair::new();
    let dummy = pair.forge(1, &text(&[0xaa; 30], 59));
    assert_eq!(pair.open(&dummy), Ok(Vec::new()));
    assert_eq!(pair.inbound.heard.len(), 1);
    assert_eq!(pair.inbound.heard[0].owner, OWNER);
    assert_eq!(
        (
            pair.inbound.packets,
            pair.inbound.bytes,
            pair.inbound.dummies
        ),
        (1, 0, 1)
    );
    assert_eq!(pair.open(&dummy), Err(InboundDrop::SequenceDuplicate));
}

#[test]
fn padding_for_traffic_flow_confidentiality_is_cut_off() {
    let mut pair = Pair::new();
    for (inner, next_header) in [(udp4(20), 4), (udp6(20), 41)] {
        let mut padded = inner.clone();
        padded.resize(1000, 0);
        let sequence = 1 + u32::from(next_header);
        let packet = pair.forge(sequence, &text(&padded, next_header));
        assert_eq!(pair.open(&packet), Ok(inner));
    }
}

#[test]
fn wrong_trailers_and_payloads_are_named() {
    let mut pair = Pair::new();
    // Two octets of padding follow.
    let inner = udp4(24);
    let mut zeros = text(&inner, 4);
    let len = zeros.len();
    zeros[len - 4..len - 2].fill(0);
    let mut endless = text(&inner, 4);
    endless[len - 2] = 200;
    let mut cut = inner.clone();
    cut.truncate(40);
    for (sequence, text, reason) in [
        (1, zeros, InboundDrop::BadPadding),
        (2, endless, InboundDrop::BadPadding),
        (3, text(&inner, 6), InboundDrop::UnknownNextHeader),
        (4, text(&inner, 41), InboundDrop::MalformedInner),
        (5, text(&udp6(5), 4), InboundDrop::MalformedInner),
        (6, text(&cut, 4), InboundDrop::MalformedInner),
        (7, text(&[], 4), InboundDrop::MalformedInner),
        (8, Vec::new(), InboundDrop::BadPadding),
    ] {
        let packet = pair.forge(sequence, &text);
        assert_eq!(pair.open(&packet), Err(reason), "{sequence}");
        assert_eq!(
            pair.inbound.heard.len(),
            1,
            "authentic and fresh all the same"
        );
    }
    assert_eq!((pair.inbound.authentic, pair.inbound.packets), (8, 0));
    assert_eq!(pair.inbound_sa().counters.malformed, 8);
    assert_eq!(pair.inbound_sa().counters.packets, 0);
}

#[test]
fn inner_addresses_outside_the_selectors_are_refused() {
    let setup = || Setup {
        local: vec!["10.0.0.1".parse().unwrap()],
        remote: vec!["10.0.1.0/24[udp/2000]".parse().unwrap()],
        ..Setup::default()
    };
    let mut pair = setup().build();
    let inner = udp4(5);
    let packet = pair.seal(&inner);
    assert_eq!(pair.open(&packet), Ok(inner));
    for (sequence, (source, destination)) in (2..).zip([
        ("10.0.0.2:1000", "10.0.1.1:2000"),
        ("10.0.0.1:1000", "10.0.2.1:2000"),
        ("10.0.0.1:1000", "10.0.1.1:2001"),
        ("[fd00::1]:1000", "[fd01::1]:2000"),
    ]) {
        let spoofed = udp(source, destination, 5);
        let next_header = if source.starts_with('[') { 41 } else { 4 };
        let packet = pair.forge(sequence, &text(&spoofed, next_header));
        assert_eq!(
            pair.open(&packet),
            Err(InboundDrop::SelectorMismatch),
            "{source}"
        );
    }
    assert_eq!(pair.inbound_sa().counters.selector, 4);
}

#[test]
fn old_packets_cost_no_decryption_and_do_not_count_as_life() {
    let mut pair = Setup {
        suite: CBC,
        ..Setup::default()
    }
    .build();
    let packets: Vec<_> = (0..100).map(|_| pair.seal(&udp4(3))).collect();
    assert!(pair.open(&packets[99]).is_ok());
    for (place, packet) in packets.iter().enumerate().take(36) {
        assert_eq!(
            pair.open(packet),
            Err(InboundDrop::SequenceTooOld),
            "{place}"
        );
        assert!(pair.inbound.heard.is_empty());
    }
    assert!(pair.open(&packets[36]).is_ok());
    assert_eq!(pair.inbound_sa().counters.replay, 36);
}

#[test]
fn the_hard_limit_ends_an_inbound_sa() {
    let limits = VolumeLimits {
        soft_packets: 2,
        hard_packets: 3,
        ..VolumeLimits::NONE
    };
    let mut pair = Setup {
        inbound_limits: limits,
        ..Setup::default()
    }
    .build();
    let mut stages = Vec::new();
    for _ in 0..3 {
        let packet = pair.seal(&udp4(3));
        assert!(pair.open(&packet).is_ok());
        stages.push(
            pair.inbound
                .aged
                .first()
                .map(|aged| (aged.stage, aged.spi, aged.owner)),
        );
    }
    assert_eq!(
        stages,
        [
            None,
            Some((LifeStage::Soft, pair.spi, OWNER)),
            Some((LifeStage::Hard, pair.spi, OWNER))
        ]
    );
    let packet = pair.seal(&udp4(3));
    assert_eq!(pair.open(&packet), Err(InboundDrop::LifetimeExpired));
    assert!(pair.inbound.aged.is_empty() && pair.inbound.heard.is_empty());
}

#[test]
fn an_sa_takes_packets_of_its_own_door_only_and_knows_where_they_go() {
    let mut pair = Pair::new();
    let sa = pair.sad.inbound_mut(pair.spi).unwrap();
    sa.fvrf = FrontVrf(3);
    sa.ivrf = InnerVrf(7);
    let (inner, packet) = (udp4(1), pair.seal(&udp4(1)));
    for elsewhere in [FrontVrf::GLOBAL, FrontVrf(7)] {
        let opened = pair.open_in(elsewhere, &packet);
        assert_eq!(opened, Err(InboundDrop::ForeignVrf));
    }
    assert!(pair.inbound.heard.is_empty(), "it proves nothing there");
    let opened = pair.open_in(FrontVrf(3), &packet);
    assert_eq!(
        opened,
        Ok((InnerVrf(7), inner)),
        "and it did not move the window"
    );
}
