//! Quick mode without collisions: both roles, with and without perfect forward secrecy, refusals,
//! selectors, lifetimes.

use std::time::Duration;

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod};
use ike::v1::IkeSa;
use ike::{Action, ChildFailure, Context, Received, Refusal, Rejection, RemovalReason};
use ipsec::{ConnectionPolicy, EspSpi, RekeyPolicy, TrafficSelector};

use crate::end::{Datagram, End, Event};
use crate::incidents::{SIDES, with_every_incident};
use crate::policy::{left_connection, rekey_after, right_connection, snapshot};
use crate::world::{Side, World};

/// A world whose connections were changed before it began.
pub(crate) fn world_with(change: impl Fn(Side, &mut ConnectionPolicy)) -> World {
    let (mut left, mut right) = (left_connection(), right_connection());
    change(Side::Left, &mut left);
    change(Side::Right, &mut right);
    World::with(snapshot(left), snapshot(right))
}

impl End {
    /// Calls the IKE SA that has the Child SAs.
    pub(crate) fn command<T>(
        &mut self,
        now: timer::Instant,
        call: impl FnOnce(&mut IkeSa, &mut Context<'_>, &mut Vec<Action>) -> T,
    ) -> T {
        let with_children = self.sas.iter().find(|(_, sa)| !sa.children().is_empty());
        let spi = with_children.map_or_else(|| self.only(), |(spi, _)| *spi);
        self.with(spi, now, call)
    }

    /// The Child SA that traffic of the first policy uses.
    pub(crate) fn first_child(&self) -> EspSpi {
        EspSpi(self.active[&0])
    }
}

pub(crate) fn create_child(world: &mut World, side: Side, policy: u16) {
    let now = world.now;
    let asked = world.end(side).command(now, |sa, ctx, actions| {
        sa.create_child(policy, ctx, actions)
    });
    assert_eq!(asked, Ok(()));
}

pub(crate) fn rekey_child(world: &mut World, side: Side) {
    let now = world.now;
    let end = world.end(side);
    let child = end.first_child();
    let asked = end.command(now, |sa, ctx, actions| sa.rekey_child(child, ctx, actions));
    assert_eq!(asked, Ok(()));
}

/// One IKE SA with one Child SA at both ends, which both use.
pub(crate) fn assert_one_pair(world: &World) {
    world.assert_consistent();
    world.assert_traffic_passes();
    for end in [&world.left, &world.right] {
        assert_eq!(end.sas.len(), 1, "one IKE SA");
        assert_eq!(end.children.len(), 1, "one Child SA: {:?}", end.events);
        let child = end.children.keys().next();
        assert_eq!(end.active.get(&0), child, "and traffic uses it");
    }
}

fn pfs(methods: &[KeyExchangeMethod]) -> impl Fn(Side, &mut ConnectionPolicy) {
    let methods = methods.to_vec();
    move |_, connection| {
        for child in &mut connection.children {
            child.proposals[0].key_exchange = methods.clone();
        }
    }
}

#[test]
fn a_first_child_sa_comes_whatever_happens_to_a_message() {
    with_every_incident(World::new, World::begin, |world, incident| {
        assert_one_pair(world);
        let child = world.left.children.values().next().expect("one");
        assert_eq!(child.suite.encryption, EncryptionAlgorithm::Aes128Cbc);
        assert!(!child.encapsulated, "{incident:?}");
    });
}

#[test]
fn forward_secrecy_makes_keys_of_its_own() {
    let groups = [KeyExchangeMethod::EcpP256];
    with_every_incident(
        || world_with(pfs(&groups)),
        World::begin,
        |world, _| assert_one_pair(world),
    );
}

#[test]
fn further_children_come_from_either_end_and_several_at_once() {
    for side in SIDES {
        with_every_incident(
            World::established,
            |world| {
                create_child(world, side, 1);
                create_child(world, side.other(), 0);
            },
            |world, incident| {
                world.assert_traffic_of(0);
                world.assert_traffic_of(1);
                world.pass(Duration::from_secs(60));
                world.assert_consistent();
                assert_eq!(world.left.children.len(), 2, "{incident:?}");
            },
        );
    }
}

#[test]
fn every_cipher_of_the_first_phase_two_proposals_works() {
    use EncryptionAlgorithm as E;
    use IntegrityAlgorithm as I;
    for (encryption, integrity) in [
        (E::Aes128Cbc, Some(I::HmacSha1_96)),
        (E::Aes192Cbc, Some(I::HmacSha256_128)),
        (E::Aes256Cbc, Some(I::HmacSha512_256)),
        (E::TripleDesCbc, Some(I::HmacSha384_192)),
        (E::Aes128Gcm16, None),
        (E::Aes256Gcm16, None),
    ] {
        let world = world_with(|_, connection| {
            let proposal = &mut connection.children[0].proposals[0];
            proposal.encryption = vec![encryption];
            proposal.integrity = integrity.into_iter().collect();
        })
        .establish();
        assert_one_pair(&world);
        let child = world.left.children.values().next().expect("one");
        assert_eq!(child.suite.encryption, encryption);
        assert_eq!(child.suite.integrity, integrity);
    }
}

#[test]
fn wide_sequence_numbers_are_agreed_where_both_want_nothing_else() {
    let world = world_with(|_, connection| connection.children[0].proposals[0].esn = vec![true]);
    let world = world.establish();
    assert!(world.left.children.values().all(|child| child.esn));
    assert_one_pair(&world);
}

/// The initiator fails, the responder refuses, nothing is left, and the IKE SA stands.
fn assert_refused(world: &mut World, failure: ChildFailure, refusal: Refusal) {
    world.initiate();
    world.settle();
    assert!(
        world.left.has(&Event::ChildFailed(failure)),
        "{:?}",
        world.left.events
    );
    assert!(
        world.right.has(&Event::Refused(refusal)),
        "{:?}",
        world.right.events
    );
    world.left.assert_accounts_balance();
    world.right.assert_accounts_balance();
    assert!(world.left.children.is_empty() && world.right.children.is_empty());
    assert_eq!((world.left.sas.len(), world.right.sas.len()), (1, 1));
}

#[test]
fn what_cannot_be_agreed_is_refused_with_a_reason() {
    let mut ciphers = world_with(|side, connection| {
        if side == Side::Right {
            connection.children[0].proposals[0].encryption = vec![EncryptionAlgorithm::Aes256Cbc];
        }
    });
    assert_refused(
        &mut ciphers,
        ChildFailure::NoProposalChosen,
        Refusal::NoProposalChosen,
    );
    let mut selectors = world_with(|side, connection| {
        if side == Side::Right {
            connection.children[0].local_ts = vec!["10.2.3.0/24".parse().expect("a selector")];
        }
    });
    assert_refused(
        &mut selectors,
        ChildFailure::TsUnacceptable,
        Refusal::TsUnacceptable,
    );
    let mut theirs = world_with(|side, connection| {
        if side == Side::Right {
            connection.children[0].remote_ts = vec!["10.1.3.0/24".parse().expect("a selector")];
        }
    });
    assert_refused(
        &mut theirs,
        ChildFailure::TsUnacceptable,
        Refusal::TsUnacceptable,
    );
    let mut group = world_with(|side, connection| {
        if side == Side::Right {
            connection.children[0].proposals[0].key_exchange = vec![KeyExchangeMethod::EcpP256];
        }
    });
    assert_refused(
        &mut group,
        ChildFailure::NoProposalChosen,
        Refusal::NoProposalChosen,
    );
}

#[test]
fn forward_secrecy_that_only_the_initiator_wants_is_given() {
    let world = world_with(|side, connection| {
        if side == Side::Left {
            connection.children[0].proposals[0].key_exchange = vec![KeyExchangeMethod::EcpP256];
        }
    });
    assert_one_pair(&world.establish());
}

#[test]
fn selectors_within_a_policy_are_taken_as_they_are() {
    let narrow: TrafficSelector = "10.1.7.0/24[tcp/22]".parse().expect("a selector");
    let world = world_with(|side, connection| {
        if side == Side::Left {
            connection.children[0].local_ts = vec![narrow];
        }
    })
    .establish();
    assert_one_pair(&world);
    let child = world.right.children.values().next().expect("one");
    assert_eq!(child.selectors.remote(), [narrow]);
}

#[test]
fn each_pair_of_selectors_gets_a_quick_mode() {
    let list = |texts: &[&str]| -> Vec<TrafficSelector> {
        texts
            .iter()
            .map(|text| text.parse().expect("a selector"))
            .collect()
    };
    let (here, there) = (
        ["10.1.0.0/16", "10.3.0.0/16"],
        ["10.2.0.0/16", "2001:db8::/32", "10.4.0.0/16"],
    );
    let mut world = world_with(|side, connection| {
        let child = &mut connection.children[0];
        (child.local_ts, child.remote_ts) = match side {
            Side::Left => (list(&here), list(&there)),
            Side::Right => (list(&there), list(&here)),
        };
    });
    world.initiate();
    world.settle();
    world.assert_consistent();
    assert_eq!(
        world.left.children.len(),
        4,
        "IPv6 goes with nothing of ours"
    );
    let mut selectors: Vec<_> = world
        .left
        .children
        .values()
        .map(|child| (child.selectors.local()[0], child.selectors.remote()[0]))
        .collect();
    selectors.sort_by_key(|(local, remote)| (local.start, remote.start));
    selectors.dedup();
    assert_eq!(selectors.len(), 4);
}

#[test]
fn dynamic_selectors_are_the_outer_addresses() {
    let world = world_with(|side, connection| {
        let child = &mut connection.children[0];
        match side {
            Side::Left => child.local_ts = vec!["192.0.2.1".parse().expect("a selector")],
            Side::Right => child.remote_ts = vec![],
        }
    })
    .establish();
    let child = world.right.children.values().next().expect("one");
    assert_eq!(child.selectors.remote()[0].to_string(), "192.0.2.1/32");
}

#[test]
fn a_peer_that_never_confirms_loses_its_pair() {
    let mut world = World::established();
    create_child(&mut world, Side::Left, 1);
    let now = world.now;
    // The first message arrives, and nothing more from the left.
    world.deliver(Side::Left);
    world.right.compute(now);
    world.deaf = Some(Side::Right);
    assert_eq!(world.right.children.len(), 2);
    world.pass(Duration::from_secs(120));
    let gone = |event: &Event| matches!(event, Event::Removed(_, RemovalReason::Unconfirmed));
    assert!(
        world.right.events.iter().any(gone),
        "{:?}",
        world.right.events
    );
    world.right.assert_accounts_balance();
}

#[test]
fn traffic_confirms_as_well_as_the_third_message() {
    let mut world = World::established();
    create_child(&mut world, Side::Left, 1);
    world.deliver(Side::Left);
    let now = world.now;
    world.right.compute(now);
    world.deliver(Side::Right);
    world.left.outbox.clear();
    let child = *world.right.children.keys().last().expect("a new one");
    assert!(!world.right.has(&Event::Switched(child)));
    world.right.receive_esp(child, now);
    assert!(world.right.has(&Event::Switched(child)));
    world.deaf = Some(Side::Right);
    world.pass(Duration::from_secs(120));
    assert!(world.right.children.contains_key(&child), "it is in use");
}

#[test]
fn a_peer_that_does_not_answer_fails_the_child_and_without_others_the_owner_is_asked() {
    let mut world = World::established();
    create_child(&mut world, Side::Left, 1);
    world.deaf = Some(Side::Right);
    world.pass(Duration::from_secs(120));
    assert!(
        world
            .left
            .has(&Event::ChildFailed(ChildFailure::Unanswered))
    );
    assert_eq!(world.left.children.len(), 1, "the other stands");
    assert_eq!(world.left.unanswered, [0_u64; 0]);
    world.left.assert_accounts_balance();

    let mut world = World::new();
    world.initiate();
    while world.left.established.is_empty() {
        let now = world.now;
        world.left.compute(now);
        world.right.compute(now);
        world.deliver(Side::Left);
        world.deliver(Side::Right);
    }
    world.deaf = Some(Side::Right);
    world.pass(Duration::from_secs(120));
    assert_eq!(world.left.unanswered.len(), 1);
    assert_eq!(
        world.left.sas.len(),
        1,
        "the owner judges: {:?}",
        world.left.events
    );
    world.left.assert_accounts_balance();
}

#[test]
fn a_recorded_quick_mode_does_nothing_and_proves_nothing() {
    let mut world = World::new();
    world.initiate();
    world.settle();
    let quick = |(_, datagram): &&(Side, Datagram)| datagram.message[18] == 32;
    let recorded: Vec<_> = world.sent.iter().filter(quick).cloned().collect();
    assert_eq!(recorded.len(), 3);
    world.pass(Duration::from_secs(300));
    world.right.received.clear();
    world.left.received.clear();
    for (from, datagram) in &recorded {
        world.replay(*from, datagram);
    }
    for end in [&world.left, &world.right] {
        for received in &end.received {
            assert!(
                matches!(received, Received::Rejected(_) | Received::Retransmission),
                "{received:?}"
            );
        }
    }
    let reused = Received::Rejected(Rejection::MessageIdReused);
    assert!(
        world.right.received.contains(&reused),
        "{:?}",
        world.right.received
    );
    assert_one_pair(&world);
}

#[test]
fn a_repeated_message_is_answered_from_memory_not_too_often() {
    let mut world = World::established();
    create_child(&mut world, Side::Left, 1);
    world.settle();
    let first = world.sent.first().cloned().expect("the first message");
    let before = world.sent.len();
    let second = world.sent.get(1).cloned().expect("the second message");
    for _ in 0..50 {
        world.replay(second.0, &second.1);
    }
    let answers = world.sent.len() - before;
    assert_eq!(answers, 1, "the third message goes out once more");
    world.pass(Duration::from_secs(1));
    world.replay(second.0, &second.1);
    assert_eq!(world.sent.len() - before, 2);
    world.replay(first.0, &first.1);
    world.assert_consistent();
}

#[test]
fn forged_messages_change_nothing() {
    let mut world = World::established();
    create_child(&mut world, Side::Left, 1);
    world.right.received.clear();
    let genuine = std::mem::take(&mut world.left.outbox);
    for octet in 28..genuine[0].message.len() {
        let mut forged = genuine[0].clone();
        forged.message[octet] ^= 0x40;
        world.replay(Side::Left, &forged);
    }
    let authentic = |received: &Received| !matches!(received, Received::Rejected(_));
    assert!(
        !world.right.received.iter().any(authentic),
        "{:?}",
        world.right.received
    );
    world.left.outbox = genuine;
    world.settle();
    world.assert_consistent();
    assert_eq!(world.right.children.len(), 2);
}

#[test]
fn the_shorter_lifetime_decides_and_the_initiator_is_told() {
    let mut world = world_with(|side, connection| {
        connection.children[0].rekey = match side {
            Side::Left => RekeyPolicy {
                hard_time: Some(Duration::from_secs(7_200)),
                ..rekey_after(7_000)
            },
            Side::Right => RekeyPolicy {
                time: None,
                hard_time: Some(Duration::from_secs(600)),
                ..rekey_after(500)
            },
        };
    })
    .establish();
    let expires = |end: &End| {
        let sa = end.sas.values().next().expect("one");
        (sa.children()[0].expires_at, sa.children()[0].rekey_at)
    };
    let life = Duration::from_secs(600);
    assert_eq!(expires(&world.left).0, world.now + life);
    assert_eq!(expires(&world.right).0, world.now + life);
    assert_eq!(expires(&world.left).1, world.now + Duration::from_secs(540));
    world.pass(Duration::from_secs(3_000));
    assert_one_pair(&world);
}

#[test]
fn limits_hold() {
    let mut world = World::established();
    world.right.settings.children_max = 1;
    create_child(&mut world, Side::Left, 1);
    world.settle();
    assert!(world.right.has(&Event::Refused(Refusal::NoAdditionalSas)));
    assert_eq!(world.left.children.len(), 1);

    let mut world = World::established();
    world.left.owner.spi_limit = Some(1);
    create_child(&mut world, Side::Left, 1);
    assert!(world.left.has(&Event::ChildFailed(ChildFailure::NoSpi)));
    world.left.owner.spi_limit = None;
    world.right.owner.spi_limit = Some(1);
    create_child(&mut world, Side::Left, 1);
    world.settle();
    assert!(world.right.has(&Event::Refused(Refusal::NoAdditionalSas)));
    world.left.assert_accounts_balance();
    world.right.assert_accounts_balance();
}

#[test]
fn a_computation_that_gets_lost_is_given_up() {
    for side in SIDES {
        let mut world = world_with(pfs(&[KeyExchangeMethod::EcpP256])).establish();
        world.end(side).hold_jobs = true;
        create_child(&mut world, Side::Left, 1);
        world.settle();
        world.end(side).jobs.clear();
        world.pass(Duration::from_secs(15));
        world.end(side).hold_jobs = false;
        world.pass(Duration::from_secs(100));
        assert!(
            matches!(
                world
                    .left
                    .events
                    .iter()
                    .find(|event| matches!(event, Event::ChildFailed(_))),
                Some(Event::ChildFailed(
                    ChildFailure::Exhausted | ChildFailure::Unanswered
                ))
            ),
            "{:?}",
            world.left.events
        );
        world.left.assert_accounts_balance();
        world.right.assert_accounts_balance();
        assert_eq!(world.left.children.len(), 1);
    }
}

#[test]
fn the_commit_bit_is_passed_over() {
    let mut world = World::new();
    world.meddle = Some(|message| {
        if message[18] == 32 {
            message[19] |= 2;
        }
    });
    assert_one_pair(&world.establish());
}
