//! Both ends do whatever they like, at random, over a link that loses, repeats, reorders, replays
//! and garbles. When it calms down they must agree on everything.

use std::time::Duration;

use crypto::{Entropy, KeyExchangeMethod};
use ike::{CloseReason, RemovalReason};
use ipsec::EspSpi;

use crate::end::{Datagram, End, Event, Seeded};
use crate::policy::{left_connection, right_connection, snapshot};
use crate::world::{Side, World};

const STEPS: usize = 400;
const SEEDS: u64 = 150;

struct Storm {
    world: World,
    chance: Seeded,
    flying: Vec<(Side, Datagram)>,
    seen: Vec<(Side, Datagram)>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut chance = Seeded::new(0x5707_0000 + seed);
        let pfs = chance.next_u32().is_multiple_of(2);
        let tune = |mut connection: ipsec::ConnectionPolicy| {
            if pfs {
                for child in &mut connection.children {
                    child.proposals[0].key_exchange = vec![KeyExchangeMethod::X25519];
                }
            }
            snapshot(connection)
        };
        let mut world = World::with(tune(left_connection()), tune(right_connection())).establish();
        world.left.hold_jobs = true;
        world.right.hold_jobs = true;
        Self {
            world,
            chance,
            flying: vec![],
            seen: vec![],
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.chance.next_u32()).expect("32 bits fit") % limit
    }

    fn side(&mut self) -> Side {
        if self.below(2) == 0 {
            Side::Left
        } else {
            Side::Right
        }
    }

    fn step(&mut self) {
        match self.below(20) {
            0 => self.command(),
            1..=8 => self.deliver(),
            9..=13 => self.compute(),
            14..=16 => self.wait(),
            17 => self.replay(),
            _ => self.garble(),
        }
        for side in [Side::Left, Side::Right] {
            let sent = std::mem::take(&mut self.world.end(side).outbox);
            self.flying
                .extend(sent.into_iter().map(|datagram| (side, datagram)));
        }
    }

    fn command(&mut self) {
        let (side, kind, pick) = (self.side(), self.below(6), self.below(1_000));
        let now = self.world.now;
        let end = self.world.end(side);
        let open: Vec<u64> = established(end);
        let Some(spi) = open.get(pick % open.len().max(1)).copied() else {
            return;
        };
        let children: Vec<EspSpi> = end.sas[&spi].children().iter().map(|c| c.inbound).collect();
        let child = children.get(pick % children.len().max(1)).copied();
        end.with(spi, now, |sa, ctx, actions| match (kind, child) {
            (0, _) => {
                sa.probe(ctx, actions);
            }
            (1, _) if children.len() < 6 => {
                let _ = sa.create_child(u16::try_from(pick % 2).expect("small"), ctx, actions);
            }
            (2 | 3, Some(child)) => {
                let _ = sa.rekey_child(child, ctx, actions);
            }
            (4, Some(child)) => {
                let _ = sa.delete_child(child, RemovalReason::Deleted, ctx, actions);
            }
            _ => sa.rekey_ike(ctx, actions),
        });
    }

    fn deliver(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let index = self.below(self.flying.len());
        let (from, datagram) = self.flying.swap_remove(index);
        self.seen.push((from, datagram.clone()));
        match self.below(10) {
            0 => return,
            1 => self.flying.push((from, datagram.clone())),
            _ => {}
        }
        self.receive(from, &datagram);
    }

    fn receive(&mut self, from: Side, datagram: &Datagram) {
        let now = self.world.now;
        self.world.end(from.other()).receive(datagram, now);
    }

    fn compute(&mut self) {
        let side = self.side();
        let now = self.world.now;
        let waiting = self.world.end(side).jobs.len();
        if waiting > 0 {
            let index = self.below(waiting);
            let end = self.world.end(side);
            let (spi, job) = end.jobs.remove(index);
            end.finish(spi, job, now);
        }
    }

    fn wait(&mut self) {
        let millis = self.below(120);
        self.world.now += Duration::from_millis(u64::try_from(millis).expect("small"));
        let now = self.world.now;
        self.world.left.fire(now);
        self.world.right.fire(now);
    }

    fn replay(&mut self) {
        if !self.seen.is_empty() {
            let index = self.below(self.seen.len());
            let (from, datagram) = self.seen[index].clone();
            self.receive(from, &datagram);
        }
    }

    fn garble(&mut self) {
        if self.seen.is_empty() {
            return;
        }
        let index = self.below(self.seen.len());
        let (from, mut datagram) = self.seen[index].clone();
        let at = self.below(datagram.message.len());
        datagram.message[at] ^= 1 << self.below(8);
        self.receive(from, &datagram);
    }

    fn calm(&mut self) {
        self.world.left.hold_jobs = false;
        self.world.right.hold_jobs = false;
        for (from, datagram) in std::mem::take(&mut self.flying) {
            self.receive(from, &datagram);
        }
        for _ in 0..3 {
            self.repeat_checks();
            self.world.pass(Duration::from_secs(5));
        }
        // Long enough for what waits to be retransmitted, and for retired SAs to be gone.
        self.world.pass(Duration::from_secs(300));
    }
}

impl Storm {
    /// Liveness checks are repeated by their owner.
    fn repeat_checks(&mut self) {
        let now = self.world.now;
        for side in [Side::Left, Side::Right] {
            let end = self.world.end(side);
            let all: Vec<u64> = end.sas.keys().copied().collect();
            for spi in all {
                end.with(spi, now, |sa, _, actions| {
                    sa.retransmit_outstanding(actions)
                });
            }
        }
    }
}

fn established(end: &End) -> Vec<u64> {
    end.sas
        .iter()
        .filter(|(_, sa)| sa.is_established())
        .map(|(spi, _)| *spi)
        .collect()
}

#[test]
fn after_a_storm_both_ends_agree() {
    let (mut ike_rekeys, mut child_rekeys, mut lost_races) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut storm = Storm::new(seed);
        for _ in 0..STEPS {
            storm.step();
        }
        storm.calm();
        let world = &mut storm.world;
        let story = format!(
            "seed {seed}\n{:#?}\n{:#?}",
            world.left.events, world.right.events
        );
        assert_eq!(world.left.sas.len(), 1, "{story}");
        assert_eq!(world.right.sas.len(), 1, "{story}");
        assert_eq!(
            world.left.children.len(),
            world.right.children.len(),
            "{story}"
        );
        world.assert_consistent();
        for event in &world.left.events {
            match event {
                Event::Rekeyed => ike_rekeys += 1,
                Event::Redundant | Event::Removed(_, RemovalReason::RedundantRekey) => {
                    lost_races += 1;
                }
                Event::Installed {
                    replaces: Some(_), ..
                } => child_rekeys += 1,
                _ => {}
            }
        }
        let (spi, now) = (world.left.only(), world.now);
        world.left.with(spi, now, |sa, ctx, actions| {
            sa.delete_ike(CloseReason::Deleted, ctx, actions);
        });
        world.settle();
        assert!(world.left.children.is_empty() && world.right.children.is_empty());
        assert!(world.left.sas.is_empty() && world.right.sas.is_empty());
        world.assert_consistent();
    }
    // A storm in which nothing happens would prove nothing.
    assert!(
        ike_rekeys > 50 && child_rekeys > 100 && lost_races > 5,
        "{ike_rekeys} {child_rekeys} {lost_races}"
    );
}
