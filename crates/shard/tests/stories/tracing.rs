//! What watchers are told, and that nobody is told anything otherwise.

use std::sync::Arc;
use std::time::Duration;

use dpd::{DpdPolicy, Mode};
use ike::Trace;
use ike::trace::{Input, LivenessMessage, Stage, Way};
use ipsec::Versions;
use shard::{
    ChildStep, Command, DpdStep, EventKind, Topics, TraceFilter, TraceRecord, TraceStep, Watched,
};

use crate::world::{CLIENT, End, Terms, World};

const SECOND: Duration = Duration::from_secs(1);

fn watch(world: &mut World, filters: &[TraceFilter]) {
    assert!(world.command(End::Headend, Command::Watch(filters.into())));
}

fn everybody(topics: Topics) -> TraceFilter {
    TraceFilter {
        topics,
        whom: Watched::Everybody,
    }
}

fn connect(world: &mut World) {
    let order = Command::Initiate {
        connection: 0,
        child: 0,
    };
    assert!(world.command(End::Client, order));
}

fn terms() -> Terms {
    Terms {
        headend_dpd: DpdPolicy {
            mode: Mode::Periodic,
            ..DpdPolicy::default()
        },
        ..Terms::default()
    }
}

/// The whole life of a peer, up to its death.
fn live_and_die(world: &mut World) {
    connect(world);
    world.pass(SECOND * 33);
    world.dead = Some(End::Client);
    let dead = |kind: &EventKind| matches!(kind, EventKind::Dead { .. });
    world.pass_until(SECOND * 60, dead).expect("the verdict");
}

fn steps(traces: &[TraceRecord]) -> Vec<&TraceStep> {
    traces.iter().map(|record| &record.step).collect()
}

#[test]
fn nobody_is_told_anything_unless_somebody_watches() {
    let mut world = World::new(&terms());
    live_and_die(&mut world);
    assert!(world.headend.traces.is_empty() && world.client.traces.is_empty());
    // And not any longer when the last watcher has gone.
    let mut world = World::new(&terms());
    watch(&mut world, &[everybody(Topics::ALL)]);
    watch(&mut world, &[]);
    live_and_die(&mut world);
    assert!(world.headend.traces.is_empty());
}

#[test]
fn a_set_up_is_told_message_by_message() {
    let mut world = World::new(&terms());
    watch(&mut world, &[everybody(Topics::IKEV2)]);
    connect(&mut world);
    let traces = &world.headend.traces;
    let exchanges: Vec<_> = traces
        .iter()
        .filter_map(|record| match &record.step {
            TraceStep::Ike(Trace::Received { message, .. }) => Some((Way::Received, message)),
            TraceStep::Ike(Trace::Sent { message, left, .. }) => {
                assert!(left, "the socket took it");
                Some((Way::Sent, message))
            }
            _ => None,
        })
        .map(|(way, message)| (way, message.exchange, message.response))
        .collect();
    assert_eq!(
        exchanges,
        [
            (Way::Received, 34, false),
            (Way::Sent, 34, true),
            (Way::Received, 35, false),
            (Way::Sent, 35, true)
        ]
    );
    let turns: Vec<_> = traces
        .iter()
        .filter_map(|record| match record.step {
            TraceStep::Ike(Trace::Turned { from, to, .. }) => Some((from, to)),
            _ => None,
        })
        .collect();
    assert_eq!(
        turns,
        [
            (Stage::Init, Stage::Auth),
            (Stage::Auth, Stage::Established)
        ]
    );
    let has = |wanted: &dyn Fn(&Trace) -> bool| {
        traces
            .iter()
            .any(|record| matches!(&record.step, TraceStep::Ike(trace) if wanted(trace)))
    };
    // RFC 7296 §3.2: KE is 34 and AUTH 39; §3.10.1: NAT_DETECTION_SOURCE_IP is 16388.
    assert!(has(&|trace| matches!(
        trace,
        Trace::Payload { payload: 34, .. }
    )));
    assert!(has(&|trace| matches!(
        trace,
        Trace::Payload { payload: 39, .. }
    )));
    assert!(has(&|trace| matches!(
        trace,
        Trace::Notify { kind: 16388, .. }
    )));
    let first = traces.first().expect("a record");
    assert_eq!((first.number, first.role), (0, None), "no IKE SA yet");
    let last = traces.last().expect("a record");
    assert_eq!((last.number, last.version), (1001, 2));
    assert_eq!(last.peer.remote.ip().to_string(), CLIENT);
}

#[test]
fn a_death_is_told_try_by_try() {
    let mut world = World::connected(&terms());
    watch(&mut world, &[everybody(Topics::DPD)]);
    world.dead = Some(End::Client);
    let dead = |kind: &EventKind| matches!(kind, EventKind::Dead { .. });
    world.pass_until(SECOND * 60, dead).expect("the verdict");
    let told = steps(&world.headend.traces);
    let asking = |number| format!("Dpd(Asking {{ try_number: {number} }})");
    let check = "Ike(Liveness { way: Sent, what: Check { message_id: 0 } })".to_owned();
    let unanswered = "Dpd(Unanswered)".to_owned();
    let mut expected = vec![asking(1), check];
    for number in 2..=5 {
        expected.extend([unanswered.clone(), asking(number)]);
    }
    expected.extend([
        unanswered,
        "Dpd(NotResponding)".to_owned(),
        "Ike(Deleting { reason: Some(Unresponsive), stage: Established })".to_owned(),
        "Session { up: false }".to_owned(),
    ]);
    let told: Vec<_> = told.iter().map(|step| format!("{step:?}")).collect();
    assert_eq!(told, expected);
    let seconds = |index: usize| world.headend.traces[index].at;
    let (first, verdict) = (seconds(0), seconds(expected.len() - 3));
    let took = verdict - first;
    assert!(
        took >= SECOND * 10 && took < SECOND * 10 + Duration::from_millis(100),
        "{took:?}"
    );
}

#[test]
fn an_answer_is_told_to_who_watches_liveness() {
    let mut world = World::connected(&terms());
    watch(&mut world, &[everybody(Topics::DPD)]);
    world.pass(SECOND * 11);
    let liveness: Vec<_> = world
        .headend
        .traces
        .iter()
        .filter_map(|record| match &record.step {
            TraceStep::Ike(Trace::Liveness { way, what }) => Some((*way, *what)),
            _ => None,
        })
        .collect();
    assert_eq!(
        liveness,
        [
            (Way::Sent, LivenessMessage::Check { message_id: 0 }),
            (
                Way::Received,
                LivenessMessage::CheckAnswer { message_id: 0 }
            )
        ]
    );
    let answered: Vec<_> = steps(&world.headend.traces);
    assert!(
        matches!(
            answered[0],
            TraceStep::Dpd(DpdStep::Asking { try_number: 1 })
        ),
        "{answered:?}"
    );
}

#[test]
fn child_sas_are_told_with_their_spis() {
    let mut world = World::new(&terms());
    watch(&mut world, &[everybody(Topics::IPSEC)]);
    connect(&mut world);
    let told = steps(&world.headend.traces);
    let [
        TraceStep::Child(ChildStep::Installed {
            inbound, outbound, ..
        }),
        TraceStep::Session { up: true },
        TraceStep::Child(ChildStep::Active {
            inbound: active, ..
        }),
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(active, inbound);
    assert_ne!(inbound, outbound);
}

#[test]
fn a_filter_by_peer_shows_that_peer_only() {
    let shown = |whom: Watched| {
        let mut world = World::new(&terms());
        let filter = TraceFilter {
            topics: Topics::ALL,
            whom,
        };
        watch(&mut world, core::slice::from_ref(&filter));
        live_and_die(&mut world);
        let traces = world.headend.traces;
        assert!(traces.iter().all(|record| filter.accepts(record)));
        traces.len()
    };
    let all = shown(Watched::Everybody);
    assert_eq!(
        shown(Watched::Address(CLIENT.parse().expect("an address"))),
        all
    );
    let other = "203.0.113.9".parse().expect("an address");
    assert_eq!(shown(Watched::Address(other)), 0);
    // By identity from authentication on: what came before is not known to be this peer's.
    let joe = shown(Watched::Identity(
        "joe@example.org".parse().expect("an identity"),
    ));
    assert!(joe > 0 && joe < all, "{joe} of {all}");
    let jane = shown(Watched::Identity(
        "jane@example.org".parse().expect("an identity"),
    ));
    assert_eq!(jane, 0);
}

#[test]
fn each_of_several_watchers_adds_what_it_wants() {
    let mut world = World::new(&terms());
    let other = "203.0.113.9".parse().expect("an address");
    let filters: Arc<[TraceFilter]> = Arc::new([
        TraceFilter {
            topics: Topics::ALL,
            whom: Watched::Address(other),
        },
        everybody(Topics::IPSEC),
    ]);
    watch(&mut world, &filters);
    connect(&mut world);
    let traces = &world.headend.traces;
    assert!(!traces.is_empty());
    assert!(traces.iter().all(|record| filters[1].accepts(record)));
    assert!(!traces.iter().any(|record| filters[0].accepts(record)));
}

#[test]
fn the_end_is_told_in_the_order_in_which_it_happens() {
    for versions in [Versions::default(), Versions::V1] {
        let mut world = World::connected(&Terms {
            versions,
            virtual_address: false,
            address_ids: true,
            ..terms()
        });
        watch(&mut world, &[everybody(Topics::ISAKMP.and(Topics::IKEV2))]);
        world.dead = Some(End::Client);
        let dead = |kind: &EventKind| matches!(kind, EventKind::Dead { .. });
        world.pass_until(SECOND * 60, dead).expect("the verdict");
        let traces = &world.headend.traces;
        let verdict = traces
            .iter()
            .position(|record| matches!(record.step, TraceStep::Dpd(DpdStep::NotResponding)))
            .expect("a verdict");
        let mut told: Vec<_> = traces[verdict..]
            .iter()
            .filter_map(|record| {
                let what = match &record.step {
                    TraceStep::Dpd(_) => "verdict",
                    TraceStep::Ike(Trace::Sent { .. }) => "DELETE",
                    TraceStep::Ike(Trace::Deleting { .. }) => "deleting",
                    TraceStep::Ike(Trace::Turned {
                        exchange: None,
                        input: Input::PeersAlive,
                        to: Stage::Closed,
                        ..
                    }) => "turned",
                    TraceStep::Child(ChildStep::Removed { .. }) => "child removed",
                    TraceStep::Session { up: false } => "session down",
                    TraceStep::Gone => "gone",
                    _ => return None,
                };
                Some((what, record.stage))
            })
            .collect();
        told.dedup();
        let delete = told.iter().position(|(what, _)| *what == "DELETE");
        let deleting = told.iter().position(|(what, _)| *what == "deleting");
        assert!(delete.is_some() && deleting.is_some(), "{told:?}");
        told.retain(|(what, _)| !["DELETE", "deleting"].contains(what));
        // With IKEv1 as on IOS: the Child SAs, the DELETE, the IKE SA.
        let order = if versions.v1 {
            [
                ("verdict", Stage::Established),
                ("child removed", Stage::Established),
                ("session down", Stage::Established),
                ("turned", Stage::Established),
                ("gone", Stage::Closed),
            ]
        } else {
            [
                ("verdict", Stage::Established),
                ("turned", Stage::Established),
                ("child removed", Stage::Closed),
                ("session down", Stage::Closed),
                ("gone", Stage::Closed),
            ]
        };
        assert_eq!(told, order, "{versions:?}");
        let in_place = |record: &&TraceRecord| {
            matches!(record.step, TraceStep::Ike(Trace::Sent { .. }))
                && record.stage != Stage::Established
        };
        assert_eq!(
            traces.iter().filter(in_place).count(),
            0,
            "the DELETE goes out before the end"
        );
    }
}

#[test]
fn each_message_is_told_with_the_stage_in_which_it_came_or_went() {
    let mut world = World::new(&Terms {
        versions: Versions::V1,
        virtual_address: false,
        address_ids: true,
        ..terms()
    });
    let all: Arc<[TraceFilter]> = Arc::new([everybody(Topics::ISAKMP)]);
    for end in [End::Headend, End::Client] {
        assert!(world.command(end, Command::Watch(all.clone())));
    }
    connect(&mut world);
    let stages = |traces: &[TraceRecord]| -> Vec<_> {
        let of = |record: &TraceRecord| match record.step {
            TraceStep::Ike(Trace::Received { .. }) => Some((Way::Received, record.stage)),
            TraceStep::Ike(Trace::Sent { .. }) => Some((Way::Sent, record.stage)),
            _ => None,
        };
        traces.iter().filter_map(of).collect()
    };
    let (received, sent) = (|stage| (Way::Received, stage), |stage| (Way::Sent, stage));
    let initiator = stages(&world.client.traces);
    assert_eq!(
        initiator[..8],
        [
            sent(Stage::Main(1)),
            received(Stage::Main(1)),
            sent(Stage::Main(3)),
            received(Stage::Main(3)),
            sent(Stage::Main(5)),
            received(Stage::Main(5)),
            sent(Stage::Established),
            received(Stage::Established),
        ]
    );
    let responder = stages(&world.headend.traces);
    assert_eq!(responder[0], received(Stage::Idle), "nobody knew of it");
    assert_eq!(responder[2], received(Stage::Main(2)), "{responder:?}");
    assert_eq!(responder[4], received(Stage::Main(4)), "{responder:?}");
}
