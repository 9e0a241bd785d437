//! Every transition of the state machine, on virtual time.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::estate::{Estate, Event, on_demand, periodic, rate, secs};
use dpd::{
    Act, BreakerPolicy, BudgetPolicy, DpdPolicy, Mode, Proof, Protocol, State, SuppressOn,
    TimerChange, VerdictReason,
};
use proptest::prelude::*;
use timer::{Instant, TICK};

const START: Instant = Instant::from_secs(1_000);

fn one(policy: DpdPolicy) -> Estate {
    Estate::new(1, policy, Protocol::Ikev1)
}

fn state(estate: &Estate) -> State {
    estate.peers[0].live.state()
}

/// The trace that the IOS documentation shows: a probe, four retries two seconds apart, and ten
/// seconds after the probe the peer is declared dead.
#[test]
fn the_trace_of_the_ios_documentation() {
    let mut estate = one(periodic());
    estate.run_for(secs(60));
    let expected = [
        (0, Event::Probe(1)),
        (2_000, Event::Probe(2)),
        (4_000, Event::Probe(3)),
        (6_000, Event::Probe(4)),
        (8_000, Event::Probe(5)),
        (10_000, Event::Dead),
    ];
    assert_eq!(estate.story(0, START + secs(10)), expected);
    assert_eq!(estate.timers(), 0, "the SAs and their timer are gone");
}

#[test]
fn a_retransmission_of_ikev2_comes_later_each_time_and_the_verdict_at_the_same_time() {
    let mut estate = Estate::new(1, periodic(), Protocol::Ikev2);
    estate.run_for(secs(60));
    let story = estate.story(0, START + secs(10));
    let times: Vec<_> = story.iter().map(|(at, _)| *at).collect();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 5);
    assert!(gaps.is_sorted_by(|one, next| one < next), "{gaps:?}");
    assert_eq!(story.last(), Some(&(10_000, Event::Dead)));
}

#[test]
fn alive_while_the_peer_is_heard_the_timer_moves_once_an_interval() {
    let mut estate = one(periodic());
    for _ in 0..600 {
        estate.run_for(Duration::from_millis(100));
        estate.heard(0, Proof::Esp);
    }
    assert_eq!(estate.peers[0].events, []);
    assert_eq!(state(&estate), State::Alive);
    let saved = estate.watch.counters.probes_saved;
    assert!((5..=7).contains(&saved), "{saved} looks in a minute");
    estate.run_for(secs(10) + TICK);
    assert_eq!(
        estate.story(0, START + secs(60)),
        [(10_000, Event::Probe(1))]
    );
}

#[test]
fn a_periodic_peer_that_answers_is_asked_once_an_interval() {
    let mut estate = one(periodic());
    estate.run_answering(secs(101), |_| true);
    let events = estate.peers[0].events.iter().map(|(_, event)| *event);
    assert_eq!(events.collect::<Vec<_>>(), [Event::Probe(1); 10]);
    assert_eq!(estate.watch.counters.tries, 10);
    assert_eq!(estate.watch.counters.recoveries, 0, "nothing was amiss");
}

#[test]
fn peers_of_a_small_estate_are_asked_in_company_and_none_of_them_too_early_or_late() {
    let policy = DpdPolicy {
        jitter_percent: 10,
        ..periodic()
    };
    for (peers, most) in [(1_000, 10), (4_000, 20)] {
        let mut estate = Estate::new(peers, policy.clone(), Protocol::Ikev2);
        estate.run_answering(secs(12), |_| true);
        let settled = estate.now;
        estate.run_answering(secs(30), |_| true);
        let mut moments = BTreeSet::new();
        for peer in &estate.peers {
            let times: Vec<_> = peer.events.iter().map(|(at, _)| *at).collect();
            for pair in times.windows(2) {
                let gap = pair[1] - pair[0];
                // When a peer was heard is known to 256 ns.
                let fits = secs(9) - Duration::from_nanos(256)..=secs(10) + TICK;
                assert!(fits.contains(&gap), "{gap:?}");
            }
            moments.extend(times.into_iter().filter(|at| *at > settled));
        }
        let each_second = moments.len() / 30;
        assert!(each_second <= most, "{peers} peers: {each_second} a second");
    }
}

#[test]
fn an_idle_on_demand_peer_holds_no_timer_and_its_first_packet_asks() {
    let mut estate = one(on_demand());
    estate.run_for(secs(11));
    assert_eq!(state(&estate), State::Worried);
    assert_eq!(estate.timers(), 0);
    estate.run_for(secs(100_000));
    assert_eq!(estate.peers[0].events, []);
    let asked = estate.now;
    estate.send_outbound(0);
    assert_eq!(estate.story(0, asked), [(0, Event::Probe(1))]);
    assert_eq!(state(&estate), State::Probing);
    estate.run_for(secs(11));
    assert_eq!(estate.story(0, asked).last(), Some(&(10_000, Event::Dead)));
}

#[test]
fn a_proof_while_worried_makes_alive_and_the_interval_runs_from_it() {
    let mut estate = one(on_demand());
    estate.run_for(secs(50));
    estate.heard(0, Proof::Esp);
    let heard = estate.now;
    assert_eq!(state(&estate), State::Alive);
    estate.run_for(secs(3));
    estate.send_outbound(0);
    assert_eq!(estate.peers[0].events, [], "it was heard three seconds ago");
    estate.run_for(secs(8));
    assert_eq!(estate.story(0, heard), [(10_000, Event::Probe(1))]);
}

#[test]
fn a_proof_while_worried_that_is_itself_old_does_not_hold_up_the_question() {
    let mut estate = one(on_demand());
    estate.run_for(secs(50));
    estate.heard(0, Proof::Esp);
    estate.run_for(secs(30));
    estate.send_outbound(0);
    assert!(matches!(estate.peers[0].events[..], [(_, Event::Probe(1))]));
}

#[test]
fn on_demand_asks_when_traffic_was_sent_and_nothing_came_back() {
    let mut estate = one(on_demand());
    estate.run_for(secs(2));
    estate.send_outbound(0);
    estate.run_for(secs(9));
    assert_eq!(estate.story(0, START), [(10_000, Event::Probe(1))]);
}

#[test]
fn on_demand_does_not_ask_when_the_answer_came_after_the_traffic() {
    let mut estate = one(on_demand());
    estate.send_outbound(0);
    estate.run_for(secs(2));
    estate.heard(0, Proof::Esp);
    estate.run_for(secs(100));
    assert_eq!(estate.peers[0].events, []);
    assert_eq!(state(&estate), State::Worried);
}

#[test]
fn hybrid_asks_a_silent_tunnel_after_the_clean_up_time() {
    let policy = DpdPolicy {
        mode: Mode::Hybrid,
        cleanup: Some(secs(600)),
        ..on_demand()
    };
    let mut estate = one(policy);
    estate.run_for(secs(100));
    assert_eq!((state(&estate), estate.timers()), (State::Worried, 1));
    estate.heard(0, Proof::Esp);
    estate.run_for(secs(599));
    assert_eq!(estate.peers[0].events, []);
    estate.run_for(secs(20));
    let story = estate.story(0, START + secs(100));
    assert_eq!(story.first(), Some(&(600_000, Event::Probe(1))));
    assert_eq!(story.last(), Some(&(610_000, Event::Dead)));
}

#[test]
fn hybrid_is_on_demand_as_long_as_there_is_traffic() {
    let policy = DpdPolicy {
        mode: Mode::Hybrid,
        cleanup: Some(secs(600)),
        ..on_demand()
    };
    let mut estate = one(policy);
    estate.run_for(secs(100));
    estate.send_outbound(0);
    assert_eq!(estate.story(0, START), [(100_000, Event::Probe(1))]);
    assert_eq!(
        estate.timers(),
        1,
        "the retry took the clean-up timer's place"
    );
}

#[test]
fn respond_only_and_off_never_ask_and_hold_no_timer() {
    for mode in [Mode::RespondOnly, Mode::Off] {
        let mut estate = one(DpdPolicy { mode, ..periodic() });
        estate.send_outbound(0);
        estate.run_for(secs(100_000));
        estate.send_outbound(0);
        estate.with_peer(0, |live, ctx| live.hinted(ctx));
        assert_eq!(estate.peers[0].events, []);
        assert_eq!(estate.timers(), 0);
        assert_eq!(estate.policy.detection_bound(), None);
    }
}

#[test]
fn any_proof_ends_a_probe() {
    for proof in Proof::ALL {
        let mut estate = one(periodic());
        estate.run_for(secs(15));
        assert_eq!(state(&estate), State::Probing);
        assert_eq!(estate.peers[0].live.tries(), 3);
        estate.heard(0, *proof);
        assert_eq!(state(&estate), State::Alive, "{proof}");
        estate.run_for(secs(2));
        assert_eq!(estate.watch.counters.recoveries, 1);
        assert!(estate.peers[0].live.evidence().is_none());
    }
}

#[test]
fn a_round_trip_is_measured_when_it_is_not_ambiguous() {
    let mut estate = Estate::new(1, periodic(), Protocol::Ikev2);
    let rtt = Duration::from_millis(30);
    let live = &mut estate.peers[0].live;
    assert_eq!(live.answered(START, None), None, "nobody asked");
    estate.run_for(secs(10));
    let answered = estate.now + rtt;
    assert_eq!(estate.peers[0].live.answered(answered, None), Some(rtt));
    assert_eq!(estate.peers[0].live.answered(answered, None), None);

    let mut estate = Estate::new(1, periodic(), Protocol::Ikev2);
    estate.run_for(secs(12));
    let second = estate.now + rtt;
    assert_eq!(estate.peers[0].live.tries(), 2);
    assert_eq!(
        estate.peers[0].live.answered(second, None),
        None,
        "which try?"
    );

    let mut estate = one(periodic());
    estate.run_for(secs(12));
    let second = estate.now + rtt;
    assert_eq!(estate.peers[0].live.answered(second, Some(2)), Some(rtt));
}

#[test]
fn what_restarts_the_interval_is_a_setting() {
    let probes_in_a_minute = |suppress_on, proof| {
        let mut estate = one(DpdPolicy {
            suppress_on,
            ..periodic()
        });
        for _ in 0..60 {
            estate.run_answering(secs(1), |_| true);
            estate.heard(0, proof);
        }
        estate.watch.counters.probes
    };
    let asked = 5..=6;
    assert_eq!(probes_in_a_minute(SuppressOn::Any, Proof::Esp), 0);
    assert_eq!(probes_in_a_minute(SuppressOn::Ike, Proof::IkeMessage), 0);
    assert_eq!(probes_in_a_minute(SuppressOn::Hello, Proof::Hello), 0);
    assert!(asked.contains(&probes_in_a_minute(SuppressOn::Ike, Proof::Esp)));
    assert!(asked.contains(&probes_in_a_minute(SuppressOn::Hello, Proof::Esp)));
    assert!(asked.contains(&probes_in_a_minute(SuppressOn::Hello, Proof::IkeMessage)));
}

#[test]
fn a_hint_makes_us_ask_earlier_but_not_twice_and_not_without_end() {
    let budgets = BudgetPolicy {
        hints_per_second: rate(2),
        ..BudgetPolicy::default()
    };
    let mut estate = Estate::with(
        4,
        periodic(),
        Protocol::Ikev2,
        &budgets,
        BreakerPolicy::default(),
    );
    estate.with_peer(0, |live, ctx| live.hinted(ctx));
    assert_eq!(estate.peers[0].events, [], "it was heard just now");
    estate.run_for(secs(5));
    for peer in [0, 0, 1, 2] {
        estate.with_peer(peer, |live, ctx| live.hinted(ctx));
    }
    assert_eq!(estate.peers[0].events, [(estate.now, Event::Probe(1))]);
    assert_eq!(estate.peers[1].events, [(estate.now, Event::Probe(1))]);
    assert_eq!(estate.peers[2].events, [], "beyond the budget");
    assert_eq!(estate.watch.counters.hints_followed, 2);
    assert_eq!(estate.watch.counters.hints_ignored, 1);
}

#[test]
fn a_request_that_was_given_up_is_a_verdict_in_every_mode() {
    for mode in [Mode::OnDemand, Mode::Periodic, Mode::RespondOnly, Mode::Off] {
        let mut estate = one(DpdPolicy { mode, ..periodic() });
        estate.run_for(secs(3));
        estate.heard(0, Proof::Esp);
        estate.with_peer(0, |live, ctx| live.gave_up(ctx));
        let evidence = estate.peers[0].evidence.take().expect("a verdict");
        let verdict = evidence.verdict.expect("a verdict");
        assert_eq!(verdict.reason, VerdictReason::Retransmissions);
        assert_eq!(evidence.last_proof, Proof::Esp);
        assert_eq!(estate.timers(), 0);
    }
}

#[test]
fn a_reload_applies_at_once() {
    let mut estate = one(on_demand());
    estate.run_for(secs(100));
    assert_eq!(state(&estate), State::Worried);
    estate.policy = periodic();
    estate.adopt(0, 9);
    assert_eq!(estate.peers[0].live.policy(), 9);
    estate.run_for(TICK * 2);
    assert!(matches!(estate.peers[0].events[..], [(_, Event::Probe(1))]));
}

#[test]
fn the_dead_stay_dead() {
    let mut estate = one(periodic());
    estate.run_for(secs(30));
    assert_eq!(state(&estate), State::Dead);
    let seen = estate.peers[0].events.len();
    estate.heard(0, Proof::Esp);
    estate.send_outbound(0);
    estate.with_peer(0, |live, ctx| {
        let decision = live.fired(ctx.now, ctx);
        assert_eq!(
            (&decision.act, decision.timer),
            (&Act::Nothing, TimerChange::None)
        );
        decision
    });
    estate.with_peer(0, |live, ctx| live.gave_up(ctx));
    assert_eq!(state(&estate), State::Dead);
    assert_eq!(estate.peers[0].events.len(), seen);
}

fn policies() -> impl Strategy<Value = DpdPolicy> {
    (10_u64..600, 2_u64..20, 1_u8..8, 120_u16..200, 0_u8..=50).prop_map(
        |(interval, retry, retries, backoff_percent, jitter_percent)| DpdPolicy {
            mode: Mode::Periodic,
            interval: secs(interval),
            retry: secs(retry),
            retries,
            backoff_percent,
            jitter_percent,
            ..DpdPolicy::default()
        },
    )
}

proptest! {
    /// Whatever the policy and whenever the peer fell silent: the verdict comes within the bound and
    /// one tick of its last sign of life, and never before the jitter allows.
    #[test]
    fn a_dead_peer_is_found_within_the_bound(
        policy in policies(),
        ikev2 in any::<bool>(),
        chatter in prop::collection::vec(1_u64..5_000, 0..50),
    ) {
        prop_assume!(policy.validate().is_ok());
        let protocol = if ikev2 { Protocol::Ikev2 } else { Protocol::Ikev1 };
        let mut estate = Estate::new(1, policy.clone(), protocol);
        for millis in chatter {
            estate.run_for(Duration::from_millis(millis));
            estate.heard(0, Proof::Esp);
        }
        let last = estate.peers[0].live.last_proof().1;
        let bound = policy.detection_bound().expect("periodic has a bound");
        estate.run_for(bound + TICK);
        let evidence = estate.peers[0].evidence.as_ref();
        prop_assert!(evidence.is_some(), "not found within {bound:?}");
        let detection = evidence.and_then(|evidence| evidence.detection());
        let earliest = policy.interval / 100 * u32::from(100 - policy.jitter_percent)
            + policy.probe_duration();
        prop_assert!(detection.is_some_and(|time| time >= earliest && time <= bound + TICK));
        prop_assert!(estate.peers[0].live.last_proof().1 == last);
    }
}
