//! Dead peer detection (RFC 3706) and what follows a verdict.

use std::time::Duration;

use dpd::{Action, DpdPolicy, Mode, NotProof, Proof, SuppressOn, TryOutcome};
use ike::trace::{LivenessMessage, Way};
use ike::{CloseReason, Trace};
use shard::{
    Command, DpdStep, Event, EventKind, Topics, TraceFilter, TraceRecord, TraceStep, Watched, Which,
};
use timer::Instant;

use super::{SECOND, STEPS, TICKS, sites, with_mode};
use crate::world::{End, HEADEND, Terms, World};

fn dead(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Dead { .. })
}

fn watch(world: &mut World, end: End) {
    let everything = TraceFilter {
        topics: Topics::ALL,
        whom: Watched::Everybody,
    };
    assert!(world.command(end, Command::Watch([everything].into())));
}

/// When R-U-THERE messages went out, and with which numbers.
fn questions(traces: &[TraceRecord]) -> Vec<(Instant, u32)> {
    traces
        .iter()
        .filter_map(|record| match record.step {
            TraceStep::Ike(Trace::Liveness {
                way: Way::Sent,
                what: LivenessMessage::RUThere { sequence },
            }) => Some((record.at, sequence)),
            _ => None,
        })
        .collect()
}

/// The lines that an engineer knows, with their times in milliseconds after the first question.
fn lines(traces: &[TraceRecord], start: Instant) -> Vec<(u128, String)> {
    let mut told = Vec::new();
    for record in traces {
        let remote = record.peer.remote;
        let id = record.peer.identity.as_ref().unwrap();
        let at = (record.at - start).as_millis();
        let line = match &record.step {
            TraceStep::Ike(Trace::Liveness {
                way: Way::Sent,
                what: LivenessMessage::RUThere { .. },
            }) => "R_U_THERE".to_owned(),
            TraceStep::Dpd(DpdStep::Unanswered) => {
                "incrementing error counter on sa: PEERS_ALIVE_TIMER".to_owned()
            }
            TraceStep::Dpd(DpdStep::NotResponding) => {
                format!("peer {} not responding!", remote.ip())
            }
            TraceStep::Ike(Trace::Deleting {
                reason: Some(CloseReason::Unresponsive),
                ..
            }) => "deleting SA reason \"peers alive\"".to_owned(),
            TraceStep::Session { up: false } => {
                format!("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN. Peer {remote} Id: {id}")
            }
            TraceStep::Ike(Trace::ExchangeBegun { .. }) => "set new node".to_owned(),
            TraceStep::Ike(Trace::Sent { .. }) => "sending packet".to_owned(),
            TraceStep::Ike(Trace::ExchangeForgotten { .. }) => "purging node".to_owned(),
            _ => continue,
        };
        told.push((at, line));
    }
    told
}

/// Cisco, "IPsec Dead Peer Detection Periodic Message Option": `crypto isakmp keepalive 10 periodic`
/// between 10.1.32.14, which initiated, and 10.2.80.209, which has become unreachable.
#[test]
fn the_printed_trace_happens_line_by_line() {
    let periodic = DpdPolicy {
        mode: Mode::Periodic,
        ..DpdPolicy::default()
    };
    let mut world = World::connected(&Terms {
        addresses: ["10.2.80.209", "10.1.32.14"],
        headends: vec!["10.2.80.209"],
        headend_dpd: DpdPolicy {
            mode: Mode::RespondOnly,
            ..DpdPolicy::default()
        },
        client_dpd: periodic,
        ..sites()
    });
    world.pass(SECOND * 33);
    world.dead = Some(End::Headend);
    watch(&mut world, End::Client);
    world.client.traces.clear();
    world.pass(SECOND * 22);
    let traces = std::mem::take(&mut world.client.traces);
    let start = questions(&traces).first().expect("a question").0;
    let told = lines(&traces, start);
    let counted = "incrementing error counter on sa: PEERS_ALIVE_TIMER";
    let mut expected = vec![];
    for second in [0, 2, 4, 6, 8] {
        if second > 0 {
            expected.push((second, counted));
        }
        for line in [
            "set new node",
            "R_U_THERE",
            "sending packet",
            "purging node",
        ] {
            expected.push((second, line));
        }
    }
    for line in [
        counted,
        "peer 10.2.80.209 not responding!",
        "deleting SA reason \"peers alive\"",
        "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN. Peer 10.2.80.209:500 Id: 10.2.80.209",
        // The DELETE for the IPsec SAs, and that for the IKE SA.
        "set new node",
        "sending packet",
        "purging node",
        "set new node",
        "sending packet",
        "purging node",
    ] {
        expected.push((10, line));
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for ((at, line), (second, wanted)) in told.iter().zip(expected) {
        assert_eq!(line, wanted);
        let late = at.checked_sub(second * 1_000).expect("not early");
        assert!(late <= TICKS.as_millis(), "{line} is {late} ms late");
    }
    let counters = world.client.counters();
    assert_eq!(
        (counters.ike_sas, counters.children, counters.timers),
        (0, 0, 0)
    );
    let numbers: Vec<u32> = questions(&traces)
        .iter()
        .map(|(_, number)| *number)
        .collect();
    assert_eq!(numbers.len(), 5);
    for pair in numbers.windows(2) {
        assert_eq!(pair[1], pair[0] + 1, "every try has the next number");
    }
    assert!(numbers[0] < 1 << 31, "RFC 3706 §6.2");
}

#[test]
fn periodic_finds_a_dead_peer_within_its_bound_and_takes_everything_away() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    world.pass(SECOND * 33);
    world.dead = Some(End::Client);
    let found = world.pass_until(SECOND * 60, dead).expect("the verdict");
    assert!(found <= SECOND * 20 + STEPS, "{found:?}");
    let counters = world.headend.counters();
    assert_eq!(
        (counters.ike_sas, counters.children, counters.timers),
        (0, 0, 0)
    );
    assert_eq!(world.headend.shared(), (0, 0));
}

#[test]
fn a_verdict_keeps_its_evidence() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    let spi = world.headend.events[0].peer.spi;
    world.dead = Some(End::Client);
    world.pass_until(SECOND * 60, dead).expect("the verdict");
    let obituary = world.headend.shard.why_dead(&Which::Spi(spi));
    let tries = obituary.expect("a record").evidence.tries;
    assert_eq!(tries.len(), 5, "one try and four more");
    let unanswered = |entry: &dpd::Try| entry.outcome == TryOutcome::Unanswered;
    assert!(tries.iter().all(unanswered));
}

#[test]
fn a_living_peer_is_asked_and_kept() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    world.pass(SECOND * 600);
    assert_eq!(world.headend.count("dead"), 0);
    let counters = world.headend.counters();
    let probes = counters.dpd.probes;
    assert!((60..=67).contains(&probes), "{probes}");
    assert_eq!(
        counters.dpd_round_trip_us.len(),
        probes,
        "all were answered"
    );
    // The client is asked by messages whose number is next each time, and so it hears from us.
    let hellos = world.client.counters().dpd.proofs[dpd::Proof::Hello.index()];
    assert_eq!(hellos, probes);
}

#[test]
fn on_demand_is_the_default_and_asks_only_when_traffic_goes_unanswered() {
    assert_eq!(DpdPolicy::default().mode, Mode::OnDemand);
    let mut world = World::connected(&with_mode(Mode::OnDemand));
    world.pass(SECOND * 300);
    assert_eq!(world.headend.counters().dpd.probes, 0);
    world.dead = Some(End::Client);
    world.pass(SECOND * 300);
    assert_eq!(world.headend.count("dead"), 0, "nobody wanted to know");
    assert!(!world.ping(End::Headend, "10.1.0.1", "10.2.0.1"));
    let found = world.pass_until(SECOND * 60, dead).expect("the verdict");
    assert!(found <= SECOND * 10 + STEPS, "{found:?}");
}

#[test]
fn on_demand_asks_a_living_peer_that_has_nothing_to_say() {
    let mut world = World::connected(&with_mode(Mode::OnDemand));
    for _ in 0..60 {
        world.pass(SECOND);
        assert!(world.ping(End::Headend, "10.1.0.1", "10.2.0.1"));
    }
    assert_eq!(world.headend.count("dead"), 0);
    let probes = world.headend.counters().dpd.probes;
    assert!((4..=7).contains(&probes), "{probes}");
}

/// The peer hears none of our questions for a long time, while its traffic proves that it lives: to
/// it, our sequence has jumped.
#[test]
fn a_sequence_that_jumped_is_answered_and_proves_nothing_until_it_goes_on() {
    let mut world = World::connected(&Terms {
        headend_dpd: DpdPolicy {
            mode: Mode::Periodic,
            suppress_on: SuppressOn::Hello,
            jitter_percent: 0,
            ..DpdPolicy::default()
        },
        ..sites()
    });
    world.pass(SECOND * 21);
    let hellos = |world: &World| world.client.counters().dpd.proofs[Proof::Hello.index()];
    let jumps =
        |world: &World| world.client.counters().dpd.not_proofs[NotProof::JumpedSequence.index()];
    let before = (hellos(&world), world.headend.counters().dpd.tries);
    assert!(before.0 >= 2);
    world.deaf = Some(End::Client);
    while world.headend.counters().dpd.tries - before.1 <= 65 {
        world.pass(SECOND);
        assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
    }
    world.deaf = None;
    let answered = |world: &World| world.headend.counters().dpd.proofs[Proof::Answer.index()];
    let answers = answered(&world);
    let patience = world.now + SECOND * 60;
    while jumps(&world) < 2 {
        assert!(world.now < patience, "the jump was not seen");
        world.pass(SECOND);
    }
    assert_eq!(hellos(&world), before.0, "a jump proves nothing");
    assert_eq!(answered(&world), answers + 2, "it is answered");
    world.pass(SECOND * 25);
    assert_eq!(
        jumps(&world),
        2,
        "two that follow each other are the new count"
    );
    assert!(hellos(&world) > before.0);
    assert_eq!(world.headend.count("dead"), 0);
}

#[test]
fn both_ends_may_ask() {
    let periodic = DpdPolicy {
        mode: Mode::Periodic,
        ..DpdPolicy::default()
    };
    let mut world = World::connected(&Terms {
        client_dpd: periodic.clone(),
        headend_dpd: periodic,
        ..sites()
    });
    world.pass(SECOND * 120);
    world.dead = Some(End::Headend);
    world.pass(SECOND * 21);
    assert_eq!(
        (world.client.count("dead"), world.client.counters().ike_sas),
        (1, 0)
    );
}

#[test]
fn tries_that_the_socket_refused_do_not_count() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    world.refusing = Some(End::Headend);
    world.pass(SECOND * 25);
    assert_eq!(world.headend.count("dead"), 0, "we could not ask");
    world.refusing = None;
    world.pass(SECOND * 120);
    assert_eq!(world.headend.count("dead"), 0);
    assert_eq!(world.headend.counters().ike_sas, 1);
}

/// A world whose client has just declared the headend dead, and the headend is back.
fn bereaved(action: Action, headends: Vec<&'static str>) -> World {
    let client_dpd = DpdPolicy {
        mode: Mode::Periodic,
        action,
        ..DpdPolicy::default()
    };
    let mut world = World::connected(&Terms {
        client_dpd,
        headends,
        ..sites()
    });
    world.dead = Some(End::Headend);
    let given_up = world.now + SECOND * 60;
    while world.client.count("dead") == 0 {
        assert!(world.now < given_up, "no verdict");
        world.pass(Duration::from_millis(10));
    }
    world.dead = None;
    world
}

#[test]
fn clear_leaves_nothing_behind() {
    let mut world = bereaved(Action::Clear, vec![HEADEND]);
    world.pass(SECOND * 5);
    assert!(!world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
    world.pass(SECOND * 5);
    assert_eq!(world.client.counters().ike_sas, 0);
}

#[test]
fn hold_waits_for_the_next_packet() {
    let mut world = bereaved(Action::Hold, vec![HEADEND]);
    world.pass(SECOND * 5);
    assert_eq!(world.client.counters().ike_sas, 0, "nobody has asked yet");
    world.ping(End::Client, "10.2.0.1", "10.1.0.1");
    world.pass(Duration::from_millis(50));
    assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
}

#[test]
fn restart_comes_back_at_once() {
    let mut world = bereaved(Action::Restart, vec![HEADEND]);
    world.pass(SECOND * 5);
    assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
}

#[test]
fn next_peer_goes_on_through_the_list_and_wraps() {
    const SECOND_HEADEND: &str = "192.0.2.2";
    for (headends, expected) in [
        (vec![HEADEND, SECOND_HEADEND], SECOND_HEADEND),
        (vec![HEADEND], HEADEND),
    ] {
        let mut world = bereaved(Action::NextPeer, headends);
        world.pass(SECOND * 5);
        let established = |event: &&Event| event.kind.name() == "established";
        let event = world.client.events.iter().rfind(established).unwrap();
        assert_eq!(world.client.count("established"), 2);
        assert_eq!(event.peer.remote.ip().to_string(), expected);
        assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
    }
}
