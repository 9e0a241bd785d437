//! Dead peer detection (RFC 3706) and the older keepalives of IOS, as messages.

use ike::v1::IkeSa;
use ike::{Probe, Received, Rejection, Trace};

use crate::incidents::SIDES;
use crate::quick_mode::world_with;
use crate::world::{Side, World};

fn probe(world: &mut World, side: Side, sequence: u32) -> Probe {
    let now = world.now;
    world
        .end(side)
        .command(now, |sa, ctx, actions| sa.probe(sequence, ctx, actions))
}

fn acknowledge(world: &mut World, side: Side, sequence: u32) {
    let now = world.now;
    let call = |sa: &mut IkeSa, ctx: &mut ike::Context<'_>, actions: &mut Vec<ike::Action>| {
        sa.acknowledge(sequence, ctx, actions);
    };
    world.end(side).command(now, call);
}

#[test]
fn questions_and_answers_carry_their_numbers() {
    for side in SIDES {
        let mut world = World::established();
        for end in [Side::Left, Side::Right] {
            world.end(end).received.clear();
        }
        assert_eq!(probe(&mut world, side, 0x1234_5678), Probe::Sent);
        world.settle();
        let sequence = 0x1234_5678;
        assert_eq!(
            world.end(side.other()).received,
            [Received::RUThere { sequence }]
        );
        acknowledge(&mut world, side.other(), sequence);
        world.settle();
        assert_eq!(
            world.end(side).received,
            [Received::RUThereAck { sequence }]
        );
    }
}

#[test]
fn every_try_is_a_message_of_its_own() {
    let mut world = World::established();
    for sequence in 7..10 {
        probe(&mut world, Side::Left, sequence);
    }
    let ids: Vec<_> = world
        .left
        .outbox
        .iter()
        .map(|datagram| datagram.message[20..24].to_vec())
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert!(ids.iter().all(|id| *id != [0; 4]));
}

#[test]
fn a_recorded_question_or_answer_comes_with_its_old_number() {
    let mut world = World::established();
    probe(&mut world, Side::Left, 5);
    world.settle();
    acknowledge(&mut world, Side::Right, 5);
    world.settle();
    let recorded = world.sent.clone();
    world.left.received.clear();
    world.right.received.clear();
    for (from, datagram) in &recorded {
        world.replay(*from, datagram);
    }
    // Whoever counts the numbers sees that they are old.
    assert_eq!(world.right.received, [Received::RUThere { sequence: 5 }]);
    assert_eq!(world.left.received, [Received::RUThereAck { sequence: 5 }]);
}

#[test]
fn nothing_unprotected_or_forged_is_a_question() {
    let mut world = World::established();
    probe(&mut world, Side::Left, 5);
    let genuine = std::mem::take(&mut world.left.outbox);
    world.right.received.clear();
    for octet in 28..genuine[0].message.len() {
        let mut forged = genuine[0].clone();
        forged.message[octet] ^= 1;
        world.replay(Side::Left, &forged);
    }
    let mut clear = genuine[0].clone();
    clear.message[19] = 0;
    world.replay(Side::Left, &clear);
    let rejected = |received: &Received| matches!(received, Received::Rejected(_));
    assert!(
        world.right.received.iter().all(rejected),
        "{:?}",
        world.right.received
    );
    assert!(!world.right.received.is_empty());
}

#[test]
fn ios_keepalives_are_answered_and_prove_life_once() {
    let mut world = world_with(|_, connection| connection.v1.ios_keepalive = true);
    world.meddle = Some(hide_dead_peer_detection);
    let mut world = world.establish();
    assert_eq!(probe(&mut world, Side::Left, 1), Probe::Sent);
    world.left.received.clear();
    world.right.received.clear();
    world.settle();
    assert_eq!(world.right.received, [Received::Keepalive]);
    assert_eq!(world.left.received, [Received::KeepaliveAck]);
    for (from, datagram) in world.sent.clone() {
        world.replay(from, &datagram);
    }
    let reused = Received::Rejected(Rejection::MessageIdReused);
    assert_eq!(world.right.received, [Received::Keepalive, reused]);
    assert_eq!(world.left.received, [Received::KeepaliveAck, reused]);
}

/// As if neither end had the vendor ID of RFC 3706.
fn hide_dead_peer_detection(message: &mut [u8]) {
    let vendor = [0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9];
    let place = message.windows(8).position(|octets| octets == vendor);
    if let Some(place) = place {
        message[place] = 0;
    }
}

#[test]
fn a_peer_that_knows_no_question_is_not_asked() {
    let mut world = World::new();
    world.meddle = Some(hide_dead_peer_detection);
    let mut world = world.establish();
    assert_eq!(probe(&mut world, Side::Left, 1), Probe::Unsupported);
    assert!(world.left.outbox.is_empty());
}

/// What a watcher is told, message IDs aside.
fn told(end: &mut crate::end::End) -> Vec<String> {
    let name = |trace: ike::Trace| match trace {
        Trace::ExchangeBegun { stage, .. } => format!("begun at {stage:?}"),
        Trace::ExchangeEnded { end, .. } => format!("ended: {end:?}"),
        Trace::ExchangeForgotten { .. } => "forgotten".to_owned(),
        Trace::Payload { payload, .. } => format!("payload {payload}"),
        Trace::Notify {
            protocol,
            spi,
            kind,
            ..
        } => format!("notify {kind} protocol {protocol} spi {spi}"),
        Trace::Liveness { way, what } => format!("{way:?} {what:?}"),
        Trace::Turned {
            exchange,
            input,
            from,
            to,
        } => format!("{exchange:?} {input:?}: {from:?} to {to:?}"),
        other => format!("{other:?}"),
    };
    std::mem::take(&mut end.traces)
        .into_iter()
        .map(name)
        .collect()
}

#[test]
fn a_watcher_sees_question_and_answer() {
    let mut world = World::established();
    world.left.tracing = true;
    probe(&mut world, Side::Left, 9);
    assert_eq!(
        told(&mut world.left),
        [
            "begun at Established",
            "Sent RUThere { sequence: 9 }",
            "forgotten",
            "None PeersAlive: Established to Established",
        ]
    );
    world.settle();
    acknowledge(&mut world, Side::Right, 9);
    world.settle();
    assert_eq!(
        told(&mut world.left),
        [
            "begun at Established",
            "payload 8",
            "notify 36137 protocol 1 spi 0",
            "Received RUThereAck { sequence: 9 }",
            "ended: Informational",
            "None PeerNotify: Established to Established",
        ]
    );
    assert!(world.right.traces.is_empty(), "nobody watches there");
}
