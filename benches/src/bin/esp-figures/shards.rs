//! Two shards on two cores against one.

use std::sync::Barrier;
use std::time::{Duration, Instant as Stopwatch};

use crypto::ProtectionSuite;
use palisade_benches::{Mix, Traffic, World};

use crate::cores;
use crate::figures::Series;

/// SAs of a shard: many, but few enough for its cache.
const PEERS: u32 = 100;
const BATCHES: u32 = 400;

/// Where and how often.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) cores: [usize; 2],
    pub(crate) rounds: usize,
}

/// How many times the rate of one shard two have that share nothing.
pub(crate) fn many_sas(pair: Pair, suite: ProtectionSuite, mix: Mix) -> Series {
    let mut shards = [(); 2].map(|()| (World::new(suite, PEERS), Traffic::new(mix)));
    (0..pair.rounds)
        .map(|_| {
            let [one, _] = &mut shards;
            let alone = std::thread::scope(|scope| {
                let core = pair.cores[1];
                let worker = scope.spawn(move || work(core, one, None));
                worker.join().expect("the worker does not panic")
            });
            let start = Barrier::new(2);
            let together = std::thread::scope(|scope| {
                let workers: Vec<_> = shards
                    .iter_mut()
                    .zip(pair.cores)
                    .map(|(shard, core)| {
                        let start = &start;
                        scope.spawn(move || work(core, shard, Some(start)))
                    })
                    .collect();
                workers
                    .into_iter()
                    .map(|worker| worker.join().expect("the worker does not panic"))
                    .max()
            });
            2.0 * alone.as_secs_f64() / together.unwrap_or_default().as_secs_f64()
        })
        .collect()
}

fn work(core: usize, shard: &mut (World, Traffic), start: Option<&Barrier>) -> Duration {
    cores::pin(core);
    let (world, traffic) = shard;
    if let Some(start) = start {
        start.wait();
    }
    let begin = Stopwatch::now();
    for _ in 0..BATCHES {
        traffic.address(world);
        traffic.seal(world);
        traffic.open(world);
    }
    begin.elapsed()
}
