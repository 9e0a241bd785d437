//! Random rekeys and new Child SAs from both ends while quick mode messages get lost, come twice and
//! come late. At every moment both ends can send and the other can open it, and in the end they agree.

use std::time::Duration;

use crypto::KeyExchangeMethod;
use ike::ChildState;

use crate::end::End;
use crate::incidents::SIDES;
use crate::quick_mode::world_with;
use crate::world::{Side, World};

/// Octet of the exchange type, and quick mode's.
const EXCHANGE: usize = 18;
const QUICK_MODE: u8 = 32;

/// A small generator that repeats with its seed (Knuth's MMIX numbers).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn side(&mut self) -> Side {
        SIDES[usize::from(self.below(2) == 1)]
    }
}

/// Decides the fate of the messages that wait at both ends.
fn blow(world: &mut World, random: &mut Random) {
    for side in SIDES {
        let first = world.sent.len();
        let quick: Vec<bool> = world
            .end(side)
            .outbox
            .iter()
            .map(|datagram| datagram.message[EXCHANGE] == QUICK_MODE)
            .collect();
        for (place, _) in quick.iter().enumerate().filter(|(_, quick)| **quick) {
            let number = first + place;
            match random.below(10) {
                0 | 1 => drop(world.lose.insert(number)),
                2 | 3 => drop(world.repeat.insert(number)),
                4 => drop(world.delay.insert(number)),
                _ => {}
            }
        }
        world.deliver(side);
    }
}

/// Rekeys any Child SA that can be, or asks for one.
fn command(world: &mut World, random: &mut Random) {
    let side = random.side();
    let (now, policy) = (world.now, u16::from(random.below(2) == 1));
    let end = world.end(side);
    end.command(now, |sa, ctx, actions| {
        let mut children = sa.children().iter();
        let child = children
            .find(|child| child.policy == policy && child.state == ChildState::Installed)
            .map(|child| child.inbound);
        // A full queue is nothing to worry about.
        let _ = match child {
            Some(child) => sa.rekey_child(child, ctx, actions),
            None => sa.create_child(policy, ctx, actions),
        };
    });
}

fn assert_no_packet_is_lost(world: &World, seed: u64) {
    let sends = |end: &End| end.active.contains_key(&0);
    assert!(
        sends(&world.left) && sends(&world.right),
        "seed {seed}: {:x?} {:x?}",
        world.left.events,
        world.right.events
    );
    world.assert_traffic_of(0);
}

fn storm(seed: u64, forward_secrecy: bool) {
    let mut random = Random::new(seed);
    let mut world = world_with(|_, connection| {
        if forward_secrecy {
            for child in &mut connection.children {
                child.proposals[0].key_exchange = vec![KeyExchangeMethod::EcpP256];
            }
        }
    })
    .establish();
    for _ in 0..60 {
        if random.below(6) == 0 {
            command(&mut world, &mut random);
        }
        let now = world.now;
        world.left.compute(now);
        world.right.compute(now);
        blow(&mut world, &mut random);
        assert_no_packet_is_lost(&world, seed);
        let step = Duration::from_millis(random.below(900));
        // What is deleted now goes on receiving for a while, so the peer may hear of it first.
        world.elapse(step);
    }
    for _ in 0..100 {
        world.pass(Duration::from_secs(3));
        assert_no_packet_is_lost(&world, seed);
    }
    world.assert_consistent();
    assert!(
        world.left.children.len() <= 2,
        "seed {seed}: {:?}",
        world.left.children.keys()
    );
}

#[test]
fn storms_leave_ends_that_agree() {
    for seed in 1..=80 {
        storm(seed, false);
    }
    for seed in 1..=4 {
        storm(seed, true);
    }
}
