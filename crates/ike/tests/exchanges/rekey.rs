//! CREATE_CHILD_SA without collisions: new Child SAs, rekeys of Child SAs and of the IKE SA, from
//! either end, with every message lost or repeated once.

use std::time::Duration;

use crypto::KeyExchangeMethod::{EcpP256, X25519};
use crypto::{EncryptionAlgorithm, KeyExchangeMethod};
use ike::v2::IkeSa;
use ike::{Action, ChildFailure, CloseReason, Context, Refusal, RemovalReason};
use ipsec::{ConnectionPolicy, EspSpi, RekeyPolicy};

use crate::end::{End, Event};
use crate::policy::{NO_REKEY, left_connection, rekey_after, right_connection, snapshot};
use crate::world::{Side, World};

const SIDES: [Side; 2] = [Side::Left, Side::Right];

/// A world whose connections were changed before it began.
pub(crate) fn world_with(seed: u64, change: impl Fn(Side, &mut ConnectionPolicy)) -> World {
    let (mut left, mut right) = (left_connection(), right_connection());
    change(Side::Left, &mut left);
    change(Side::Right, &mut right);
    World::seeded(seed, snapshot(left), snapshot(right)).establish()
}

/// Perfect forward secrecy with these methods at both ends.
pub(crate) fn with_pfs(
    left: &[KeyExchangeMethod],
    right: &[KeyExchangeMethod],
) -> impl Fn(Side, &mut ConnectionPolicy) {
    let (left, right) = (left.to_vec(), right.to_vec());
    move |side, connection| {
        let methods = match side {
            Side::Left => &left,
            Side::Right => &right,
        };
        for child in &mut connection.children {
            child.proposals[0].key_exchange = methods.clone();
        }
    }
}

impl End {
    /// Calls the IKE SA that has the Child SAs.
    pub(crate) fn command<T>(
        &mut self,
        now: timer::Instant,
        call: impl FnOnce(&mut IkeSa, &mut Context<'_>, &mut Vec<Action>) -> T,
    ) -> T {
        let spi = self.current();
        self.with(spi, now, call)
    }

    /// The IKE SA that has the Child SAs, or the only one.
    pub(crate) fn current(&self) -> u64 {
        let with_children = self.sas.iter().find(|(_, sa)| !sa.children().is_empty());
        with_children.map_or_else(|| self.only(), |(spi, _)| *spi)
    }

    /// The Child SA that traffic of the first policy uses.
    pub(crate) fn first_child(&self) -> EspSpi {
        EspSpi(self.active[&0])
    }
}

pub(crate) fn rekey_child(world: &mut World, side: Side) {
    let now = world.now;
    let end = world.end(side);
    let child = end.first_child();
    let asked = end.command(now, |sa, ctx, actions| sa.rekey_child(child, ctx, actions));
    assert_eq!(asked, Ok(()));
}

pub(crate) fn delete_child(world: &mut World, side: Side) {
    let now = world.now;
    let end = world.end(side);
    let child = end.first_child();
    let asked = end.command(now, |sa, ctx, actions| {
        sa.delete_child(child, RemovalReason::Deleted, ctx, actions)
    });
    assert_eq!(asked, Ok(()));
}

pub(crate) fn create_child(world: &mut World, side: Side, policy: u16) {
    let now = world.now;
    let end = world.end(side);
    let asked = end.command(now, |sa, ctx, actions| {
        sa.create_child(policy, ctx, actions)
    });
    assert_eq!(asked, Ok(()));
}

pub(crate) fn rekey_ike(world: &mut World, side: Side) {
    let now = world.now;
    world.end(side).command(now, IkeSa::rekey_ike);
}

pub(crate) fn delete_ike(world: &mut World, side: Side) {
    let now = world.now;
    world.end(side).command(now, |sa, ctx, actions| {
        sa.delete_ike(CloseReason::Deleted, ctx, actions);
    });
}

/// One IKE SA with one Child SA at both ends, which both use.
pub(crate) fn assert_one_pair(world: &World) {
    world.assert_consistent();
    world.assert_traffic_passes();
    for end in [&world.left, &world.right] {
        assert_eq!(end.sas.len(), 1, "one IKE SA");
        assert_eq!(end.children.len(), 1, "one Child SA");
        let child = end.children.keys().next();
        assert_eq!(end.active.get(&0), child, "and traffic uses it");
    }
}

fn removed(end: &End, child: EspSpi) -> Option<RemovalReason> {
    end.events.iter().find_map(|event| match event {
        Event::Removed(spi, reason) if *spi == child.0 => Some(*reason),
        _ => None,
    })
}

/// Tells the story once, then with each of its messages lost, then with each repeated.
fn with_every_incident(
    make: impl Fn() -> World,
    begin: impl Fn(&mut World),
    check: impl Fn(&mut World),
) {
    let mut calm = make();
    begin(&mut calm);
    calm.settle();
    let messages = calm.sent.len();
    check(&mut calm);
    for number in 0..messages {
        let mut world = make();
        world.lose.insert(number);
        begin(&mut world);
        world.pass(Duration::from_secs(5));
        check(&mut world);
        let mut world = make();
        world.repeat.insert(number);
        begin(&mut world);
        world.pass(Duration::from_secs(5));
        check(&mut world);
    }
}

#[test]
fn a_child_sa_is_rekeyed_from_either_end() {
    for side in SIDES {
        with_every_incident(
            World::established,
            |world| rekey_child(world, side),
            |world| {
                assert_one_pair(world);
                let old = EspSpi(0x1000 + 2);
                for end in [&world.left, &world.right] {
                    assert_eq!(
                        removed(end, old),
                        Some(RemovalReason::Rekeyed),
                        "{:?}",
                        end.events
                    );
                }
            },
        );
    }
}

#[test]
fn a_child_sa_is_rekeyed_with_forward_secrecy() {
    for side in SIDES {
        with_every_incident(
            || world_with(1, with_pfs(&[X25519], &[X25519])),
            |world| rekey_child(world, side),
            |world| assert_one_pair(world),
        );
    }
}

#[test]
fn another_method_is_taken_when_the_responder_wants_it() {
    for side in SIDES {
        with_every_incident(
            || world_with(1, with_pfs(&[X25519, EcpP256], &[EcpP256, X25519])),
            |world| rekey_child(world, side),
            |world| {
                assert_one_pair(world);
                let responder = world.end(side.other());
                assert!(responder.has(&Event::Refused(Refusal::InvalidKe)));
            },
        );
    }
}

#[test]
fn without_a_common_method_the_old_child_sa_stays() {
    let mut world = world_with(1, with_pfs(&[X25519], &[EcpP256]));
    let old = world.left.first_child();
    rekey_child(&mut world, Side::Left);
    world.settle();
    assert_one_pair(&world);
    assert_eq!(world.left.first_child(), old);
    let failure = Event::ChildFailed(ChildFailure::NoProposalChosen);
    assert!(world.left.has(&failure), "{:?}", world.left.events);
}

#[test]
fn the_responder_moves_its_traffic_when_the_initiator_is_ready() {
    // At the deletion of the old one...
    let mut world = World::established();
    let old = world.right.first_child();
    rekey_child(&mut world, Side::Left);
    world.deliver(Side::Left);
    assert_eq!(world.right.children.len(), 2, "ready to receive");
    assert_eq!(world.right.first_child(), old, "but not to send");
    world.deliver(Side::Right);
    assert_ne!(
        world.left.first_child(),
        old,
        "the initiator moves at the answer"
    );
    world.assert_traffic_passes();
    world.deliver(Side::Left);
    assert_eq!(world.right.children.len(), 1);
    world.settle();
    assert_one_pair(&world);

    // ... or at the first packet, whichever comes first.
    let mut world = World::established();
    rekey_child(&mut world, Side::Left);
    world.deliver(Side::Left);
    world.deliver(Side::Right);
    let new = world.left.children[&world.left.first_child().0].outbound;
    let now = world.now;
    world.right.receive_esp(new.0, now);
    assert_eq!(world.right.first_child(), new);
    world.settle();
    assert_one_pair(&world);
    let switches = world.right.events.iter();
    let switches = switches.filter(|event| matches!(event, Event::Switched(_)));
    assert_eq!(switches.count(), 1, "once");
}

#[test]
fn another_child_sa_is_created_from_either_end() {
    for side in SIDES {
        with_every_incident(
            || world_with(1, with_pfs(&[X25519], &[X25519])),
            |world| create_child(world, side, 1),
            |world| {
                world.assert_consistent();
                world.assert_traffic_passes();
                assert_eq!(world.left.children.len(), 2);
                assert_eq!(world.left.active.len(), 2, "both policies have traffic");
                assert_eq!(world.right.active.len(), 2);
            },
        );
    }
}

#[test]
fn too_many_child_sas_are_refused() {
    let mut world = World::established();
    world.right.settings.children_max = 1;
    create_child(&mut world, Side::Left, 1);
    world.settle();
    assert_one_pair(&world);
    assert!(
        world
            .left
            .has(&Event::ChildFailed(ChildFailure::NoAdditionalSas))
    );
    assert!(world.right.has(&Event::Refused(Refusal::NoAdditionalSas)));
    // A rekey replaces and is not held up by the limit.
    rekey_child(&mut world, Side::Left);
    world.settle();
    assert_one_pair(&world);
}

#[test]
fn without_a_free_spi_nothing_changes() {
    let mut world = World::established();
    world.left.owner.spi_limit = Some(1);
    rekey_child(&mut world, Side::Left);
    world.settle();
    assert!(world.left.has(&Event::ChildFailed(ChildFailure::NoSpi)));
    assert_one_pair(&world);

    let mut world = World::established();
    world.right.owner.spi_limit = Some(1);
    rekey_child(&mut world, Side::Left);
    world.settle();
    assert!(
        world
            .left
            .has(&Event::ChildFailed(ChildFailure::NoAdditionalSas))
    );
    assert_one_pair(&world);
}

#[test]
fn what_policy_forbids_is_refused() {
    let narrow = |side: Side, connection: &mut ConnectionPolicy| {
        if side == Side::Right {
            connection.children.truncate(1);
        }
    };
    let mut world = world_with(1, narrow);
    create_child(&mut world, Side::Left, 1);
    world.settle();
    assert!(
        world
            .left
            .has(&Event::ChildFailed(ChildFailure::TsUnacceptable))
    );

    let weak = |side: Side, connection: &mut ConnectionPolicy| {
        if side == Side::Right {
            connection.children[1].proposals[0].encryption = vec![EncryptionAlgorithm::Aes128Gcm16];
        }
    };
    let mut world = world_with(1, weak);
    create_child(&mut world, Side::Left, 1);
    world.settle();
    assert!(
        world
            .left
            .has(&Event::ChildFailed(ChildFailure::NoProposalChosen))
    );
    assert_one_pair(&world);
}

#[test]
fn a_child_sa_that_the_peer_forgot_is_created_anew() {
    let mut world = World::established();
    let old = world.left.first_child();
    // The deletion gets lost on its way and is given up without the left end having seen it.
    let now = world.now;
    world
        .right
        .command(now, |sa, ctx, actions| {
            let child = sa.children()[0].inbound;
            sa.delete_child(child, RemovalReason::Deleted, ctx, actions)
        })
        .unwrap();
    world.right.outbox.clear();
    let forged = world.right.children.len();
    assert_eq!(forged, 1);
    rekey_child(&mut world, Side::Left);
    world.deliver(Side::Left);
    assert!(world.right.has(&Event::Refused(Refusal::TemporaryFailure)));
    world.pass(Duration::from_secs(30));
    // The deletion came through in the end, so there is nothing left to be rekeyed.
    assert_eq!(removed(&world.left, old), Some(RemovalReason::PeerDeleted));
    world.assert_consistent();
    assert!(world.left.children.is_empty());
}

#[test]
fn the_ike_sa_is_rekeyed_from_either_end() {
    for side in SIDES {
        with_every_incident(
            World::established,
            |world| rekey_ike(world, side),
            |world| {
                // A deletion that was answered by one who is gone is given up in the end.
                world.pass(Duration::from_secs(130));
                assert_one_pair(world);
                for end in [&world.left, &world.right] {
                    assert!(end.has(&Event::Rekeyed));
                    assert!(end.has(&Event::Closed(CloseReason::Rekeyed)));
                    assert!(!end.events.iter().any(|e| matches!(e, Event::Removed(..))));
                }
            },
        );
    }
}

#[test]
fn the_successor_works_like_any_ike_sa() {
    for (first, second) in [
        (Side::Left, Side::Left),
        (Side::Left, Side::Right),
        (Side::Right, Side::Left),
    ] {
        let mut world = world_with(1, with_pfs(&[X25519], &[X25519]));
        rekey_ike(&mut world, first);
        world.settle();
        rekey_child(&mut world, second);
        world.settle();
        assert_one_pair(&world);
        rekey_ike(&mut world, second);
        world.settle();
        assert_one_pair(&world);
        create_child(&mut world, second.other(), 1);
        world.settle();
        assert_eq!(world.left.children.len(), 2);
        world.assert_consistent();
        delete_ike(&mut world, second);
        world.settle();
        assert!(world.left.sas.is_empty() && world.right.sas.is_empty());
        world.assert_consistent();
    }
}

#[test]
fn what_waits_moves_to_the_successor() {
    for side in SIDES {
        let mut world = World::established();
        rekey_ike(&mut world, side);
        create_child(&mut world, side, 1);
        rekey_child(&mut world, side);
        world.pass(Duration::from_secs(5));
        assert_eq!(world.left.children.len(), 2, "{:?}", world.left.events);
        assert_eq!(world.left.sas.len(), 1);
        assert!(
            world
                .left
                .events
                .iter()
                .any(|e| matches!(e, Event::Removed(..)))
        );
        world.assert_consistent();
        world.assert_traffic_passes();
    }
}

fn lifetimes(child: RekeyPolicy, ike: RekeyPolicy) -> impl Fn(Side, &mut ConnectionPolicy) {
    move |_, connection| {
        connection.rekey = ike;
        connection.children.truncate(1);
        connection.children[0].rekey = child;
    }
}

#[test]
fn rekeys_come_by_themselves_and_for_ever() {
    for seed in 1..5 {
        let jittered = RekeyPolicy {
            jitter_percent: 10,
            ..rekey_after(60)
        };
        let ike = RekeyPolicy {
            jitter_percent: 10,
            ..rekey_after(300)
        };
        let mut world = world_with(seed, lifetimes(jittered, ike));
        for _ in 0..60 {
            world.pass(Duration::from_secs(60));
            world.assert_traffic_passes();
            assert!(!world.left.active.is_empty() && !world.right.active.is_empty());
        }
        for end in [&world.left, &world.right] {
            let installed = end.events.iter();
            let installed = installed
                .filter(|e| matches!(e, Event::Installed { .. }))
                .count();
            assert!(
                (55..=140).contains(&installed),
                "{installed} rekeys in an hour"
            );
            let rekeyed = end.events.iter().filter(|e| **e == Event::Rekeyed).count();
            assert!((10..=24).contains(&rekeyed), "{rekeyed} rekeys in an hour");
            let gone = |event: &Event| {
                matches!(
                    event,
                    Event::Closed(reason)
                        if !matches!(reason, CloseReason::Rekeyed | CloseReason::RedundantRekey)
                )
            };
            assert!(!end.events.iter().any(gone), "never down");
        }
    }
}

#[test]
fn the_same_moment_at_both_ends_is_no_problem() {
    for seed in 1..9 {
        let mut world = world_with(seed, lifetimes(rekey_after(60), rekey_after(300)));
        for _ in 0..20 {
            world.pass(Duration::from_secs(61));
            world.assert_traffic_passes();
            assert!(!world.left.active.is_empty() && !world.right.active.is_empty());
        }
        let gone = |event: &Event| {
            matches!(
                event,
                Event::Closed(CloseReason::HardLifetime | CloseReason::Unresponsive)
            )
        };
        assert!(
            !world.left.events.iter().any(gone),
            "{:?}",
            world.left.events
        );
    }
}

#[test]
fn a_child_sa_ends_hard_when_its_rekey_is_refused() {
    let policy = |side: Side, connection: &mut ConnectionPolicy| {
        with_pfs(&[X25519], &[EcpP256])(side, connection);
        connection.children[0].rekey = match side {
            Side::Left => rekey_after(60),
            Side::Right => NO_REKEY,
        };
    };
    let mut world = world_with(1, policy);
    let old = world.left.first_child();
    world.pass(Duration::from_secs(119));
    let failures = world.left.events.iter();
    let failures = failures
        .filter(|e| matches!(e, Event::ChildFailed(_)))
        .count();
    assert!(
        (5..60).contains(&failures),
        "tried again with pauses: {failures}"
    );
    assert_eq!(world.left.children.len(), 1);
    world.pass(Duration::from_secs(3));
    assert_eq!(removed(&world.left, old), Some(RemovalReason::HardLifetime));
    assert!(world.right.children.is_empty());
    world.assert_consistent();
}

#[test]
fn a_child_sa_that_the_peer_lost_is_made_anew() {
    let forgets = |side: Side, connection: &mut ConnectionPolicy| {
        if side == Side::Right {
            connection.children[0].rekey = RekeyPolicy {
                hard_time: Some(Duration::from_secs(10)),
                ..NO_REKEY
            };
        }
    };
    let mut world = world_with(1, forgets);
    // With no room in its queue the right end drops it without a word.
    world.right.settings.queue_max = 0;
    let old = world.left.first_child();
    world.pass(Duration::from_secs(11));
    assert!(world.right.children.is_empty());
    assert_eq!(world.left.children.len(), 1);
    rekey_child(&mut world, Side::Left);
    world.settle();
    assert!(world.right.has(&Event::Refused(Refusal::ChildSaNotFound)));
    assert_eq!(removed(&world.left, old), Some(RemovalReason::Rejected));
    assert_one_pair(&world);
}

#[test]
fn a_peer_that_refuses_for_minutes_is_given_up() {
    let mut world = world_with(1, with_pfs(&[X25519], &[X25519]));
    // The right end begins to rekey the IKE SA and never gets on with it.
    world.right.hold_jobs = true;
    rekey_ike(&mut world, Side::Right);
    let mut asked = 0;
    while !world.left.sas.is_empty() {
        create_child(&mut world, Side::Left, 1);
        world.pass(Duration::from_secs(10));
        asked += 1;
        assert!(asked < 30, "{:?}", world.left.events);
    }
    assert!((18..=20).contains(&asked), "{asked} times in three minutes");
    assert!(world.left.has(&Event::Closed(CloseReason::OutOfSync)));
    assert!(world.right.has(&Event::Closed(CloseReason::PeerDeleted)));
    world.assert_consistent();
}

#[test]
fn a_granted_request_ends_the_count_of_refusals() {
    let mut world = World::established();
    world.right.hold_jobs = true;
    world.right.settings.retry_after_refusal = Duration::from_secs(3_600);
    for _ in 0..25 {
        // The right end begins to rekey the IKE SA, refuses meanwhile, and gives up.
        rekey_ike(&mut world, Side::Right);
        create_child(&mut world, Side::Left, 1);
        world.settle();
        assert!(world.right.has(&Event::Refused(Refusal::TemporaryFailure)));
        world.right.events.clear();
        let given_up = world.right.settings.computation_timeout;
        world.pass(given_up + Duration::from_millis(1));
        rekey_child(&mut world, Side::Left);
        world.settle();
        world.right.jobs.clear();
    }
    assert!(world.now > timer::Instant::ZERO + world.left.settings.refusals_end);
    assert_one_pair(&world);
}
