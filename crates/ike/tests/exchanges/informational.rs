//! Liveness checks and deletion.

use std::time::Duration;

use ike::v2::{Probe, Received};
use ike::{Action, CloseReason, Rejection, RemovalReason, Trace};
use ipsec::EspSpi;

use crate::end::Event;
use crate::policy::{left_connection, rekey_after, right_connection, snapshot};
use crate::world::{Side, World};

const SIDES: [Side; 2] = [Side::Left, Side::Right];

fn probe(world: &mut World, side: Side) -> Probe {
    let now = world.now;
    let end = world.end(side);
    let spi = end.only();
    end.with(spi, now, |sa, ctx, actions| sa.probe(ctx, actions))
}

fn delete_child(world: &mut World, side: Side) -> u32 {
    let now = world.now;
    let end = world.end(side);
    let (spi, child) = (end.only(), *end.children.keys().next().expect("a child"));
    end.with(spi, now, |sa, ctx, actions| {
        sa.delete_child(EspSpi(child), RemovalReason::Deleted, ctx, actions)
    })
    .expect("it is known");
    child
}

fn delete_ike(world: &mut World, side: Side) {
    let now = world.now;
    let end = world.end(side);
    let spi = end.only();
    end.with(spi, now, |sa, ctx, actions| {
        sa.delete_ike(CloseReason::Deleted, ctx, actions);
    });
}

#[test]
fn what_nobody_watches_is_not_even_put_together() {
    let mut world = World::established();
    let now = world.now;
    let end = world.end(Side::Left);
    let spi = end.only();
    end.with(spi, now, |_, ctx, _| {
        assert!(!ctx.tracing);
        let mut actions = Vec::new();
        ctx.trace(&mut actions, || panic!("nobody wants to know"));
        assert_eq!(actions.capacity(), 0, "nothing was allocated");
        ctx.tracing = true;
        ctx.trace(&mut actions, || Trace::Remark("somebody wants to know"));
        assert!(matches!(actions[..], [Action::Trace(_)]));
        ctx.tracing = false;
    });
}

#[test]
fn a_check_is_answered_and_proves_life_at_both_ends() {
    for side in SIDES {
        let mut world = World::established();
        world.left.received.clear();
        world.right.received.clear();
        assert_eq!(probe(&mut world, side), Probe::Sent);
        assert_eq!(probe(&mut world, side), Probe::RequestOutstanding);
        world.settle();
        assert_eq!(world.sent.len(), 2);
        assert_eq!(
            world.end(side).received,
            [Received::FreshResponse { liveness: true }]
        );
        assert_eq!(
            world.end(side.other()).received,
            [Received::FreshRequest { liveness: true }]
        );
        assert_eq!(
            probe(&mut world, side),
            Probe::Sent,
            "the window is free again"
        );
    }
}

#[test]
fn checks_are_repeated_by_their_owner_only_and_bit_identically() {
    let mut world = World::established();
    world.lose.extend(0..3);
    probe(&mut world, Side::Left);
    world.pass(Duration::from_secs(600));
    assert_eq!(world.sent.len(), 1, "no repetition of its own");
    let (spi, now) = (world.left.only(), world.now);
    for _ in 0..3 {
        let sent = world.left.with(spi, now, |sa, _, actions| {
            sa.retransmit_outstanding(actions)
        });
        assert!(sent);
        world.settle();
    }
    let request = &world.sent[0].1;
    assert!(world.sent[..4].iter().all(|(_, again)| again == request));
    assert!(!world.left.sas[&spi].request_outstanding());
    let idle = world.left.with(spi, now, |sa, _, actions| {
        sa.retransmit_outstanding(actions)
    });
    assert!(!idle, "nothing is outstanding");
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_proves_nothing() {
    let mut world = World::established();
    world.repeat.insert(0);
    world.right.received.clear();
    probe(&mut world, Side::Left);
    world.settle();
    assert_eq!(
        world.right.received,
        [
            Received::FreshRequest { liveness: true },
            Received::Retransmission
        ]
    );
    assert_eq!(world.sent[1].1, world.sent[2].1, "bit-identical");
    assert_eq!(
        world.left.received.last(),
        Some(&Received::Rejected(Rejection::UnexpectedResponse)),
        "the second answer answers nothing"
    );
}

#[test]
fn both_ends_may_check_at_once() {
    let mut world = World::established();
    assert_eq!(probe(&mut world, Side::Left), Probe::Sent);
    assert_eq!(probe(&mut world, Side::Right), Probe::Sent);
    world.settle();
    for side in SIDES {
        let end = world.end(side);
        let spi = end.only();
        assert!(!end.sas[&spi].request_outstanding());
    }
}

#[test]
fn a_child_is_deleted_from_either_side_whatever_gets_lost() {
    for side in SIDES {
        for lost in [None, Some(0), Some(1), Some(2)] {
            let mut world = World::established();
            world.lose.extend(lost);
            let child = delete_child(&mut world, side);
            world.pass(Duration::from_secs(3));
            assert!(
                world
                    .end(side)
                    .has(&Event::Removed(child, RemovalReason::Deleted))
            );
            assert_eq!(world.end(side.other()).events.len(), 1);
            assert!(world.left.children.is_empty() && world.right.children.is_empty());
            assert_eq!(world.left.sas.len(), 1, "the IKE SA stands");
            world.assert_consistent();
        }
    }
}

#[test]
fn both_ends_may_delete_the_same_child_at_once() {
    for lost in [None, Some(0), Some(1), Some(2), Some(3)] {
        let mut world = World::established();
        world.lose.extend(lost);
        delete_child(&mut world, Side::Left);
        delete_child(&mut world, Side::Right);
        world.pass(Duration::from_secs(5));
        assert!(world.left.children.is_empty() && world.right.children.is_empty());
        assert_eq!((world.left.sas.len(), world.right.sas.len()), (1, 1));
        world.assert_consistent();
    }
}

#[test]
fn the_ike_sa_is_deleted_from_either_side_whatever_gets_lost() {
    for side in SIDES {
        for lost in [None, Some(0), Some(1)] {
            let mut world = World::established();
            world.lose.extend(lost);
            delete_ike(&mut world, side);
            world.pass(Duration::from_secs(120));
            assert!(world.end(side).has(&Event::Closed(CloseReason::Deleted)));
            assert!(
                world
                    .end(side.other())
                    .has(&Event::Closed(CloseReason::PeerDeleted))
            );
            assert!(world.left.children.is_empty() && world.right.children.is_empty());
            world.assert_consistent();
        }
    }
}

#[test]
fn both_ends_may_delete_the_ike_sa_at_once() {
    for lost in [None, Some(0), Some(1)] {
        let mut world = World::established();
        world.lose.extend(lost);
        delete_ike(&mut world, Side::Left);
        delete_ike(&mut world, Side::Right);
        world.pass(Duration::from_secs(120));
        assert!(world.left.sas.is_empty() && world.right.sas.is_empty());
        world.assert_consistent();
    }
}

#[test]
fn a_dead_peer_is_closed_with_one_last_word() {
    let mut world = World::established();
    world.deaf = Some(Side::Right);
    probe(&mut world, Side::Left);
    world.settle();
    let (spi, now) = (world.left.only(), world.now);
    world.left.with(spi, now, |sa, ctx, actions| {
        sa.close(CloseReason::Unresponsive, false, ctx, actions);
    });
    world.settle();
    assert_eq!(world.sent.len(), 2, "the check and one DELETE");
    assert!(world.left.sas.is_empty() && world.left.children.is_empty());
    world.left.assert_accounts_balance();
}

#[test]
fn a_farewell_at_shutdown_reaches_a_living_peer() {
    let mut world = World::established();
    let (spi, now) = (world.left.only(), world.now);
    world.left.with(spi, now, |sa, ctx, actions| {
        sa.close(CloseReason::Deleted, false, ctx, actions);
    });
    world.settle();
    assert!(world.right.has(&Event::Closed(CloseReason::PeerDeleted)));
    world.assert_consistent();
}

#[test]
fn a_silent_close_says_nothing() {
    let mut world = World::established();
    let (spi, now) = (world.left.only(), world.now);
    world.left.with(spi, now, |sa, ctx, actions| {
        sa.close(CloseReason::Dropped, true, ctx, actions);
    });
    world.settle();
    assert!(world.sent.is_empty());
    assert!(world.left.sas.is_empty());
}

#[test]
fn deletion_waits_for_the_window_and_then_takes_precedence() {
    let mut world = World::established();
    probe(&mut world, Side::Left);
    delete_child(&mut world, Side::Left);
    delete_ike(&mut world, Side::Left);
    assert_eq!(world.left.outbox.len(), 1, "one request at a time");
    world.settle();
    assert_eq!(
        world.sent.len(),
        4,
        "the check, then the IKE SA: its child goes along"
    );
    world.assert_consistent();
    assert!(world.left.sas.is_empty());
}

#[test]
fn an_unresponsive_peer_loses_everything() {
    let mut world = World::established();
    delete_child(&mut world, Side::Left);
    world.deaf = Some(Side::Right);
    world.pass(Duration::from_secs(120));
    assert!(world.left.has(&Event::Closed(CloseReason::Unresponsive)));
    world.left.assert_accounts_balance();
    assert!(world.left.children.is_empty());
}

#[test]
fn hard_lifetimes_end_what_nobody_renews() {
    let mut left = left_connection();
    left.rekey = ipsec::RekeyPolicy {
        time: None,
        ..rekey_after(50)
    };
    left.children[0].rekey = ipsec::RekeyPolicy {
        time: None,
        ..rekey_after(10)
    };
    let mut world = World::with(snapshot(left), snapshot(right_connection())).establish();
    world.pass(Duration::from_secs(21));
    assert!(world.left.children.is_empty() && world.right.children.is_empty());
    assert_eq!(world.left.sas.len(), 1);
    world.pass(Duration::from_secs(80));
    assert!(world.left.has(&Event::Closed(CloseReason::HardLifetime)));
    assert!(world.right.has(&Event::Closed(CloseReason::PeerDeleted)));
    world.assert_consistent();
}

#[test]
fn a_responder_says_how_long_it_trusts_and_means_it() {
    let mut right = right_connection();
    right.reauth_time = Some(Duration::from_secs(100));
    for rekey in [false, true] {
        let (left, right) = (snapshot(left_connection()), snapshot(right.clone()));
        let mut world = World::with(left, right).establish();
        if rekey {
            let (spi, now) = (world.left.only(), world.now);
            world
                .left
                .with(spi, now, |sa, ctx, actions| sa.rekey_ike(ctx, actions));
            world.settle();
            world.left.events.clear();
            world.right.events.clear();
        }
        world.pass(Duration::from_secs(79));
        assert!(world.left.events.is_empty(), "{:?}", world.left.events);
        world.pass(Duration::from_secs(12));
        assert_eq!(world.left.events, [Event::ReauthenticationDue]);
        world.pass(Duration::from_secs(10));
        assert!(
            world
                .right
                .has(&Event::Closed(CloseReason::AuthenticationExpired))
        );
        assert!(world.left.has(&Event::Closed(CloseReason::PeerDeleted)));
        world.assert_consistent();
    }
}

#[test]
fn reauthentication_is_asked_for_once() {
    let mut left = left_connection();
    left.reauth_time = Some(Duration::from_secs(30));
    let mut world = World::with(snapshot(left), snapshot(right_connection())).establish();
    world.pass(Duration::from_secs(200));
    assert_eq!(world.left.events, [Event::ReauthenticationDue]);
}
