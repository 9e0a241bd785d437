//! What somebody can do who recorded the wire: nothing that looks like life.

use dpd::{Mode, NotProof, Proof};
use shard::EventKind;

use super::{SECOND, with_mode};
use crate::world::{Datagram, End, World};

fn dead(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Dead { .. })
}

/// A connected world, and every message that each end sent while it was asked for a minute: by the
/// client, by the headend.
fn recorded() -> (World, Vec<Datagram>, Vec<Datagram>) {
    let mut world = World::connected(&with_mode(Mode::Periodic));
    world.tape = Some(vec![]);
    world.pass(SECOND * 65);
    let tape = world.tape.take().unwrap();
    let by = |end: End| {
        let mine = tape.iter().filter(|(from, _)| *from == end);
        mine.map(|(_, datagram)| datagram.clone()).collect()
    };
    let (client, headend) = (by(End::Client), by(End::Headend));
    (world, client, headend)
}

fn proofs(world: &World) -> u64 {
    let counters = world.headend.counters().dpd;
    Proof::ALL
        .iter()
        .map(|proof| counters.proofs[proof.index()])
        .sum()
}

#[test]
fn recorded_acknowledgements_do_not_keep_a_dead_peer_alive() {
    let (mut world, acknowledgements, _) = recorded();
    assert!(acknowledgements.len() >= 6);
    world.dead = Some(End::Client);
    let before = proofs(&world);
    let died = world.now;
    while !world.headend.has(dead) {
        assert!(world.now - died < SECOND * 30, "the replay kept it alive");
        world.pass(SECOND);
        world.deliver(End::Headend, &acknowledgements);
    }
    assert!(world.now - died <= SECOND * 22);
    assert_eq!(proofs(&world), before, "not one of them proved anything");
    let counters = world.headend.counters();
    assert_eq!((counters.ike_sas, counters.children), (0, 0));
}

#[test]
fn recorded_questions_prove_nothing_and_are_answered_rarely() {
    let (mut world, _, questions) = recorded();
    assert!(questions.len() >= 6);
    let before = world.client.counters().dpd.proofs[Proof::Hello.index()];
    let sent = world.ike_sent[End::Client as usize];
    for _ in 0..200 {
        world.deliver(End::Client, &questions);
    }
    let counters = world.client.counters();
    assert_eq!(counters.dpd.proofs[Proof::Hello.index()], before);
    let answers = world.ike_sent[End::Client as usize] - sent;
    assert!(answers <= 2 * questions.len() as u64, "{answers} answers");
    let unanswered = [NotProof::Retransmitted, NotProof::DuplicateSequence];
    let refused: u64 = unanswered
        .iter()
        .map(|reason| counters.dpd.not_proofs[reason.index()])
        .sum();
    let rejected: u64 = counters.ike_rejected.iter().sum();
    assert!(refused + rejected >= 1_000, "{refused} {rejected}");
}

#[test]
fn a_recorded_set_up_replayed_whole_changes_nothing() {
    let mut world = World::new(&with_mode(Mode::Periodic));
    world.tape = Some(vec![]);
    let order = shard::Command::Initiate {
        connection: 0,
        child: 0,
    };
    world.command(End::Client, order);
    let tape = world.tape.take().unwrap();
    let client: Vec<Datagram> = tape
        .into_iter()
        .filter(|(from, _)| *from == End::Client)
        .map(|(_, datagram)| datagram)
        .collect();
    world.pass(SECOND * 3);
    for _ in 0..50 {
        world.deliver(End::Headend, &client);
        world.pass(SECOND);
    }
    world.pass(SECOND * 60);
    let counters = world.headend.counters();
    assert_eq!((counters.ike_sas, counters.children), (1, 1));
    assert_eq!(counters.half_open, 0);
    assert!(world.ping(End::Client, "10.2.0.1", "10.1.0.1"));
}

#[test]
fn forged_messages_are_told_apart_from_signs_of_life() {
    let (mut world, _, questions) = recorded();
    let forged: Vec<Datagram> = (0..20_u8)
        .map(|number| {
            let mut forged = questions[0].clone();
            // Another message ID, so that nobody has seen it before.
            forged.octets[20] ^= number + 1;
            forged
        })
        .collect();
    let count = |world: &World| {
        let counters = world.client.counters().dpd;
        counters.not_proofs[NotProof::Unauthenticated.index()]
    };
    let before = count(&world);
    world.deliver(End::Client, &forged);
    assert_eq!(count(&world) - before, 20);
}
