//! The same estate over IKEv1, spread over more shards than its messages say.

use std::collections::BTreeSet;
use std::time::Duration;

use dpd::{NotProof, Proof, VerdictReason};
use ipsec::IkeVersion;
use sim::{Dice, Estate, Lifetimes, Weather};
use timer::TICK;

use crate::stage::{Stage, secs};

fn old(peers: u16) -> Estate {
    Estate {
        version: IkeVersion::V1,
        shards: 5,
        ..Estate::new(peers)
    }
}

#[test]
fn an_estate_comes_up_in_bad_weather_and_a_power_cut_is_found_in_time() {
    let mut dice = Dice::new(sim::seed(31));
    let mut stage = Stage::new(old(1_000), Weather::ROUGH, &mut dice);
    stage.bring_up(secs(10));
    stage.run_for(secs(30));
    assert_eq!(stage.alive(), 1_000, "every peer is established");
    assert_eq!(stage.half_open(), 0);

    let dark: BTreeSet<u32> = dice.choose(40, 1_000).into_iter().collect();
    stage.cut(&dark);
    stage.run_for(secs(21));
    assert_eq!(stage.dead_peers(), dark, "exactly those in the dark");
    let bound = stage.detection_bound();
    for verdict in stage.verdicts() {
        let detection = verdict.evidence.detection().expect("a verdict");
        assert!(detection <= bound + TICK, "{detection:?}");
        let reason = verdict.evidence.verdict.map(|verdict| verdict.reason);
        assert_eq!(reason, Some(VerdictReason::Probes));
    }
    assert_eq!(stage.alive(), 960);
    assert_eq!(stage.world.headend.directory().leases(), 960);
    assert!(stage.proofs(Proof::Answer) > 1_000);
    assert_eq!(stage.not_proofs(NotProof::JumpedSequence), 0);
    stage.assert_promises_kept();
}

/// The peers renew both phases under traffic. Whatever shard their first messages come to, they find
/// their old IKE SA.
#[test]
fn no_packet_is_lost_to_a_renewal() {
    let mut dice = Dice::new(sim::seed(32));
    let estate = Estate {
        headend_lifetimes: Lifetimes::of(secs(3_600), secs(60)),
        peer_lifetimes: Lifetimes::of(secs(150), secs(60)),
        ..old(12)
    };
    let mut stage = Stage::new(estate, Weather::CALM, &mut dice);
    stage.bring_up(secs(1));
    let all: Vec<u32> = (0..12).collect();
    let mut sent = 0;
    for _ in 0..4_000 {
        stage.exchange_traffic(&all);
        sent += 2 * all.len();
        stage.run_for(Duration::from_millis(100));
    }
    stage.run_for(secs(1));
    assert!(stage.children_installed() >= 12 * 6, "phase 2 was rekeyed");
    assert!(stage.ike_rekeyed() >= 12 * 2, "phase 1 was renewed");
    assert_eq!(stage.delivered(), sent);
    assert_eq!(stage.alive(), 12);
    assert_eq!(stage.world.headend.directory().leases(), 12);
    stage.assert_promises_kept();
}
