use std::time::Duration;

use dpd::{Action, DpdPolicy, Mode, TryOutcome};
use ipsec::StartAction;
use shard::{EventKind, Which};

use crate::world::{End, HEADEND, Terms, World};

const SECOND: Duration = Duration::from_secs(1);
/// One tick of the wheel, and one of the world.
const TICKS: Duration = Duration::from_millis(20);

fn dead(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Dead { .. })
}

fn with_mode(mode: Mode) -> Terms {
    Terms {
        headend_dpd: DpdPolicy {
            mode,
            ..DpdPolicy::default()
        },
        ..Terms::default()
    }
}

#[test]
fn periodic_finds_a_dead_peer_within_its_bound_and_takes_everything_away() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    world.pass(SECOND * 33);
    assert_eq!(world.headend.counters().ike_retransmissions_out, 0);
    world.dead = Some(End::Client);
    let found = world.pass_until(SECOND * 60, dead).expect("the verdict");
    assert!(found <= SECOND * 20 + TICKS, "{found:?}");
    let counters = world.headend.counters();
    assert_eq!(
        (counters.ike_sas, counters.children, counters.timers),
        (0, 0, 0)
    );
    assert_eq!(
        counters.ike_retransmissions_out, 4,
        "each try after the first sends the request again"
    );
    assert_eq!(
        world.headend.shared(),
        (0, 0),
        "lease and routes are released"
    );
}

#[test]
fn a_living_peer_is_asked_and_kept() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    world.pass(SECOND * 600);
    assert_eq!(world.headend.count("dead"), 0);
    let probes = world.headend.counters().dpd.probes;
    assert!(
        (60..=67).contains(&probes),
        "one each 9 to 10 seconds: {probes}"
    );
}

#[test]
fn traffic_from_the_peer_saves_probes() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    for _ in 0..60 {
        world.pass(SECOND);
        assert!(world.ping(End::Client, "10.9.0.1", "10.1.0.1"));
    }
    assert_eq!(world.headend.counters().dpd.probes, 0);
}

#[test]
fn on_demand_asks_only_when_traffic_goes_unanswered() {
    let mut world = World::connected(&with_mode(Mode::OnDemand));
    world.pass(SECOND * 300);
    assert_eq!(
        world.headend.counters().dpd.probes,
        0,
        "silence on both sides is no question"
    );
    assert_eq!(
        world.headend.counters().timers,
        0,
        "an idle peer holds no timer"
    );
    world.dead = Some(End::Client);
    world.pass(SECOND * 300);
    assert_eq!(world.headend.count("dead"), 0);
    assert!(!world.ping(End::Headend, "10.1.0.1", "10.9.0.1"));
    let found = world.pass_until(SECOND * 60, dead).expect("the verdict");
    assert!(found <= SECOND * 10 + TICKS, "{found:?}");
}

#[test]
fn a_verdict_keeps_its_evidence() {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    let spi = world.headend.events[0].peer.spi;
    world.dead = Some(End::Client);
    world.pass_until(SECOND * 60, dead).expect("the verdict");
    let obituary = world
        .headend
        .shard
        .why_dead(&Which::Spi(spi))
        .expect("a record");
    assert_eq!(obituary.evidence.tries.len(), 5, "one try and four more");
    assert!(
        obituary
            .evidence
            .tries
            .iter()
            .all(|t| t.outcome == TryOutcome::Unanswered)
    );
    let identity = obituary
        .peer
        .identity
        .clone()
        .expect("it was authenticated");
    assert!(
        world
            .headend
            .shard
            .why_dead(&Which::Identity(identity))
            .is_some()
    );
}

#[test]
fn tries_that_the_socket_refused_do_not_count() {
    for late in [false, true] {
        refused_tries_do_not_count(late);
    }
}

fn refused_tries_do_not_count(late: bool) {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    world.refusing = Some(End::Headend);
    world.refusing_late = late;
    world.pass(SECOND * 25);
    assert_eq!(world.headend.count("dead"), 0, "we could not ask");
    world.refusing = None;
    world.pass(SECOND * 120);
    assert_eq!(
        world.headend.count("dead"),
        0,
        "the peer answers as soon as it is asked"
    );
    assert_eq!(world.headend.counters().ike_sas, 1);
}

#[test]
fn a_restarting_initiator_comes_back_when_its_peer_does() {
    let client_dpd = DpdPolicy {
        mode: Mode::Periodic,
        action: Action::Restart,
        ..DpdPolicy::default()
    };
    let terms = Terms {
        client_dpd,
        start: StartAction::Start,
        ..Terms::default()
    };
    let mut world = World::connected(&terms);
    world.dead = Some(End::Headend);
    world.pass(SECOND * 40);
    assert_eq!(world.client.count("dead"), 1);
    world.dead = None;
    world.pass(SECOND * 120);
    assert!(world.ping(End::Client, "10.9.0.1", "10.1.0.1"));
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
        virtual_address: false,
        headends,
        ..Terms::default()
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
    assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
    assert_eq!(world.client.counters().released, 1, "it waited");
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
        let last = |event: &&shard::Event| event.kind.name() == "established";
        let event = world
            .client
            .events
            .iter()
            .rfind(last)
            .expect("a new IKE SA");
        assert_eq!(world.client.count("established"), 2);
        assert_eq!(event.peer.remote.ip().to_string(), expected);
        assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
    }
}
