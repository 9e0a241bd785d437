//! Both sides rekey IKE and Child SAs, often at the same time, under traffic.

use std::collections::BTreeSet;
use std::time::Duration;

use sim::{Dice, Estate, Lifetimes, Weather};

use crate::stage::{Stage, secs};

fn restless(peers: u16) -> Estate {
    let lifetimes = Lifetimes::of(secs(150), secs(60));
    Estate {
        headend_lifetimes: lifetimes,
        peer_lifetimes: lifetimes,
        ..Estate::new(peers)
    }
}

#[test]
fn no_packet_is_lost_to_a_rekey() {
    let mut dice = Dice::new(sim::seed(12));
    let mut stage = Stage::new(restless(12), Weather::CALM, &mut dice);
    stage.bring_up(secs(1));
    let all: Vec<u32> = (0..12).collect();
    let mut sent = 0;
    for _ in 0..4_000 {
        stage.exchange_traffic(&all);
        sent += 2 * all.len();
        stage.run_for(Duration::from_millis(100));
    }
    stage.run_for(secs(1));
    assert!(
        stage.children_installed() >= 12 * 6,
        "Child SAs were rekeyed"
    );
    assert!(stage.ike_rekeyed() >= 12 * 2, "IKE SAs were rekeyed");
    assert_eq!(stage.delivered(), sent);
    assert_eq!(stage.alive(), 12);
    stage.assert_promises_kept();
}

/// Traffic comes and goes, so that probes are lost and then made needless by ESP, with rekeys waiting
/// behind them.
#[test]
fn no_tunnel_is_lost_to_rekeys_in_bad_weather() {
    let mut dice = Dice::new(sim::seed(13));
    let rough = Weather {
        lost_per_mille: 60,
        ..Weather::ROUGH
    };
    let mut stage = Stage::new(restless(100), rough, &mut dice);
    stage.bring_up(secs(5));
    let all: Vec<u32> = (0..100).collect();
    for _ in 0..100 {
        stage.run_for(secs(11));
        for _ in 0..8 {
            stage.exchange_traffic(&all);
            stage.run_for(Duration::from_millis(500));
        }
    }
    assert!(stage.verdicts().is_empty());
    assert_eq!(stage.set_up(), 100, "nobody had to connect again");
    stage.world.set_weather(Weather::CALM);
    stage.run_for(secs(40));
    assert_eq!(stage.alive(), 100);
    let before = stage.delivered();
    stage.exchange_traffic(&all);
    stage.run_for(secs(1));
    assert_eq!(
        stage.delivered(),
        before + 200,
        "every tunnel carries traffic"
    );
    assert!(
        stage.children() <= 100 + 20,
        "old Child SAs go: {}",
        stage.children()
    );
    assert!(
        stage.ike_sas() <= 100 + 10,
        "old IKE SAs go: {}",
        stage.ike_sas()
    );
    stage.assert_promises_kept();
}

/// A probe is lost, and then traffic proves that the peer lives, so that no other try follows. The
/// request is outstanding all the same, and a rekey must not wait for its answer for ever.
#[test]
fn a_probe_that_traffic_made_needless_does_not_hold_up_a_rekey() {
    let mut dice = Dice::new(sim::seed(14));
    let estate = Estate {
        headend_lifetimes: Lifetimes::of(secs(3_600), secs(60)),
        ..Estate::new(20)
    };
    let mut stage = Stage::new(estate, Weather::CALM, &mut dice);
    stage.bring_up(Duration::from_millis(100));
    let all: BTreeSet<u32> = (0..20).collect();
    let traffic: Vec<u32> = all.iter().copied().collect();
    stage.run_for(secs(7));
    let answered = stage.dpd_tries();
    stage.cut(&all);
    stage.run_for(secs(3));
    stage.restore(&all);
    assert!(
        stage.dpd_tries() >= answered + 20,
        "every peer was asked while it was dark"
    );
    stage.exchange_traffic(&traffic);
    stage.run_for(secs(1));
    let before = stage.dpd_tries();
    for _ in 0..300 {
        stage.exchange_traffic(&traffic);
        stage.run_for(secs(1));
    }
    assert_eq!(stage.dpd_tries(), before, "traffic saved every other probe");
    assert!(stage.children_installed() >= 20 * 5, "rekeys went on");
    assert_eq!(stage.delivered(), 301 * 40);
    assert_eq!(stage.alive(), 20);
}
