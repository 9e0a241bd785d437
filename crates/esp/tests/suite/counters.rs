use esp::{InboundDrop, OutboundDrop};

use crate::support::{NOW, Pair, Setup, udp4};

#[test]
fn each_side_counts_what_passed() {
    let mut pair = Pair::new();
    let bytes: usize = [0, 100, 500]
        .map(|payload| udp4(payload).len())
        .iter()
        .sum();
    for payload in [0, 100, 500] {
        let packet = pair.seal(&udp4(payload));
        pair.open(&packet).unwrap();
    }
    let inbound = pair.inbound_sa().counters;
    assert_eq!(
        (inbound.packets, inbound.bytes, inbound.last),
        (3, bytes as u64, NOW)
    );
    let outbound = pair.outbound_sa().counters;
    assert_eq!(
        (outbound.packets, outbound.bytes, outbound.last),
        (3, bytes as u64, NOW)
    );
    assert_eq!(
        (pair.inbound.packets, pair.inbound.bytes),
        (3, bytes as u64)
    );
    assert_eq!(
        (pair.outbound.packets, pair.outbound.bytes),
        (3, bytes as u64)
    );
}

#[test]
fn numbers_that_never_came_are_counted_as_lost() {
    let mut pair = Setup {
        replay_window: 128,
        ..Setup::default()
    }
    .build();
    for n in 1..=1000 {
        let packet = pair.seal(&udp4(0));
        if n % 10 != 0 {
            pair.open(&packet).unwrap();
        }
    }
    // The highest received is 999; what is still inside the window may yet come.
    let gone = (999 - 128) / 10;
    assert_eq!(pair.inbound_sa().counters.lost, gone);
}

#[test]
fn drops_are_counted_for_the_sa_and_for_the_shard() {
    let mut pair = Pair::new();
    let packet = pair.seal(&udp4(0));
    let mut forged = packet.clone();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..3 {
        assert_eq!(pair.open(&forged), Err(InboundDrop::Integrity));
    }
    pair.open(&packet).unwrap();
    assert_eq!(pair.open(&packet), Err(InboundDrop::SequenceDuplicate));
    let counters = pair.inbound_sa().counters;
    assert_eq!(
        (counters.integrity, counters.replay, counters.packets),
        (3, 1, 1)
    );
    assert_eq!(pair.inbound.drops[InboundDrop::Integrity.index()], 3);
    assert_eq!(
        pair.inbound.drops[InboundDrop::SequenceDuplicate.index()],
        1
    );
    assert_eq!(pair.inbound.drops.iter().sum::<u64>(), 4);
    assert_eq!((pair.inbound.authentic, pair.inbound.packets), (1, 1));
    pair.seal_outcome(&[]);
    assert_eq!(pair.outbound.drops[OutboundDrop::MalformedInner.index()], 1);
    assert_eq!(pair.outbound_sa().counters.refused, 1);
}
