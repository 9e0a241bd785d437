//! The shard's wheel beside two timers that are to be had: `cargo bench -p palisade-benches --bench
//! wheel`. Each figure is the time of one operation on one timer, with so many others armed.

#[path = "wheel/contenders.rs"]
mod contenders;

use std::hint::black_box;
use std::time::{Duration, Instant as Stopwatch};

use contenders::{Heap, Queue, Timers, TimingWheel};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Timers lie up to ten seconds ahead, as those of dead peer detection do.
const HORIZON_NANOS: u64 = 10_000_000_000;
/// Operations measured in one go, so that reading the clock costs nothing.
const BATCH: u64 = 512;
/// How far the clock moves between two calls that fire.
const STEP: Duration = Duration::from_millis(8);

/// A small generator: the same due times for every contender.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn ahead(&mut self) -> Duration {
        Duration::from_nanos(self.roll() % HORIZON_NANOS)
    }
}

struct Field<T: Timers> {
    timers: T,
    keys: Vec<T::Key>,
    dice: Dice,
}

impl<T: Timers> Field<T> {
    fn new(armed: u64) -> Self {
        let mut timers = T::new();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let keys = (0..armed)
            .map(|token| timers.arm(dice.ahead(), token as u32))
            .collect();
        Self { timers, keys, dice }
    }

    fn victim(&mut self) -> usize {
        (self.dice.roll() % self.keys.len() as u64) as usize
    }

    /// Arms a batch of new timers, measured, and takes them away again.
    fn arm(&mut self, batch: u64) -> Duration {
        let dues: Vec<_> = (0..batch).map(|_| self.dice.ahead()).collect();
        let mut keys = Vec::with_capacity(dues.len());
        let clock = Stopwatch::now();
        for due in dues {
            keys.push(black_box(self.timers.arm(due, 0)));
        }
        let spent = clock.elapsed();
        keys.into_iter().for_each(|key| self.timers.cancel(key));
        spent
    }

    /// Cancels timers here and there, measured, and arms others for them.
    fn cancel(&mut self, batch: u64) -> Duration {
        let mut victims: Vec<_> = (0..batch).map(|_| self.victim()).collect();
        victims.sort_unstable();
        victims.dedup();
        let mut doomed = Vec::with_capacity(victims.len());
        for victim in &victims {
            let spare = self.timers.arm(self.dice.ahead(), *victim as u32);
            doomed.push(std::mem::replace(&mut self.keys[*victim], spare));
        }
        let count = doomed.len() as u32;
        let clock = Stopwatch::now();
        for key in doomed {
            self.timers.cancel(black_box(key));
        }
        clock.elapsed() * batch as u32 / count
    }

    fn reschedule(&mut self, batch: u64) -> Duration {
        let moves: Vec<_> = (0..batch)
            .map(|_| (self.victim(), self.dice.ahead()))
            .collect();
        let clock = Stopwatch::now();
        for (victim, due) in moves {
            self.timers.reschedule(&mut self.keys[victim], due);
        }
        clock.elapsed()
    }

    /// Lets the clock step until enough timers have fired, measuring only the calls that fire; each
    /// is armed again ten seconds ahead, as a periodic peer would be.
    fn fire(&mut self, wanted: u64) -> Duration {
        let (mut spent, mut count) = (Duration::ZERO, 0);
        let mut fired = Vec::new();
        while count < wanted {
            self.timers.step(STEP);
            fired.clear();
            let clock = Stopwatch::now();
            self.timers.fire(&mut fired);
            spent += clock.elapsed();
            count += fired.len() as u64;
            for token in &fired {
                let ahead = Duration::from_nanos(HORIZON_NANOS);
                self.keys[*token as usize] = self.timers.arm(ahead, *token);
            }
        }
        Duration::from_secs_f64(spent.as_secs_f64() * wanted as f64 / count as f64)
    }
}

fn measure<T: Timers>(criterion: &mut Criterion, armed: u64) {
    let mut field = Field::<T>::new(armed);
    let mut bench = |operation: &str, work: fn(&mut Field<T>, u64) -> Duration| {
        let mut group = criterion.benchmark_group(format!("wheel/{operation}"));
        group.bench_function(BenchmarkId::new(T::NAME, armed), |bencher| {
            bencher.iter_custom(|wanted| {
                let (mut spent, mut left) = (Duration::ZERO, wanted);
                while left > 0 {
                    let batch = left.min(BATCH);
                    spent += work(&mut field, batch);
                    left -= batch;
                }
                spent
            });
        });
        group.finish();
    };
    bench("arm", Field::arm);
    bench("cancel", Field::cancel);
    bench("reschedule", Field::reschedule);
    bench("fire", Field::fire);
}

fn wheel(criterion: &mut Criterion) {
    for armed in [1_000, 100_000, 1_000_000] {
        measure::<TimingWheel>(criterion, armed);
        measure::<Queue>(criterion, armed);
        measure::<Heap>(criterion, armed);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = wheel
}
criterion_main!(benches);
