//! Main mode without incident, and with loss, repetition and delay.

use std::time::Duration;

use ike::trace::Stage;
use ike::{CloseReason, Received, Rejection, Trace};

use crate::end::Event;
use crate::policy::{phase_one, phase_one_each};
use crate::world::{Side, World};

/// Messages of a main mode without incident.
pub(crate) const MESSAGES: usize = 6;

/// A world without children, so that nothing follows phase 1.
pub(crate) fn bare() -> World {
    let (left, right) = phase_one(|_| {});
    World::with(left, right)
}

pub(crate) fn assert_up(world: &World) {
    world.assert_consistent();
    assert_eq!(world.left.established.len(), 1, "{:?}", world.left.events);
    assert_eq!(world.right.established.len(), 1, "{:?}", world.right.events);
    assert_eq!(world.right.door.half_open(), 0, "no longer half-open");
    let left = &world.left.sas[&world.left.only()];
    let right = &world.right.sas[&world.right.only()];
    assert!(left.is_established() && right.is_established());
    assert_eq!(left.peer_spi(), right.local_spi());
    assert_eq!(right.peer_spi(), left.local_spi());
    assert_eq!(left.suite(), right.suite());
    assert!(left.peer_detects_dead_peers() && right.peer_detects_dead_peers());
}

#[test]
fn six_messages_make_an_ike_sa() {
    let mut world = bare();
    world.initiate();
    world.settle();
    assert_eq!(world.sent.len(), MESSAGES);
    assert_up(&world);
    let answer = Received::FreshResponse { liveness: false };
    assert_eq!(
        world.left.received,
        [Received::Unauthenticated, Received::Unauthenticated, answer]
    );
    let request = Received::FreshRequest { liveness: false };
    assert_eq!(world.right.received, [Received::Unauthenticated, request]);
    let established = &world.right.established[0];
    assert_eq!(
        established.peer,
        crate::policy::email(crate::policy::LEFT_ID)
    );
    assert_eq!(
        established.local,
        crate::policy::fqdn(crate::policy::RIGHT_ID)
    );
}

#[test]
fn every_message_may_get_lost() {
    for lost in 0..MESSAGES {
        let mut world = bare();
        world.lose.insert(lost);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn every_message_and_its_repetition_may_get_lost() {
    for lost in 0..MESSAGES {
        let mut world = bare();
        world.lose.extend([lost, lost + 1, lost + 2]);
        world.initiate();
        world.pass(Duration::from_secs(20));
        assert_up(&world);
    }
}

#[test]
fn every_message_may_come_twice() {
    for repeated in 0..MESSAGES {
        let mut world = bare();
        world.repeat.insert(repeated);
        world.initiate();
        world.settle();
        assert_up(&world);
        // The responder answers again at most; the initiator goes by its clock.
        let again = usize::from(repeated % 2 == 0);
        assert!(world.sent.len() <= MESSAGES + again, "{repeated}");
    }
}

#[test]
fn every_message_may_come_again_at_any_time() {
    let mut whole = bare();
    whole.initiate();
    whole.settle();
    let record = whole.sent.clone();
    // Both ends draw the same random octets again, so that the recording fits the second course.
    for after in 0..=MESSAGES {
        let mut world = bare();
        world.initiate();
        for (from, _) in record.iter().take(after) {
            while world.left.compute(world.now) | world.right.compute(world.now) {}
            assert!(world.deliver(*from));
        }
        while world.left.compute(world.now) | world.right.compute(world.now) {}
        for (from, datagram) in &record[..after] {
            let now = world.now;
            let to = world.end(from.other());
            to.received.clear();
            let waiting = to.outbox.len();
            to.receive(datagram, now);
            if *from == Side::Right {
                assert_eq!(to.outbox.len(), waiting, "the initiator goes by its clock");
            }
            assert!(
                matches!(
                    to.received[..],
                    [] | [Received::Retransmission | Received::Rejected(_)]
                ),
                "a repetition proves nothing: {:?}",
                to.received
            );
        }
        world.pass(Duration::from_secs(3));
        assert_eq!(world.left.established.len(), 1, "after {after}");
        assert_eq!(world.right.established.len(), 1, "after {after}");
    }
}

#[test]
fn the_answer_to_a_repeated_proof_is_the_same() {
    let mut world = bare();
    world.initiate();
    world.settle();
    let (from, proof) = world.sent[4].clone();
    assert_eq!(from, Side::Left);
    let answer = world.sent[5].1.clone();
    for _ in 0..10 {
        let now = world.now;
        world.right.receive(&proof, now);
    }
    assert_eq!(world.right.outbox.len(), 1, "not for each of them");
    assert_eq!(world.right.outbox[0], answer);
    world.right.outbox.clear();
    world.pass(Duration::from_secs(1));
    let now = world.now;
    world.right.receive(&proof, now);
    assert_eq!(world.right.outbox.len(), 1);
    world.right.outbox.clear();
    world.pass(Duration::from_secs(120));
    let now = world.now;
    world.right.receive(&proof, now);
    assert!(world.right.outbox.is_empty(), "forgotten in the end");
}

#[test]
fn a_silent_responder_is_given_up() {
    let mut world = bare();
    world.deaf = Some(Side::Right);
    world.initiate();
    world.pass(Duration::from_secs(200));
    assert!(world.left.has(&Event::Closed(CloseReason::Unresponsive)));
    let again = usize::from(world.left.settings.retransmits_max);
    assert_eq!(world.sent.len(), 1 + again);
    let first = &world.sent[0].1;
    assert!(
        world.sent.iter().all(|(_, sent)| sent == first),
        "bit-identical"
    );
    world.assert_consistent();
}

#[test]
fn gaps_between_repetitions_grow() {
    let mut world = bare();
    world.deaf = Some(Side::Right);
    let begin = world.now;
    world.initiate();
    let mut sent_at = vec![];
    for _ in 0..1_300 {
        let before = world.sent.len();
        world.pass(Duration::from_millis(100));
        if world.sent.len() > before {
            sent_at.push((world.now - begin).as_millis());
        }
    }
    let gaps: Vec<_> = sent_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [400, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]);
}

#[test]
fn an_initiator_that_falls_silent_leaves_nothing_behind() {
    // Its address is proved by message 3; before that it has less time.
    for (messages, seconds) in [(2, 10), (4, 30)] {
        let mut world = bare();
        world.initiate();
        world.lose.extend(messages..100);
        world.pass(Duration::from_secs(seconds - 1));
        assert_eq!(world.right.door.half_open(), 1);
        world.pass(Duration::from_secs(2));
        assert_eq!(world.right.door.half_open(), 0);
        let timeout = Event::Closed(CloseReason::HalfOpenTimeout);
        assert!(world.right.has(&timeout), "{:?}", world.right.events);
        world.right.assert_accounts_balance();
    }
}

#[test]
fn a_responder_that_is_computing_starts_nothing_twice() {
    let mut world = bare();
    world.right.hold_jobs = true;
    world.initiate();
    world.pass(Duration::from_secs(4));
    assert_eq!(world.right.jobs.len(), 1, "one for all repetitions");
    world.right.hold_jobs = false;
    world.pass(Duration::from_secs(1));
    assert_up(&world);
}

#[test]
fn a_computation_that_never_comes_back_ends_the_handshake() {
    for side in [Side::Left, Side::Right] {
        let mut world = bare();
        world.end(side).hold_jobs = true;
        world.initiate();
        world.pass(Duration::from_secs(11));
        let exhausted = Event::Closed(CloseReason::Exhausted);
        assert!(world.end(side).has(&exhausted), "{side:?}");
    }
}

#[test]
fn first_contact_is_said_once_both_ends_are_known() {
    let (left, right) = phase_one(|connection| connection.send_initial_contact = true);
    let mut world = World::with(left, right);
    world.initiate();
    world.settle();
    assert_up(&world);
    assert_eq!(
        world.right.events,
        [Event::InitialContact, Event::Established]
    );
    assert_eq!(world.left.events, [Event::Established]);
}

#[test]
fn messages_that_nobody_asked_for_change_nothing() {
    let mut world = bare();
    world.initiate();
    world.settle();
    let record = world.sent.clone();
    let now = world.now;
    for (from, datagram) in &record {
        for at in 0..datagram.message.len() {
            let mut bent = datagram.clone();
            bent.message[at] ^= 0x55;
            world.end(from.other()).receive(&bent, now);
            bent.message.truncate(at);
            world.end(from.other()).receive(&bent, now);
        }
    }
    for end in [&world.left, &world.right] {
        let proofs = end.received.iter().filter(|received| {
            matches!(
                received,
                Received::FreshRequest { .. } | Received::FreshResponse { .. }
            )
        });
        assert_eq!(proofs.count(), 1, "only the genuine message");
        assert_eq!(end.established.len(), 1);
    }
}

#[test]
fn messages_bent_on_their_way_do_not_spoil_a_handshake() {
    for number in 2..MESSAGES {
        let mut world = bare();
        world.initiate();
        let mut sent = 0;
        while sent < number {
            while world.left.compute(world.now) | world.right.compute(world.now) {}
            let from = if sent % 2 == 0 {
                Side::Left
            } else {
                Side::Right
            };
            assert!(world.deliver(from));
            sent += 1;
        }
        while world.left.compute(world.now) | world.right.compute(world.now) {}
        let from = if number % 2 == 0 {
            Side::Left
        } else {
            Side::Right
        };
        let genuine = world.end(from).outbox[0].clone();
        let now = world.now;
        // Cut short, with other cookies, from another exchange, with another first payload.
        for (at, value) in [
            (3, 9),
            (12, 9),
            (16, 132),
            (16, 11),
            (17, 0x20),
            (18, 5),
            (20, 1),
        ] {
            let mut bent = genuine.clone();
            bent.message[at] = value;
            world.end(from.other()).receive(&bent, now);
        }
        if number >= 4 {
            // An encrypted message whose last block was bent: its hash does not fit.
            let mut bent = genuine.clone();
            let last = bent.message.len() - 1;
            bent.message[last] ^= 1;
            world.end(from.other()).receive(&bent, now);
            let received = world.end(from.other()).received.last().copied();
            assert!(
                matches!(
                    received,
                    Some(Received::Rejected(
                        Rejection::Undecipherable | Rejection::HashMismatch
                    ))
                ),
                "{received:?}"
            );
        }
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn whoever_watches_sees_the_stages() {
    let mut world = bare();
    world.left.tracing = true;
    world.right.tracing = true;
    world.initiate();
    world.settle();
    let stages = |traces: &[Trace]| -> Vec<(Stage, Stage)> {
        let turns = traces.iter().filter_map(|trace| match trace {
            Trace::Turned {
                exchange: None,
                from,
                to,
                ..
            } => Some((*from, *to)),
            _ => None,
        });
        turns.collect()
    };
    let main = Stage::Main;
    assert_eq!(
        stages(&world.left.traces),
        [
            (Stage::Idle, main(1)),
            (main(1), main(2)),
            (main(2), main(2)),
            (main(2), main(3)),
            (main(3), main(4)),
            (main(4), main(4)),
            (main(4), main(5)),
            (main(5), main(6)),
            (main(6), main(6)),
            (main(6), Stage::Established),
        ]
    );
    assert_eq!(
        stages(&world.right.traces),
        [
            (Stage::Idle, main(1)),
            (main(1), main(1)),
            (main(1), main(2)),
            (main(2), main(3)),
            (main(3), main(3)),
            (main(3), main(4)),
            (main(4), main(5)),
            (main(5), main(5)),
            (main(5), Stage::Established),
        ]
    );
    let mut world = bare();
    world.initiate();
    world.settle();
    assert!(world.left.traces.is_empty(), "nothing is built for nobody");
}

/// Without an address of its own in the configuration, an end learns it from the answer, and its
/// identity with it.
#[test]
fn an_initiator_learns_its_address_from_the_answer() {
    let (left, right) = phase_one_each(
        |left| left.local_id = None,
        |right| right.remote_id = "192.0.2.1".parse().expect("an identity"),
    );
    let mut world = World::with(left, right);
    let mut path = World::path();
    path.local = "0.0.0.0:500".parse().expect("an address");
    let spi = world.left.initiate(path, world.now);
    world.settle();
    assert_up(&world);
    assert_eq!(
        world.left.sas[&spi].path().local.ip(),
        World::path().local.ip()
    );
}
