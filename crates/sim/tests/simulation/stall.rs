//! A headend that stands still, and one that is gone.

use dpd::{Action, DpdPolicy, Mode};
use sim::{Dice, Estate, Weather};

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
