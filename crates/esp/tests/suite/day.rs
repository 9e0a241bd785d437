//! A day of traffic in the numbers of one SA: every wrap of the low 32 bits, at the rate of a fast machine.

use esp::{InboundDrop, InboundPacket, OutboundPacket, Sealed};
use ipsec::LifeStage;

use crate::support::{Pair, SUITES, Setup, udp4};

/// Packets in a day at 4.8 million in a second: 96 wraps.
const DAY: u64 = 4_800_000 * 86_400;
const WRAP: u64 = 1 << 32;
/// Packets sent about each wrap; the wrap is in the middle of them.
const ABOUT: u64 = 96;
const WINDOW: u32 = 256;

/// What becomes of a packet on its way, from its place among those about a wrap and the number of the
/// wrap: some are lost, some come again, and the rest come as late as a window allows.
fn arrivals(wrap: u64) -> Vec<usize> {
    let mix = |place: u64| (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ wrap) >> 32;
    let mut moments = Vec::new();
    for place in 0..ABOUT {
        let late = mix(place) % 60;
        match mix(place) % 16 {
            0 => {}
            1 => moments.extend([(place, place), (place + late, place)]),
            2..5 => moments.push((place + late, place)),
            _ => moments.push((place, place)),
        }
    }
    moments.sort_unstable();
    moments
        .into_iter()
        .map(|(_, place)| place as usize)
        .collect()
}

/// Passes over numbers up to `next`, in steps that the other end can follow by one packet each.
fn go_on_to(pair: &mut Pair, next: u64) {
    loop {
        let at = pair.outbound_sa().sequence.peek();
        if at >= next {
            assert_eq!(at, next);
            return;
        }
        // RFC 4303 appendix A2.1: ahead by less than 2^32 less the window.
        let step = (WRAP / 2).min(next - at - 1);
        pair.outbound_sa().sequence.skip(step);
        let packet = pair.seal(&udp4(1));
        pair.open(&packet).unwrap();
    }
}

#[test]
fn a_day_of_extended_numbers_passes_every_wrap() {
    // AEAD and CBC with HMAC take the unsent half into the ICV in different ways.
    for suite in [SUITES[0], SUITES[3], SUITES[4]] {
        let mut pair = Setup {
            suite,
            esn: true,
            replay_window: WINDOW,
            ..Setup::default()
        }
        .build();
        for wrap in 1..=DAY / WRAP {
            go_on_to(&mut pair, wrap * WRAP - ABOUT / 2);
            let inners: Vec<_> = (0..ABOUT as usize).map(udp4).collect();
            let sent: Vec<_> = inners.iter().map(|inner| pair.seal(inner)).collect();
            let mut seen = vec![false; sent.len()];
            for place in arrivals(wrap) {
                let again = std::mem::replace(&mut seen[place], true);
                let expected = if again {
                    Err(InboundDrop::SequenceDuplicate)
                } else {
                    Ok(inners[place].clone())
                };
                assert_eq!(pair.open(&sent[place]), expected, "{wrap} {place}");
            }
            assert!(
                seen.iter().filter(|seen| !**seen).count() > 0,
                "some are lost"
            );
        }
        assert!(pair.outbound_sa().sequence.peek() > DAY - WRAP);
        assert!(
            pair.outbound.aged.is_empty(),
            "64 bits are far from used up"
        );
    }
}

/// A packet of a day ago is no packet of today, though the low half of its number comes again.
#[test]
fn what_was_recorded_before_a_wrap_is_refused_after_it() {
    let mut pair = Setup {
        esn: true,
        replay_window: WINDOW,
        ..Setup::default()
    }
    .build();
    let recorded: Vec<_> = (0..20).map(|payload| pair.seal(&udp4(payload))).collect();
    go_on_to(&mut pair, WRAP + 30);
    for packet in &recorded {
        // The number fits in the window with the new upper half, and then the ICV does not.
        assert_eq!(pair.open(packet), Err(InboundDrop::Integrity));
    }
    assert_eq!(pair.inbound_sa().counters.replay, 0);
}

/// Without extended numbers the rekey is asked for while a sixteenth is left, which at full speed is
/// nearly a minute, and the last number is followed by none.
#[test]
fn without_them_a_rekey_comes_in_time_and_nothing_after_the_end() {
    let mut pair = Pair::new();
    let last = WRAP - 1;
    go_on_to(&mut pair, last - last / 16 - 3);
    let mut asked = None;
    for _ in 0..10 {
        pair.seal(&udp4(1));
        let at = pair.outbound_sa().sequence.peek() - 1;
        if let [aged] = pair.outbound.aged[..] {
            assert_eq!(aged.stage, LifeStage::Soft);
            asked.get_or_insert(at);
        }
    }
    let left = last - asked.expect("a rekey is asked for");
    assert!(left / 4_800_000 >= 55, "{left} packets are left");
    go_on_to(&mut pair, last - 70);
    let mut octets = vec![vec![0; 300]; 100];
    let inner = udp4(40);
    let mut packets: Vec<_> = octets
        .iter_mut()
        .map(|buffer| {
            let range = esp::HEADROOM..esp::HEADROOM + inner.len();
            buffer[range.clone()].copy_from_slice(&inner);
            OutboundPacket::new(buffer, range, pair.handle)
        })
        .collect();
    esp::seal_batch(
        &mut pair.sad,
        &mut packets,
        crate::support::NOW,
        &mut pair.outbound,
    );
    let (sealed, stopped): (Vec<_>, Vec<_>) = packets
        .iter()
        .partition(|packet| matches!(packet.outcome, Sealed::Packet { .. }));
    assert_eq!(
        (sealed.len(), stopped.len()),
        (71, 29),
        "the batch ends with the numbers"
    );
    let mut sealed: Vec<_> = sealed
        .iter()
        .map(|p| p.packet().unwrap().to_vec())
        .collect();
    let mut arriving: Vec<_> = sealed
        .iter_mut()
        .map(|p| InboundPacket::new(p, 0))
        .collect();
    esp::open_batch(
        &mut pair.sad,
        &mut arriving,
        crate::support::NOW,
        &mut pair.inbound,
    );
    assert!(arriving.iter().all(|packet| packet.inner().is_some()));
}
