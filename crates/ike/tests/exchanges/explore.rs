//! Every order in which messages arrive, computations end and messages get lost: a story is told
//! again and again, each time with the next sequence of decisions.

use std::time::Duration;

use timer::Instant;

use crate::end::Datagram;
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
    /// ESP flows all the time: a packet goes ahead of every message, by the Child SA that the
    /// sender uses at that moment.
    pub(crate) traffic: bool,
    /// Packets may find a closed door, because a Child SA is being deleted or is new without an old
    /// one that it replaces.
    pub(crate) gaps: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Move {
    Deliver(Side, usize),
    Lose(Side, usize),
    Compute(Side, usize),
    Wait,
}

/// A message on its way, and the Child SAs by which its sender sent ESP just before it.
struct InFlight {
    datagram: Datagram,
    esp: Vec<u32>,
}

struct Run<'w> {
    world: &'w mut World,
    freedom: Freedom,
    flights: [Vec<InFlight>; 2],
    losses: usize,
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
        let mut world = make();
        let (choices, moves) = one_run(&mut world, freedom, &script, &begin);
        let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut world)));
        if let Err(panic) = verdict {
            tell(&world, &moves);
            std::panic::resume_unwind(panic);
        }
        runs += 1;
        assert!(runs < 200_000, "too many orders to be told one by one");
        let Some(last) = choices.iter().rposition(|(taken, open)| taken + 1 < *open) else {
            return runs;
        };
        script = choices[..=last].iter().map(|(taken, _)| *taken).collect();
        script[last] += 1;
    }
}

fn tell(world: &World, moves: &[Move]) {
    eprintln!("after {moves:?}");
    eprintln!(
        "left:  {:?}\nright: {:?}",
        world.left.events, world.right.events
    );
}

fn one_run(
    world: &mut World,
    freedom: Freedom,
    script: &[usize],
    begin: &impl Fn(&mut World),
) -> (Vec<(usize, usize)>, Vec<Move>) {
    world.left.hold_jobs = freedom.slow_computations;
    world.right.hold_jobs = freedom.slow_computations;
    begin(world);
    let mut run = Run {
        world,
        freedom,
        flights: [vec![], vec![]],
        losses: 0,
    };
    let (mut choices, mut moves) = (vec![], vec![]);
    loop {
        let guarded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run.gather();
            if !freedom.gaps {
                run.world.assert_traffic_passes();
            }
        }));
        if let Err(panic) = guarded {
            tell(run.world, &moves);
            std::panic::resume_unwind(panic);
        }
        let open = run.moves();
        if open.is_empty() {
            return (choices, moves);
        }
        let taken = script.get(choices.len()).copied().unwrap_or(0);
        choices.push((taken, open.len()));
        moves.push(open[taken]);
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.make(open[taken])));
        if let Err(panic) = done {
            tell(run.world, &moves);
            std::panic::resume_unwind(panic);
        }
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
