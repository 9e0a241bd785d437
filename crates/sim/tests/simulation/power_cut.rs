//! Ten thousand peers, bad weather, and a power cut: exactly those in the dark are declared dead, each
//! in time, and nobody else is.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::stage::{Stage, secs};
use dpd::{BreakerPolicy, Mode, Proof, VerdictReason};
use sim::{Dice, Estate, Weather};
use timer::TICK;

#[test]
fn ten_thousand_peers_and_a_power_cut_of_a_random_part() {
    let mut dice = Dice::new(sim::seed(20_261_123));
    let mut stage = Stage::new(Estate::new(10_000), Weather::ROUGH, &mut dice);
    stage.bring_up(secs(20));
    stage.run_for(secs(5));
    assert_eq!(stage.alive(), 10_000, "every peer is established");

    // Four of a hundred: below the share at which a mass death is suspected.
    let dark: BTreeSet<u32> = dice.choose(400, 10_000).into_iter().collect();
    let traffic = dice.choose(500, 10_000);
    let cut_at = stage.cut(&dark);
    // Dead tunnels with traffic are found as soon as silent ones, and traffic proves life.
    for _ in 0..5 {
        stage.exchange_traffic(&traffic);
        stage.run_for(secs(4));
    }
    stage.run_for(secs(1));

    assert_eq!(stage.dead_peers(), dark, "exactly those in the dark");
    let bound = stage.detection_bound();
    for verdict in stage.verdicts() {
        let evidence = &verdict.evidence;
        let detection = evidence.detection().expect("a verdict");
        assert!(
            detection <= bound + TICK,
            "peer {} was found after {detection:?}: {evidence}",
            verdict.peer
        );
        assert!(evidence.last_proof_at <= cut_at + Weather::ROUGH.delay_max + TICK);
        let reason = evidence.verdict.map(|verdict| verdict.reason);
        assert_eq!(reason, Some(VerdictReason::Probes));
        assert_eq!(evidence.repeats, 0);
    }
    assert_eq!(stage.alive(), 9_600);
    assert_eq!(stage.world.headend.directory().leases(), 9_600);
    assert!(stage.proofs(Proof::Esp) > 0, "traffic proved life");
    stage.assert_promises_kept();
}

#[test]
fn a_dark_estate_is_suspected_and_spared_until_the_light_returns() {
    let mut dice = Dice::new(sim::seed(2));
    let mut stage = Stage::new(Estate::new(1_500), Weather::ROUGH, &mut dice);
    stage.bring_up(secs(5));
    stage.run_for(secs(5));
    let dark: BTreeSet<u32> = (0..1_500).collect();
    stage.cut(&dark);
    stage.run_for(secs(40));
    assert!(
        stage.verdicts().is_empty(),
        "the fault is ours or the path's"
    );
    assert_eq!(stage.suspects().len(), 1_500);
    // Each of the two shards raises one for itself, for IPv4, for our address, and for each of the six
    // prefixes that the peers come from.
    assert_eq!((stage.alarms(true), stage.alarms(false)), (18, 0));
    stage.restore(&dark);
    // A suspect is asked once an interval, and what it answers is noticed an interval later; some
    // are unlucky more than once.
    stage.run_for(secs(60));
    assert!(stage.verdicts().is_empty());
    assert_eq!(stage.recovered(), dark);
    assert_eq!((stage.alarms(true), stage.alarms(false)), (18, 18));
    stage.assert_promises_kept();
}

#[test]
fn without_a_breaker_a_third_of_the_estate_is_found_dead_in_time() {
    let mut dice = Dice::new(sim::seed(3));
    let estate = Estate {
        breaker: BreakerPolicy {
            enabled: false,
            ..BreakerPolicy::default()
        },
        ..Estate::new(1_500)
    };
    let mut stage = Stage::new(estate, Weather::ROUGH, &mut dice);
    stage.bring_up(secs(5));
    stage.run_for(secs(5));
    let dark: BTreeSet<u32> = dice.choose(500, 1_500).into_iter().collect();
    stage.cut(&dark);
    stage.run_for(secs(21));
    assert_eq!(stage.dead_peers(), dark);
    let bound = stage.detection_bound() + TICK;
    let in_time = |time: Option<Duration>| time.is_some_and(|time| time <= bound);
    assert!(
        stage
            .verdicts()
            .iter()
            .all(|verdict| in_time(verdict.evidence.detection()))
    );
    stage.assert_promises_kept();
}

#[test]
fn on_demand_finds_the_dead_only_where_there_is_traffic() {
    let mut dice = Dice::new(sim::seed(4));
    let mut estate = Estate::new(600);
    estate.headend_dpd.mode = Mode::OnDemand;
    let mut stage = Stage::new(estate, Weather::ROUGH, &mut dice);
    stage.bring_up(secs(5));
    stage.run_for(secs(60));
    assert_eq!(stage.dpd_tries(), 0, "nobody asks where nobody sends");
    assert_eq!(stage.timers(), 0, "and an idle estate costs no timers");
    let dark: BTreeSet<u32> = dice.choose(60, 600).into_iter().collect();
    stage.cut(&dark);
    stage.run_for(secs(120));
    assert!(stage.verdicts().is_empty());
    let busy: BTreeSet<u32> = dice.choose(300, 600).into_iter().collect();
    for peer in &busy {
        stage.send_down(*peer);
    }
    stage.run_for(secs(11));
    let expected: BTreeSet<u32> = dark.intersection(&busy).copied().collect();
    assert!(!expected.is_empty());
    assert_eq!(stage.dead_peers(), expected);
    stage.assert_promises_kept();
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(Estate::new(100), Weather::ROUGH, &mut dice);
        stage.bring_up(secs(2));
        let dark: BTreeSet<u32> = dice.choose(10, 100).into_iter().collect();
        stage.cut(&dark);
        stage.run_for(secs(30));
        let deaths = stage.verdicts().iter();
        let deaths: Vec<_> = deaths.map(|verdict| (verdict.at, verdict.peer)).collect();
        (stage.world.traffic(), deaths)
    };
    assert_eq!(story(9), story(9));
    assert_ne!(story(9), story(10));
}
