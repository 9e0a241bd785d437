use std::net::IpAddr;
use std::time::Duration;

use dpd::Action;
use ipsec::{ChildPolicy, ConnectionPolicy, InnerVrf, StartAction, Versions};
use shard::{Command, EventKind, HoldLimits, RouteChange, ShardDrop};

use crate::estate::{Estate, FIRST, SECOND, THIRD, at, client, ip, named, terms};
use crate::world::Terms;

const SECOND_OF_TIME: Duration = Duration::from_secs(1);
/// DPD's bound with the default times, two ticks, and what a set-up needs.
const FOUND: Duration = Duration::from_millis(20_200);

fn three() -> Vec<ipsec::PeerEndpoint> {
    vec![at(FIRST), at(SECOND), at(THIRD)]
}

/// An estate whose client stands on the first of three headends.
fn standing(action: Action, change: impl Fn(&mut ConnectionPolicy)) -> Estate {
    standing_over(Versions::default(), action, change)
}

fn standing_over(
    versions: Versions,
    action: Action,
    change: impl Fn(&mut ConnectionPolicy),
) -> Estate {
    let terms = Terms {
        versions,
        ..terms(action, StartAction::Start)
    };
    let mut connection = client(&terms, three());
    change(&mut connection);
    let mut estate = Estate::new(&terms, vec![connection]);
    estate.start();
    assert!(estate.ping());
    estate
}

fn unchanged(_: &mut ConnectionPolicy) {}

/// Kills a headend and waits until traffic flows through another.
fn kill(estate: &mut Estate, dead: &str) -> IpAddr {
    let dead = ip(dead);
    assert_eq!(estate.reached(), Some(dead));
    estate.alive.remove(&dead);
    let moved = |estate: &Estate| estate.reached().is_some_and(|now| now != dead);
    let found = estate.pass_until(FOUND * 4, moved);
    assert!(found.is_some(), "nobody took over from {dead}");
    assert!(estate.ping());
    estate.reached().unwrap()
}

fn dropped(estate: &Estate, reason: ShardDrop) -> u64 {
    estate.client.counters().dropped[reason.index()]
}

#[test]
fn headends_killed_in_turn_are_followed_by_the_next_and_the_last_by_the_first() {
    for versions in [Versions::default(), Versions::V1] {
        let mut estate = standing_over(versions, Action::NextPeer, unchanged);
        for (dead, next) in [(FIRST, SECOND), (SECOND, THIRD)] {
            let before = estate.now;
            assert_eq!(kill(&mut estate, dead), ip(next));
            assert!(estate.now - before <= FOUND, "{:?}", estate.now - before);
        }
        estate.alive.insert(ip(FIRST));
        assert_eq!(kill(&mut estate, THIRD), ip(FIRST));
        let counters = estate.client.counters();
        assert_eq!((counters.ike_sas, counters.children), (1, 1));
        assert_eq!(counters.failovers, 3);
        assert_eq!(estate.attempts.len(), 4, "each was tried once");
    }
}

#[test]
fn a_dead_next_peer_is_passed_over_soon() {
    let mut estate = standing(Action::NextPeer, unchanged);
    estate.alive.remove(&ip(SECOND));
    let before = estate.now;
    assert_eq!(kill(&mut estate, FIRST), ip(THIRD));
    let bound = FOUND + SECOND_OF_TIME * 10 + SECOND_OF_TIME;
    assert!(estate.now - before <= bound, "{:?}", estate.now - before);
}

#[test]
fn when_all_are_dead_rounds_go_on_with_growing_bounded_pauses() {
    let mut estate = standing(Action::NextPeer, unchanged);
    estate.alive.clear();
    estate.attempts.clear();
    estate.pass(SECOND_OF_TIME * 1_200);
    let tried: Vec<_> = estate.attempts.iter().map(|(_, whom)| *whom).collect();
    let ring = [SECOND, THIRD, FIRST].map(ip);
    assert!(
        tried.iter().zip(ring.iter().cycle()).all(|(a, b)| a == b),
        "it wraps"
    );
    let patience = 10.0;
    let gaps: Vec<_> = estate
        .attempts
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0).as_secs_f64() - patience)
        .collect();
    for (place, gap) in gaps.iter().enumerate() {
        let round = (place + 1) / 3;
        let within = (place + 1) % 3 != 0;
        let pause = if within {
            0.1
        } else {
            f64::from(1 << (round - 1).min(6)).min(60.0)
        };
        let latest = pause * 1.5 + 0.03;
        assert!(
            *gap >= pause && *gap <= latest,
            "{place}: {gap} in {pause}..{latest}"
        );
    }
    assert!(gaps.len() > 30, "{}", gaps.len());
    let last = estate.attempts.last().unwrap().0;
    assert!(
        (estate.now - last).as_secs_f64() < 101.0,
        "it never gives up"
    );
    estate.alive.insert(ip(SECOND));
    let back = estate.pass_until(SECOND_OF_TIME * 140, |estate| estate.reached().is_some());
    assert!(back.is_some(), "and finds the one that returns");
    assert!(estate.ping());
}

#[test]
fn the_default_peer_is_tried_first_again() {
    let mut estate = standing(Action::NextPeer, |connection| {
        connection.default_peer = Some(0)
    });
    assert_eq!(kill(&mut estate, FIRST), ip(SECOND), "not the dead one");
    estate.alive.insert(ip(FIRST));
    assert_eq!(kill(&mut estate, SECOND), ip(FIRST), "not the third");

    // Without a default the third would have followed.
    let mut estate = standing(Action::NextPeer, unchanged);
    assert_eq!(kill(&mut estate, FIRST), ip(SECOND));
    estate.alive.insert(ip(FIRST));
    assert_eq!(kill(&mut estate, SECOND), ip(THIRD));
}

#[test]
fn a_new_need_begins_with_the_default_peer() {
    for (default, expected) in [(Some(0), FIRST), (None, SECOND)] {
        let terms = terms(Action::Hold, StartAction::Trap);
        let mut connection = client(&terms, three());
        connection.default_peer = default;
        let mut estate = Estate::new(&terms, vec![connection]);
        estate.start();
        estate.alive.remove(&ip(FIRST));
        estate.send(&[Estate::packet(1, "10.1.0.1")]);
        let up = estate.pass_until(SECOND_OF_TIME * 12, |estate| estate.reached().is_some());
        assert!(up.is_some());
        assert_eq!(estate.reached(), Some(ip(SECOND)));
        estate.alive.insert(ip(FIRST));
        let spi = estate.client.shard.peers(0, 9, estate.now).0[0].peer.spi;
        assert!(estate.command(Command::Terminate { spi }));
        estate.pass(SECOND_OF_TIME);
        assert_eq!(estate.reached(), None);
        assert!(estate.ping(), "traffic brings it back");
        assert_eq!(estate.reached(), Some(ip(expected)));
    }
}

#[test]
fn restart_asks_the_same_peer_before_the_next() {
    let mut estate = standing(Action::Restart, unchanged);
    estate.attempts.clear();
    assert_eq!(kill(&mut estate, FIRST), ip(SECOND));
    let tried: Vec<_> = estate.attempts.iter().map(|(_, whom)| *whom).collect();
    assert_eq!(tried, [ip(FIRST), ip(SECOND)]);
}

#[test]
fn a_single_peer_is_given_all_the_time_of_its_retransmissions() {
    let terms = terms(Action::Restart, StartAction::Start);
    let mut estate = Estate::new(&terms, vec![client(&terms, vec![at(FIRST)])]);
    estate.alive.clear();
    estate.start();
    estate.pass(SECOND_OF_TIME * 60);
    assert_eq!(estate.attempts.len(), 1, "no patience but the protocol's");
    estate.pass(SECOND_OF_TIME * 60);
    assert_eq!(estate.attempts.len(), 2);
}

#[test]
fn names_are_resolved_once_or_at_each_attempt() {
    for (dynamic, questions, second_time) in [(false, 1, FIRST), (true, 2, SECOND)] {
        let terms = terms(Action::Restart, StartAction::Start);
        let peers = vec![named("gw.example.org", dynamic)];
        let mut estate = Estate::new(&terms, vec![client(&terms, peers)]);
        estate
            .names
            .insert("gw.example.org".into(), vec![ip(FIRST)]);
        estate.start();
        assert_eq!(estate.reached(), Some(ip(FIRST)));
        // The name moves, and later the headend dies.
        estate
            .names
            .insert("gw.example.org".into(), vec![ip(SECOND)]);
        estate.pass(SECOND_OF_TIME * 30);
        assert_eq!(estate.reached(), Some(ip(FIRST)), "no need, no question");
        estate.alive.remove(&ip(FIRST));
        estate.pass(SECOND_OF_TIME * 30);
        assert_eq!(estate.asked.len(), questions, "dynamic {dynamic}");
        assert_eq!(estate.attempts.last().unwrap().1, ip(second_time));
        assert_eq!(estate.reached().is_some(), dynamic);
    }
}

#[test]
fn a_name_without_an_answer_is_passed_over_and_a_late_answer_ignored() {
    let terms = terms(Action::NextPeer, StartAction::Start);
    let peers = vec![
        named("silent.example.org", true),
        named("unknown.example.org", true),
        named("six.example.org", true),
        at(THIRD),
    ];
    let mut estate = Estate::new(&terms, vec![client(&terms, peers)]);
    estate.names.insert("unknown.example.org".into(), vec![]);
    let six = vec![ip("2001:db8::1")];
    estate.names.insert("six.example.org".into(), six);
    estate.start();
    assert!(estate.attempts.is_empty());
    let up = estate.pass_until(SECOND_OF_TIME * 12, |estate| estate.reached().is_some());
    assert!(up.is_some_and(|up| up > SECOND_OF_TIME * 10), "{up:?}");
    assert_eq!(estate.reached(), Some(ip(THIRD)));
    assert_eq!(estate.client.count("unresolved"), 3);
    let late = estate.unanswered[0];
    estate.answer(late, &[ip(FIRST)]);
    estate.pass(SECOND_OF_TIME);
    assert_eq!(estate.attempts.len(), 1);
    let known = |event: &&shard::Event| matches!(event.kind, EventKind::Unresolved { .. });
    let event = estate.client.events.iter().find(known).unwrap();
    assert_eq!(&*event.peer.connection, "story");
}

#[test]
fn the_first_address_that_we_can_reach_is_taken() {
    let terms = terms(Action::NextPeer, StartAction::Start);
    let peers = vec![named("gw.example.org", false)];
    let mut estate = Estate::new(&terms, vec![client(&terms, peers)]);
    let answers = ["2001:db8::1", SECOND, FIRST].map(ip);
    estate.names.insert("gw.example.org".into(), answers.into());
    estate.start();
    assert_eq!(estate.reached(), Some(ip(SECOND)));
}

fn burst(numbers: core::ops::Range<u16>) -> Vec<Vec<u8>> {
    numbers
        .map(|number| Estate::packet(number, "10.1.0.1"))
        .collect()
}

#[test]
fn what_waits_for_a_tunnel_arrives_once_and_in_order() {
    let terms = terms(Action::Hold, StartAction::Trap);
    let mut estate = Estate::new(&terms, vec![client(&terms, vec![at(FIRST)])]);
    estate.start();
    estate.alive.clear();
    for at in 0..10 {
        estate.send(&burst(at * 4..at * 4 + 4));
        estate.pass(Duration::from_millis(100));
    }
    assert_eq!(estate.client.counters().held_now, 40);
    estate.alive.insert(ip(FIRST));
    assert!(estate.arrived.is_empty());
    let up = estate.pass_until(SECOND_OF_TIME * 5, |estate| !estate.arrived.is_empty());
    assert!(up.is_some());
    estate.send(&burst(40..44));
    assert_eq!(estate.arrived, burst(0..44));
    let counters = estate.client.counters();
    assert_eq!(
        (counters.held, counters.released, counters.held_now),
        (40, 40, 0)
    );
    assert_eq!(counters.dropped.iter().sum::<u64>(), 0);
}

#[test]
fn traffic_during_a_failover_is_led_to_us_and_waits() {
    for versions in [Versions::default(), Versions::V1] {
        let mut estate = standing_over(versions, Action::NextPeer, unchanged);
        estate.alive.remove(&ip(FIRST));
        estate.alive.remove(&ip(SECOND));
        let dead = |estate: &Estate| estate.client.count("dead") == 1;
        assert!(estate.pass_until(FOUND, dead).is_some());
        estate.arrived.clear();
        estate.send(&burst(0..5));
        estate.pass(SECOND_OF_TIME * 3);
        estate.send(&burst(5..9));
        assert_eq!(estate.client.counters().held_now, 9);
        let up = estate.pass_until(SECOND_OF_TIME * 12, |estate| estate.reached().is_some());
        assert!(up.is_some());
        assert_eq!(estate.arrived, burst(0..9), "through the third");
    }
}

/// How many routes to the headend's net there were, change by change.
fn routes(estate: &Estate) -> Vec<i32> {
    let mut routes = 0;
    let changes = estate.client.routes.iter().filter_map(|(ivrf, change)| {
        assert_eq!(*ivrf, InnerVrf::GLOBAL);
        routes += match change {
            RouteChange::Add(_) => 1,
            RouteChange::Remove(_) => -1,
            _ => return None,
        };
        Some(routes)
    });
    changes.collect()
}

#[test]
fn no_packet_can_take_another_way_while_a_tunnel_is_replaced() {
    let mut estate = standing(Action::NextPeer, unchanged);
    kill(&mut estate, FIRST);
    let held = routes(&estate);
    assert!(
        held.len() >= 4 && held.iter().all(|routes| *routes > 0),
        "{held:?}"
    );
    let spi = estate.client.shard.peers(0, 9, estate.now).0[0].peer.spi;
    estate.command(Command::Terminate { spi });
    estate.pass(SECOND_OF_TIME);
    assert_eq!(
        routes(&estate).last(),
        Some(&0),
        "what we ended stays ended"
    );
    estate.send(&burst(0..1));
    assert_eq!(dropped(&estate, ShardDrop::NoSa), 1);

    let mut estate = standing(Action::Clear, unchanged);
    estate.alive.clear();
    estate.pass(FOUND);
    assert_eq!(routes(&estate).last(), Some(&0), "clear leaves nothing");
}

#[test]
fn what_waits_is_bounded_and_every_drop_has_a_reason() {
    let terms = terms(Action::Hold, StartAction::Trap);
    let mut estate = Estate::new(&terms, vec![client(&terms, vec![at(FIRST), at(SECOND)])]);
    estate.start();
    estate.alive.clear();
    let HoldLimits { packets, time, .. } = HoldLimits::default();
    let packets = u16::try_from(packets).unwrap();
    estate.send(&burst(0..packets + 10));
    assert_eq!(dropped(&estate, ShardDrop::HoldFull), 10);
    assert_eq!(estate.client.counters().held_now, u64::from(packets));
    estate.pass(time + SECOND_OF_TIME);
    estate.send(&burst(100..103));
    assert_eq!(dropped(&estate, ShardDrop::HoldExpired), u64::from(packets));
    assert_eq!(
        estate.client.counters().held_now,
        3,
        "the old made room for the new"
    );
    // As long as something waits it is tried again; when nothing does, there is peace.
    estate.pass(SECOND_OF_TIME * 300);
    let counters = estate.client.counters();
    assert_eq!((counters.held_now, counters.ike_sas), (0, 0));
    let attempts = estate.attempts.len();
    estate.pass(SECOND_OF_TIME * 300);
    assert_eq!(estate.attempts.len(), attempts);
    assert_eq!(
        counters.held,
        counters.released + dropped(&estate, ShardDrop::HoldExpired)
    );
}

#[test]
fn what_waits_for_a_refused_child_is_dropped() {
    let terms = terms(Action::Hold, StartAction::Trap);
    let mut connection = client(&terms, vec![at(FIRST)]);
    connection.children[0].remote_ts = vec!["172.16.0.0/12".parse().unwrap()];
    let mut estate = Estate::new(&terms, vec![connection]);
    estate.start();
    estate.send(&[Estate::packet(1, "172.16.0.1")]);
    assert_eq!(estate.client.count("child-failed"), 1);
    assert_eq!(dropped(&estate, ShardDrop::HoldAbandoned), 1);
    assert_eq!(estate.client.counters().held_now, 0);
}

#[test]
fn traffic_asks_a_standing_ike_sa_for_another_child() {
    let terms = terms(Action::Hold, StartAction::Trap);
    let mut connection = client(&terms, vec![at(FIRST)]);
    let net = connection.children[0].clone();
    let half = |name: &str, ts: &str| ChildPolicy {
        name: name.into(),
        remote_ts: vec![ts.parse().unwrap()],
        ..net.clone()
    };
    connection.children = vec![half("low", "10.1.0.0/17"), half("high", "10.1.128.0/17")];
    let mut estate = Estate::new(&terms, vec![connection]);
    estate.start();
    let (low, high) = (
        Estate::packet(1, "10.1.0.1"),
        Estate::packet(2, "10.1.200.1"),
    );
    estate.send(&[low.clone(), high.clone()]);
    estate.pass(SECOND_OF_TIME);
    estate.send(std::slice::from_ref(&high));
    assert_eq!(estate.client.counters().children, 2);
    assert_eq!(estate.client.counters().ike_sas, 1);
    assert_eq!(estate.arrived.first(), Some(&low));
    assert!(estate.arrived[1..].iter().all(|packet| *packet == high));
    assert!(estate.arrived.len() >= 2);
}

#[test]
fn what_the_peer_did_not_take_is_dropped_and_asks_for_nothing() {
    for action in [Action::NextPeer, Action::Clear] {
        let terms = terms(action, StartAction::Trap);
        let mut connection = client(&terms, three());
        // The headend has 10.1.0.0/16 of it.
        connection.children[0].remote_ts = vec!["10.0.0.0/8".parse().unwrap()];
        let mut estate = Estate::new(&terms, vec![connection]);
        estate.start();
        assert!(estate.ping());
        for second in 1..=60 {
            estate.send(&[Estate::packet(second, "10.77.0.1")]);
            estate.pass(SECOND_OF_TIME);
        }
        let counters = estate.client.counters();
        assert_eq!((counters.ike_sas, counters.children), (1, 1));
        assert_eq!((counters.held_now, counters.held), (0, 1));
        assert_eq!(dropped(&estate, ShardDrop::NoSa), 60);
        assert!(estate.ping());
    }
}

#[test]
fn a_reload_takes_what_waits_along_to_the_new_numbers() {
    let terms = terms(Action::NextPeer, StartAction::Trap);
    let story = client(&terms, three());
    let mut other = client(&terms, three());
    other.name = "another".into();
    other.children[0].remote_ts = vec!["172.16.0.0/12".parse().unwrap()];
    let mut estate = Estate::new(&terms, vec![story.clone()]);
    estate.start();
    estate.alive.clear();
    estate.send(&burst(0..3));
    estate.reload(&terms, vec![other.clone(), story.clone()]);
    assert_eq!(estate.client.counters().held_now, 3);
    estate.alive = [ip(SECOND)].into();
    let up = estate.pass_until(SECOND_OF_TIME * 15, |estate| estate.reached().is_some());
    assert!(up.is_some());
    assert_eq!(estate.arrived, burst(0..3));
    // The standing IKE SA is known under its new number, too.
    estate.alive = [ip(SECOND), ip(THIRD)].into();
    assert_eq!(kill(&mut estate, SECOND), ip(THIRD));

    // And what waits for a connection that is gone is dropped.
    let mut estate = Estate::new(&terms, vec![story]);
    estate.start();
    estate.alive.clear();
    estate.send(&burst(0..3));
    estate.reload(&terms, vec![other]);
    assert_eq!(dropped(&estate, ShardDrop::HoldAbandoned), 3);
    estate.pass(SECOND_OF_TIME * 120);
    assert_eq!(estate.client.counters().ike_sas, 0);
    assert_eq!(estate.client.counters().timers, 0);
}

#[test]
fn a_reload_starts_what_was_added() {
    let terms = terms(Action::NextPeer, StartAction::Start);
    let mut estate = Estate::new(&terms, vec![]);
    estate.start();
    estate.reload(&terms, vec![client(&terms, three())]);
    assert_eq!(estate.reached(), Some(ip(FIRST)));
    estate.reload(&terms, vec![client(&terms, three())]);
    assert_eq!(estate.attempts.len(), 1, "and nothing twice");
}
