//! The configuration is loaded anew while peers are connected.

use std::collections::BTreeSet;
use std::sync::Arc;

use dpd::{DpdPolicy, Mode};
use shard::Policy;
use sim::{Dice, Estate, Weather};
use timer::TICK;

use crate::stage::{Stage, secs};

/// Peers that nobody watches, and the policy that says so.
fn unwatched(dice: &mut Dice) -> (Stage, Policy) {
    unwatched_on(Estate::new(60), dice)
}

fn unwatched_on(mut estate: Estate, dice: &mut Dice) -> (Stage, Policy) {
    estate.headend_dpd.mode = Mode::Off;
    let policy = estate.headend_policy();
    let mut stage = Stage::new(estate, Weather::CALM, dice);
    stage.bring_up(secs(1));
    stage.run_for(secs(30));
    assert_eq!((stage.dpd_tries(), stage.timers()), (0, 0));
    (stage, policy)
}

fn finds_the_dead(mut stage: Stage, dice: &mut Dice, policy: &Policy, watched: &DpdPolicy) {
    stage.world.reload(policy);
    let dark: BTreeSet<u32> = dice.choose(20, 60).into_iter().collect();
    stage.run_for(secs(60));
    stage.cut(&dark);
    let bound = watched.detection_bound().expect("it probes");
    stage.run_for(bound + TICK);
    assert_eq!(stage.dead_peers(), dark);
    assert_eq!(stage.alive(), 40);
    stage.assert_promises_kept();
}

fn watched() -> DpdPolicy {
    DpdPolicy {
        mode: Mode::Periodic,
        interval: secs(15),
        ..DpdPolicy::default()
    }
}

#[test]
fn standing_peers_are_watched_as_the_new_policy_says() {
    let mut dice = Dice::new(sim::seed(15));
    let (stage, mut policy) = unwatched(&mut dice);
    policy.dpd = vec![watched()].into();
    finds_the_dead(stage, &mut dice, &policy, &watched());
}

#[test]
fn standing_peers_follow_their_connection_to_another_place_in_the_table() {
    let mut dice = Dice::new(sim::seed(16));
    let (stage, mut policy) = unwatched(&mut dice);
    let mut snapshot = (*policy.snapshot).clone();
    let connections = snapshot.connections.iter().cloned();
    let moved = connections.map(|mut connection| {
        Arc::make_mut(&mut connection).dpd = 1;
        connection
    });
    snapshot.connections = moved.collect();
    policy.snapshot = Arc::new(snapshot);
    policy.dpd = vec![DpdPolicy::default(), watched()].into();
    finds_the_dead(stage, &mut dice, &policy, &watched());
}

#[test]
fn standing_peers_of_a_removed_connection_are_watched_by_the_first_policy() {
    let mut dice = Dice::new(sim::seed(17));
    let (stage, mut policy) = unwatched(&mut dice);
    let mut snapshot = (*policy.snapshot).clone();
    snapshot.connections = ipsec::Connections::default();
    policy.snapshot = Arc::new(snapshot);
    policy.dpd = vec![watched()].into();
    finds_the_dead(stage, &mut dice, &policy, &watched());
}

#[test]
fn of_many_peers_some_learn_of_a_policy_in_each_tick() {
    let mut dice = Dice::new(sim::seed(18));
    let mut estate = Estate::new(1_500);
    estate.shards = 1;
    let (mut stage, mut policy) = unwatched_on(estate, &mut dice);
    policy.dpd = vec![watched()].into();
    stage.world.reload(&policy);
    let at_once = stage.timers();
    assert!((900..1_200).contains(&at_once), "{at_once}");
    stage.run_for(TICK * 2);
    assert_eq!(stage.timers(), 1_500);
    // One that comes while another is under way holds for all as well.
    stage.world.reload(&policy);
    stage.world.reload(&policy);
    stage.run_for(TICK * 2);
    assert_eq!(stage.timers(), 1_500);
    policy.dpd = vec![off()].into();
    stage.world.reload(&policy);
    stage.run_for(TICK * 2);
    assert_eq!(stage.timers(), 0);
}

fn off() -> DpdPolicy {
    DpdPolicy {
        mode: Mode::Off,
        ..watched()
    }
}

#[test]
fn peers_whose_detection_is_switched_off_are_not_asked_any_more() {
    let mut dice = Dice::new(sim::seed(19));
    let (mut stage, mut policy) = unwatched(&mut dice);
    policy.dpd = vec![watched()].into();
    stage.world.reload(&policy);
    stage.run_for(secs(60));
    let dark: BTreeSet<u32> = dice.choose(20, 60).into_iter().collect();
    stage.cut(&dark);
    // Long enough for some of the dark to be asked in vain, too short for a verdict.
    stage.run_for(secs(16));
    let tries = stage.dpd_tries();
    policy.dpd = vec![off()].into();
    stage.world.reload(&policy);
    assert_eq!(stage.timers(), 0);
    stage.run_for(secs(300));
    assert_eq!(stage.dpd_tries(), tries);
    assert_eq!((stage.dead_peers(), stage.alive()), (BTreeSet::new(), 60));
}
