//! Every order in which messages arrive, computations end and messages get lost: a story is told
//! again and again, each time with the next sequence of decisions.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crypto::Entropy;
use timer::Instant;

use crate::end::{Datagram, Seeded};
use crate::world::{Side, World};

/// What may happen, beyond messages that arrive in the order of sending.
#[derive(Clone, Copy, Default)]
pub(crate) struct Freedom {
    /// Messages may overtake each other.
    pub(crate) reorder: bool,
    /// Computations may take any time.
    pub(crate) slow_computations: bool,
    /// How many messages may get lost.
    pub(crate) losses: usize,
    /// How many messages may arrive twice.
    pub(crate) repeats: usize,
    /// ESP flows all the time: a packet goes ahead of every message, by the Child SA that the
    /// sender uses at that moment.
    pub(crate) traffic: bool,
    /// Packets of the first child policy may find a closed door, because somebody deletes its Child
    /// SA. (Those of others always may: their Child SAs are new and replace nothing.)
    pub(crate) gaps: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Move {
    Deliver(Side, usize),
    Lose(Side, usize),
    Repeat(Side, usize),
    Compute(Side, usize),
    Wait,
}

/// A message on its way, and the Child SAs by which its sender sent ESP just before it.
#[derive(Clone)]
struct InFlight {
    datagram: Datagram,
    esp: Vec<u32>,
}

struct Run<'w> {
    world: &'w mut World,
    freedom: Freedom,
    flights: [Vec<InFlight>; 2],
    losses: usize,
    repeats: usize,
}

/// More than the gaps of the first retransmissions, less than any rekey or grace period.
const RETRANSMISSIONS: Duration = Duration::from_secs(20);

/// Runs the story in every order and checks the end of each. Returns how many there were.
pub(crate) fn explore(
    freedom: Freedom,
    make: impl Fn() -> World,
    begin: impl Fn(&mut World),
    check: impl Fn(&mut World),
) -> usize {
    let mut script: Vec<usize> = vec![];
    let mut runs = 0;
    loop {
        let mut choices = vec![];
        let mut choose = |open: usize| {
            let taken = script.get(choices.len()).copied().unwrap_or(0);
            choices.push((taken, open));
            taken
        };
        one_story(make(), freedom, &mut choose, &begin, &check);
        runs += 1;
        assert!(runs < 200_000, "too many orders to be told one by one");
        let Some(last) = choices.iter().rposition(|(taken, open)| taken + 1 < *open) else {
            return runs;
        };
        script = choices[..=last].iter().map(|(taken, _)| *taken).collect();
        script[last] += 1;
    }
}

/// Tells the story in `count` orders drawn at random, each with the seed of its number.
pub(crate) fn draw(
    freedom: Freedom,
    count: usize,
    make: impl Fn(u64) -> World,
    begin: impl Fn(&mut World),
    check: impl Fn(&mut World),
) {
    for number in 1..=count as u64 {
        let mut random = Seeded::new(number);
        let mut choose = |open: usize| random.next_u32() as usize % open;
        one_story(make(number), freedom, &mut choose, &begin, &check);
    }
}

/// Runs one order, and says which one it was when something is wrong with it.
fn one_story(
    mut world: World,
    freedom: Freedom,
    choose: &mut dyn FnMut(usize) -> usize,
    begin: &dyn Fn(&mut World),
    check: &dyn Fn(&mut World),
) {
    let mut moves = vec![];
    let told = catch_unwind(AssertUnwindSafe(|| {
        world.left.hold_jobs = freedom.slow_computations;
        world.right.hold_jobs = freedom.slow_computations;
        begin(&mut world);
        play(&mut world, freedom, choose, &mut moves);
        world.left.hold_jobs = false;
        world.right.hold_jobs = false;
        check(&mut world);
    }));
    if let Err(panic) = told {
        eprintln!("after {moves:?}");
        eprintln!(
            "left:  {:?}\nright: {:?}",
            world.left.events, world.right.events
        );
        resume_unwind(panic);
    }
}

/// Moves until nothing moves any more.
fn play(
    world: &mut World,
    freedom: Freedom,
    choose: &mut dyn FnMut(usize) -> usize,
    moves: &mut Vec<Move>,
) {
    let mut run = Run {
        world,
        freedom,
        flights: [vec![], vec![]],
        losses: 0,
        repeats: 0,
    };
    loop {
        run.gather();
        if !freedom.gaps {
            run.assert_nobody_is_cut_off();
        }
        let open = run.moves();
        if open.is_empty() {
            return;
        }
        let next = open[choose(open.len())];
        moves.push(next);
        run.make(next);
    }
}

impl Run<'_> {
    /// Takes up what the ends have sent, and computes what is computed at once.
    fn gather(&mut self) {
        loop {
            let now = self.world.now;
            for side in [Side::Left, Side::Right] {
                let end = self.world.end(side);
                let esp: Vec<u32> = end.active.values().copied().collect();
                let outbound = esp.iter().map(|child| end.children[child].outbound.0);
                let esp: Vec<u32> = outbound.collect();
                let sent = std::mem::take(&mut end.outbox);
                self.flights[index(side)].extend(sent.into_iter().map(|datagram| InFlight {
                    datagram,
                    esp: esp.clone(),
                }));
            }
            let left = self.world.left.compute(now);
            let right = self.world.right.compute(now);
            if !left && !right {
                return;
            }
        }
    }

    fn assert_nobody_is_cut_off(&mut self) {
        self.world.assert_traffic_of(0);
        for side in [Side::Left, Side::Right] {
            let active = &self.world.end(side).active;
            assert!(active.contains_key(&0), "{side:?} cannot send");
        }
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = vec![];
        for side in [Side::Left, Side::Right] {
            let flying = self.flights[index(side)].len();
            let reachable = if self.freedom.reorder {
                flying
            } else {
                flying.min(1)
            };
            moves.extend((0..reachable).map(|i| Move::Deliver(side, i)));
            let jobs = match side {
                Side::Left => self.world.left.jobs.len(),
                Side::Right => self.world.right.jobs.len(),
            };
            moves.extend((0..jobs).map(|i| Move::Compute(side, i)));
            if self.losses < self.freedom.losses {
                moves.extend((0..reachable).map(|i| Move::Lose(side, i)));
            }
            if self.repeats < self.freedom.repeats {
                moves.extend((0..reachable).map(|i| Move::Repeat(side, i)));
            }
        }
        if moves.is_empty() && self.next_deadline() <= self.world.now + RETRANSMISSIONS {
            moves.push(Move::Wait);
        }
        moves
    }

    fn next_deadline(&self) -> Instant {
        let (left, right) = (&self.world.left, &self.world.right);
        left.next_deadline().min(right.next_deadline())
    }

    fn make(&mut self, step: Move) {
        let now = self.world.now;
        match step {
            Move::Deliver(from, i) => {
                let flight = self.flights[index(from)].remove(i);
                let to = self.world.end(from.other());
                if self.freedom.traffic {
                    for child in flight.esp {
                        // Nothing overtakes anything, so no packet meets a closed door.
                        let open = to.children.contains_key(&child);
                        assert!(open || self.freedom.reorder, "ESP on {child:#x} is lost");
                        if open {
                            to.receive_esp(child, now);
                        }
                    }
                }
                to.receive(&flight.datagram, now);
            }
            Move::Repeat(from, i) => {
                let again = self.flights[index(from)][i].clone();
                self.flights[index(from)].push(again);
                self.repeats += 1;
            }
            Move::Lose(from, i) => {
                self.flights[index(from)].remove(i);
                self.losses += 1;
            }
            Move::Compute(side, i) => {
                let end = self.world.end(side);
                let (spi, job) = end.jobs.remove(i);
                end.finish(spi, job, now);
            }
            Move::Wait => {
                let next = self.next_deadline().max(now);
                self.world.now = next;
                self.world.left.fire(next);
                self.world.right.fire(next);
            }
        }
    }
}

fn index(side: Side) -> usize {
    match side {
        Side::Left => 0,
        Side::Right => 1,
    }
}
