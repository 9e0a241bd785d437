//! A million peers on one wheel and a virtual clock.

use std::num::NonZeroU32;

use crate::estate::{Estate, Event, secs};
use dpd::{BreakerPolicy, BudgetPolicy, DpdPolicy, Mode, Protocol};
use timer::TICK;

const PEERS: u32 = 1_000_000;

/// Three of ten.
fn dies(peer: u32) -> bool {
    peer % 10 < 3
}

/// Nothing is paced and nobody is suspected: what is tested is whether each of them is found, and when.
fn at_once() -> (BudgetPolicy, BreakerPolicy) {
    let budgets = BudgetPolicy {
        probes_per_second: NonZeroU32::MAX,
        kills_per_second: NonZeroU32::MAX,
        ..BudgetPolicy::default()
    };
    let breaker = BreakerPolicy {
        enabled: false,
        ..BreakerPolicy::default()
    };
    (budgets, breaker)
}

#[test]
fn of_a_million_peers_exactly_the_dead_are_found_and_in_time() {
    let policy = DpdPolicy {
        mode: Mode::Periodic,
        ..DpdPolicy::default()
    };
    let bound = policy.detection_bound().expect("it is periodic");
    let (budgets, breaker) = at_once();
    let mut estate = Estate::with(PEERS, policy, Protocol::Ikev2, &budgets, breaker);
    estate.run_answering(secs(15), |_| true);
    assert!(estate.watch.counters.probes >= u64::from(PEERS));
    let death = estate.now;
    estate.run_answering(bound + TICK * 2, |peer| !dies(peer));
    for (number, peer) in (0..PEERS).zip(&estate.peers) {
        let verdict = peer.events.iter().find(|(_, event)| *event == Event::Dead);
        assert_eq!(verdict.is_some(), dies(number), "peer {number}");
        assert!(verdict.is_none_or(|(at, _)| *at > death), "peer {number}");
    }
    // Who is dead holds no timer, and who lives holds one.
    assert_eq!(estate.timers() as u32, PEERS - PEERS / 10 * 3);
}
