//! Whose fault a silence is: the path's, which comes back, or that of peers who really died.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use dpd::BudgetPolicy;
use sim::{Dice, Estate, Lifetimes, Weather};

use crate::stage::{Stage, secs};

/// The last retransmission of a rekey is over after 95.5 s: well before the longest suspicion ends.
#[test]
fn an_outage_kills_nobody_though_rekeys_went_unanswered_to_the_last() {
    let mut dice = Dice::new(sim::seed(31));
    let estate = Estate {
        headend_lifetimes: Lifetimes::of(secs(400), secs(20)),
        ..Estate::new(600)
    };
    let mut stage = Stage::new(estate, Weather::CALM, &mut dice);
    stage.bring_up(secs(5));
    let all: BTreeSet<u32> = (0..600).collect();
    stage.cut(&all);
    stage.run_for(secs(98));
    assert_eq!(stage.verdicts().len(), 0, "the path is at fault");
    assert_eq!(stage.suspects().len(), 600);
    stage.restore(&all);
    stage.run_for(secs(60));
    assert_eq!(stage.verdicts().len(), 0);
    assert_eq!(stage.alive(), 600);
    assert!(
        stage.children_installed() > 1_200,
        "rekeys go on: {}",
        stage.children_installed()
    );
    stage.assert_promises_kept();
}

/// Two shards of 150 peers each: neither sees the 200 silent peers that open a breaker, both together do.
#[test]
fn a_small_estate_on_many_shards_is_spared_in_an_outage_too() {
    let mut dice = Dice::new(sim::seed(32));
    let mut stage = Stage::new(Estate::new(300), Weather::CALM, &mut dice);
    stage.bring_up(secs(5));
    let all: BTreeSet<u32> = (0..300).collect();
    stage.cut(&all);
    stage.run_for(secs(60));
    stage.restore(&all);
    stage.run_for(secs(60));
    assert_eq!(stage.verdicts().len(), 0);
    assert_eq!(stage.recovered(), all);
    stage.assert_promises_kept();
}

#[test]
fn three_of_ten_that_really_die_are_all_found_at_the_budgets_pace_and_nobody_else_is() {
    const KILLS: u32 = 10;
    let mut dice = Dice::new(sim::seed(33));
    let estate = Estate {
        budgets: BudgetPolicy {
            kills_per_second: NonZeroU32::new(KILLS).expect("not zero"),
            ..BudgetPolicy::default()
        },
        ..Estate::new(2_000)
    };
    let shards = u64::from(estate.shards);
    let mut stage = Stage::new(estate, Weather::ROUGH, &mut dice);
    stage.bring_up(secs(10));
    let dark: BTreeSet<u32> = dice.choose(600, 2_000).into_iter().collect();
    stage.cut(&dark);
    stage.run_for(secs(90));
    assert_eq!(stage.verdicts().len(), 0, "so many may be our own fault");
    // Until the longest suspicion is over and each of 300 verdicts of a shard has had its turn.
    stage.run_for(secs(80));
    assert_eq!(stage.dead_peers(), dark);
    let mut by_second: BTreeMap<u64, u64> = BTreeMap::new();
    for verdict in stage.verdicts() {
        *by_second
            .entry(verdict.at.as_nanos() / 1_000_000_000)
            .or_default() += 1;
    }
    let busiest = by_second.values().max().copied();
    // A burst is a second's worth, and the next second's comes on top.
    let allowed = 2 * u64::from(KILLS) * shards;
    assert!(busiest <= Some(allowed), "{by_second:?}");
    assert_eq!(stage.alive(), 1_400);
    stage.assert_promises_kept();
}
