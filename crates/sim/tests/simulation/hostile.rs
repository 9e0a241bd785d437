//! Attackers who see everything and hold no key.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dpd::NotProof;
use shard::Listener;
use sim::{Datagram, Dice, Estate, HEADEND, Weather};
use timer::TICK;

use crate::stage::{Stage, secs};

/// Everything that the dead ever said is said again in their name, over and over.
#[test]
fn replayed_messages_do_not_keep_a_dead_peer_alive() {
    let mut dice = Dice::new(sim::seed(5));
    // A datagram that was lost the first time would be no repetition, so nothing is lost here.
    let mut stage = Stage::new(Estate::new(200), Weather::CALM, &mut dice);
    stage.world.tap();
    stage.bring_up(secs(2));
    let all: Vec<u32> = (0..200).collect();
    for _ in 0..5 {
        stage.exchange_traffic(&all);
        stage.run_for(secs(5));
    }
    let dark: BTreeSet<u32> = dice.choose(40, 200).into_iter().collect();
    let recorded = stage.world.take_tapped();
    assert!(recorded.len() > 1_000);
    stage.run_for(Duration::from_millis(100));
    stage.cut(&dark);
    for _ in 0..21 {
        for datagram in &recorded {
            if dice.per_mille(300) {
                stage.world.inject(datagram.clone());
            }
        }
        stage.run_for(secs(1));
    }
    assert_eq!(stage.dead_peers(), dark);
    let bound = stage.detection_bound() + TICK;
    for death in stage.verdicts() {
        let detection = death.evidence.detection();
        assert!(
            detection.is_some_and(|time| time <= bound),
            "{}",
            death.evidence
        );
    }
    assert!(stage.not_proofs(NotProof::Retransmitted) > 1_000);
    assert!(stage.not_proofs(NotProof::Replayed) > 100);
    stage.assert_promises_kept();
}

#[test]
fn a_hundred_thousand_mangled_datagrams_cost_no_tunnel() {
    let mut dice = Dice::new(sim::seed(6));
    let mut stage = Stage::new(Estate::new(100), Weather::ROUGH, &mut dice);
    stage.world.tap();
    stage.bring_up(secs(1));
    let all: Vec<u32> = (0..100).collect();
    stage.exchange_traffic(&all);
    stage.run_for(secs(11));
    let recorded = stage.world.take_tapped();
    for round in 0..100 {
        for _ in 0..1_000 {
            let original = &recorded[dice.below(recorded.len() as u64) as usize];
            stage.world.inject(original.mangled(&mut dice));
        }
        if round % 10 == 0 {
            stage.exchange_traffic(&all);
        }
        stage.run_for(Duration::from_millis(500));
    }
    assert!(stage.verdicts().is_empty());
    assert_eq!(stage.alive(), 100);
    let before = stage.delivered();
    stage.exchange_traffic(&all);
    stage.world.set_weather(Weather::CALM);
    stage.exchange_traffic(&all);
    stage.run_for(secs(1));
    assert!(stage.delivered() >= before + 200, "traffic still flows");
    stage.run_for(secs(60));
    assert_eq!(
        stage.half_open(),
        0,
        "what the noise began has been forgotten"
    );
    stage.assert_promises_kept();
}

/// IKE_SA_INIT requests from everywhere, each from another forged address.
#[test]
fn a_flood_of_half_open_requests_is_bounded_and_costs_no_tunnel() {
    let mut dice = Dice::new(sim::seed(7));
    let mut stage = Stage::new(Estate::new(100), Weather::CALM, &mut dice);
    stage.world.tap();
    stage.bring_up(secs(1));
    let recorded = stage.world.take_tapped();
    let init = recorded
        .iter()
        .find(|datagram| is_init(datagram))
        .expect("somebody connected");
    let limit = ike::Settings::default().half_open_max as u64;
    for _ in 0..30 {
        for _ in 0..1_500 {
            let mut forged = init.clone();
            let address = Ipv4Addr::from_bits(0x5000_0000 + dice.below(1 << 28) as u32);
            forged.from = SocketAddr::new(address.into(), 500);
            forged.bytes[..8].copy_from_slice(&dice.below(u64::MAX).to_be_bytes());
            stage.world.inject(forged);
        }
        stage.run_for(secs(1));
        assert!(stage.half_open() <= limit);
    }
    let cookies = ike::Settings::default().cookie_threshold as u64;
    assert!(
        stage.half_open() <= 2 * (cookies + 1),
        "beyond the threshold nothing is kept"
    );
    assert_eq!(stage.alive(), 100);
    assert!(stage.verdicts().is_empty());
    stage.run_for(secs(60));
    assert_eq!(stage.half_open(), 0);
    stage.assert_promises_kept();
}

pub(crate) fn is_init(datagram: &Datagram) -> bool {
    // RFC 7296 §3.1: exchange type 34.
    let to_headend = datagram.to == SocketAddr::new(HEADEND.into(), 500);
    to_headend && datagram.listener == Listener::Ike && datagram.bytes.get(18) == Some(&34)
}
