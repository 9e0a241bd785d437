//! A headend that stands still, and one that is gone.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use dpd::{Action, DpdPolicy, Mode};
use sim::{Dice, Estate, Weather};

use crate::hostile::is_init;
use crate::stage::{Stage, secs};

#[test]
fn a_stall_of_our_own_kills_nobody() {
    let mut dice = Dice::new(sim::seed(8));
    let mut stage = Stage::new(Estate::new(300), Weather::ROUGH, &mut dice);
    stage.bring_up(secs(2));
    for seconds in [1, 3, 9, 15, 30, 120] {
        stage.run_for(secs(7));
        stage.world.stall_for(secs(seconds));
    }
    stage.run_for(secs(30));
    assert!(stage.verdicts().is_empty());
    assert_eq!(stage.alive(), 300);
    stage.assert_promises_kept();
}

#[test]
fn peers_find_a_dead_headend_and_come_back_when_it_does() {
    let mut dice = Dice::new(sim::seed(11));
    let mut estate = Estate::new(150);
    estate.peer_dpd = DpdPolicy {
        mode: Mode::Periodic,
        action: Action::Restart,
        ..DpdPolicy::default()
    };
    estate.headend_dpd.mode = Mode::RespondOnly;
    let mut stage = Stage::new(estate, Weather::ROUGH, &mut dice);
    stage.bring_up(secs(2));
    assert_eq!(stage.alive(), 150);
    stage.world.cut_headend();
    stage.run_for(secs(25));
    assert_eq!(stage.headend_deaths(), 150, "every peer has found it out");
    assert!(stage.verdicts().is_empty(), "the headend watches nobody");
    stage.world.restore_headend();
    stage.run_for(secs(60));
    assert_eq!(stage.set_up(), 300, "every peer came back once");
    assert_eq!(stage.alive(), 150);
    assert_eq!(stage.ike_sas(), 150, "each has one IKE SA, the new one");
    assert_eq!(
        stage.headend_deaths(),
        150,
        "and nobody was declared dead again"
    );
    stage.assert_promises_kept();
}

/// The headend dies, and 600 tunnels of one shard are to be set up again: each begins once, no faster than the budget allows, and
/// each stands again soon after the headend does.
#[test]
fn tunnels_begin_again_at_the_pace_of_their_budget() {
    const PEERS: u16 = 600;
    const AGAIN: u32 = 10;
    let mut dice = Dice::new(sim::seed(12));
    let mut estate = Estate::new(PEERS);
    estate.peer_dpd = DpdPolicy {
        mode: Mode::Periodic,
        action: Action::Restart,
        ..DpdPolicy::default()
    };
    estate.headend_dpd.mode = Mode::RespondOnly;
    estate.peer_breaker.enabled = false;
    estate.peer_budgets.reinitiations_per_second = NonZeroU32::new(AGAIN).expect("not zero");
    let mut stage = Stage::new(estate, Weather::CALM, &mut dice);
    stage.bring_up(secs(5));
    stage.world.tap();
    stage.world.cut_headend();
    let mut begun: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut by_second = Vec::new();
    for _ in 0..90 {
        stage.run_for(secs(1));
        let before = begun.len();
        let sent = stage.world.take_tapped().into_iter();
        // An attempt is told from its repetitions by its SPI.
        begun.extend(sent.filter(is_init).map(|first| first.bytes[..8].to_vec()));
        by_second.push(begun.len() - before);
    }
    assert_eq!(stage.headend_deaths(), usize::from(PEERS));
    assert_eq!(begun.len(), usize::from(PEERS), "{by_second:?}");
    // A burst is a second's worth, and the next second's comes on top.
    let busiest = by_second.iter().max().copied();
    assert!(busiest <= Some(2 * AGAIN as usize), "{by_second:?}");
    assert!(busiest >= Some(AGAIN as usize), "{by_second:?}");
    stage.world.restore_headend();
    stage.run_for(secs(60));
    assert_eq!(stage.alive(), usize::from(PEERS));
    assert_eq!(
        stage.set_up(),
        2 * usize::from(PEERS),
        "each came back once"
    );
    assert_eq!(stage.headend_deaths(), usize::from(PEERS));
    stage.assert_promises_kept();
}
