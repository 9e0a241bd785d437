//! IKE_SA_INIT and IKE_AUTH.

use std::time::Duration;

use ike::CloseReason;

use crate::end::Event;
use crate::world::World;

/// Datagrams of a handshake without incident.
const HANDSHAKE: usize = 4;

fn assert_up(world: &World) {
    world.assert_consistent();
    assert_eq!(world.left.children.len(), 1, "{:?}", world.left.events);
    assert_eq!(world.right.established.len(), 1);
    assert_eq!(world.left.established.len(), 1);
    assert_eq!(world.right.door.half_open(), 0, "no longer half-open");
}

#[test]
fn two_round_trips_make_an_ike_sa_and_a_child_sa() {
    let mut world = World::new();
    world.initiate();
    world.settle();
    assert_eq!(world.sent.len(), HANDSHAKE);
    assert_up(&world);
}

#[test]
fn every_message_may_get_lost() {
    for lost in 0..HANDSHAKE {
        let mut world = World::new();
        world.lose.insert(lost);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn every_message_may_come_twice() {
    for repeated in 0..HANDSHAKE {
        let mut world = World::new();
        world.repeat.insert(repeated);
        world.initiate();
        world.pass(Duration::from_secs(3));
        assert_up(&world);
    }
}

#[test]
fn a_silent_responder_is_given_up() {
    let mut world = World::new();
    world.deaf = Some(crate::world::Side::Right);
    world.initiate();
    world.pass(Duration::from_secs(120));
    assert!(world.left.has(&Event::Closed(CloseReason::Unresponsive)));
    let gaps = world.left.settings.retransmits_max;
    assert_eq!(world.sent.len(), 1 + usize::from(gaps));
    let first = &world.sent[0].1;
    assert!(
        world.sent.iter().all(|(_, again)| again == first),
        "bit-identical"
    );
    world.assert_consistent();
}
