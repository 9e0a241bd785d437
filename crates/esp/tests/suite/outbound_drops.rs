use esp::{HEADROOM, OutboundDrop, OutboundPacket, Sealed, TAILROOM, seal_batch};
use ipsec::{LifeStage, VolumeLimits};

use crate::support::{NOW, OWNER, Pair, SUITES, Setup, udp, udp4, udp6};

fn dropped(pair: &mut Pair, inner: &[u8]) -> OutboundDrop {
    match pair.seal_outcome(inner) {
        (Sealed::Dropped(reason), None) => reason,
        (outcome, _) => panic!("{outcome:?}"),
    }
}

#[test]
fn nonsense_is_not_sealed() {
    let mut pair = Pair::new();
    assert_eq!(dropped(&mut pair, &[]), OutboundDrop::MalformedInner);
    assert_eq!(
        dropped(&mut pair, &[0x55; 40]),
        OutboundDrop::MalformedInner
    );
    assert_eq!(
        dropped(&mut pair, &udp4(9)[..30]),
        OutboundDrop::MalformedInner
    );
    assert_eq!(
        pair.outbound_sa().sequence.peek(),
        1,
        "no number is lost on it"
    );
}

#[test]
fn what_the_selectors_do_not_mean_is_not_sealed() {
    let mut pair = Setup {
        remote: vec!["10.0.1.0/24".parse().unwrap()],
        ..Setup::default()
    }
    .build();
    let elsewhere = udp("10.0.0.1:1", "10.0.2.1:2", 4);
    assert_eq!(
        dropped(&mut pair, &elsewhere),
        OutboundDrop::SelectorMismatch
    );
    assert_eq!(dropped(&mut pair, &udp6(4)), OutboundDrop::SelectorMismatch);
    pair.seal(&udp4(4));
}

#[test]
fn a_deleted_sa_seals_nothing() {
    let mut pair = Pair::new();
    assert!(pair.sad.remove_outbound(pair.handle).is_some());
    assert_eq!(dropped(&mut pair, &udp4(4)), OutboundDrop::UnknownSa);
    assert!(pair.outbound.used.is_empty());
}

#[test]
fn sequence_numbers_stop_before_the_wrap() {
    let mut pair = Pair::new();
    let last = u64::from(u32::MAX);
    pair.outbound_sa().sequence.skip(last - last / 16 - 2);
    pair.seal(&udp4(1));
    assert!(pair.outbound.aged.is_empty());
    pair.seal(&udp4(1));
    let [aged] = pair.outbound.aged[..] else {
        panic!("near the end a rekey is asked for");
    };
    assert_eq!(
        (aged.stage, aged.owner, aged.spi),
        (LifeStage::Soft, OWNER, pair.spi)
    );
    pair.outbound_sa().sequence.skip(last / 16 - 2);
    assert_eq!(pair.seal(&udp4(1))[4..8], (u32::MAX - 1).to_be_bytes());
    assert!(pair.outbound.aged.is_empty(), "it is said once");
    assert_eq!(pair.seal(&udp4(1))[4..8], u32::MAX.to_be_bytes());
    for _ in 0..3 {
        assert_eq!(
            dropped(&mut pair, &udp4(1)),
            OutboundDrop::SequenceExhausted
        );
    }
    assert_eq!(pair.outbound_sa().counters.sequence_exhausted, 3);
}

#[test]
fn the_hard_limit_ends_an_outbound_sa() {
    let inner = udp4(72);
    assert_eq!(inner.len(), 100);
    let limits = VolumeLimits {
        soft_bytes: 150,
        hard_bytes: 300,
        ..VolumeLimits::NONE
    };
    let mut pair = Setup {
        outbound_limits: limits,
        ..Setup::default()
    }
    .build();
    let mut stages = Vec::new();
    for _ in 0..3 {
        pair.seal(&inner);
        stages.push(pair.outbound.aged.first().map(|aged| aged.stage));
    }
    assert_eq!(stages, [None, Some(LifeStage::Soft), Some(LifeStage::Hard)]);
    assert_eq!(dropped(&mut pair, &inner), OutboundDrop::LifetimeExpired);
    assert_eq!(pair.outbound_sa().sequence.peek(), 4);
}

#[test]
fn the_rooms_around_a_packet_suffice_for_every_suite_and_less_is_refused() {
    for suite in SUITES {
        let mut pair = Setup {
            suite,
            ..Setup::default()
        }
        .build();
        for payload in 0..16 {
            pair.seal(&udp4(payload));
        }
        for (headroom, tailroom) in [
            (0, TAILROOM),
            (8 + suite.iv_len() - 1, TAILROOM),
            (HEADROOM, 9),
        ] {
            let inner = udp4(5);
            let mut buffer = vec![0; headroom + inner.len() + tailroom];
            let range = headroom..headroom + inner.len();
            buffer[range.clone()].copy_from_slice(&inner);
            let mut packets = [OutboundPacket::new(&mut buffer, range, pair.handle)];
            seal_batch(&mut pair.sad, &mut packets, NOW, &mut pair.outbound);
            assert_eq!(packets[0].outcome, Sealed::Dropped(OutboundDrop::NoRoom));
        }
        assert_eq!(pair.outbound_sa().sequence.peek(), 17);
    }
}
