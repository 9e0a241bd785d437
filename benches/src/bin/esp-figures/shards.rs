//! Two shards on two cores against one.

use std::sync::{Arc, Barrier};
use std::time::Instant as Stopwatch;

use crypto::ProtectionSuite;
use ipsec::{ReplayWindow, SequencePool, SharedWindow};
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

struct Worker {
    world: World,
    traffic: Traffic,
}

impl Worker {
    fn new(suite: ProtectionSuite, peers: u32, mix: Mix) -> Self {
        Self {
            world: World::new(suite, peers),
            traffic: Traffic::new(mix),
        }
    }

    /// Packets a second that were sealed and opened again.
    fn work(&mut self, core: usize, start: &Barrier) -> f64 {
        cores::pin(core);
        let before = self.world.inbound.packets;
        start.wait();
        let begin = Stopwatch::now();
        for _ in 0..BATCHES {
            self.traffic.address(&self.world);
            self.traffic.seal(&mut self.world);
            self.traffic.open(&mut self.world);
        }
        let passed = self.world.inbound.packets - before;
        passed as f64 / begin.elapsed().as_secs_f64()
    }
}

/// How many times the rate of one shard two have that share nothing.
pub(crate) fn many_sas(pair: Pair, suite: ProtectionSuite, mix: Mix) -> Series {
    let mut alone = Worker::new(suite, PEERS, mix);
    let mut workers = [(); 2].map(|()| Worker::new(suite, PEERS, mix));
    compare(pair, &mut alone, &mut workers)
}

/// How many times the rate of one shard two have that seal and open for one and the same SA.
pub(crate) fn one_sa(pair: Pair, suite: ProtectionSuite, mix: Mix) -> Series {
    let pool = Arc::new(SequencePool::new(true));
    // A worker that the machine holds back shall not find its packets too old.
    let window = Arc::new(SharedWindow::new(ReplayWindow::SIZE_MAX));
    let mut alone = Worker::new(suite, 1, mix);
    let mut workers = [(); 2].map(|()| Worker::new(suite, 1, mix));
    for worker in &mut workers {
        worker.world.share(&pool, &window);
    }
    compare(pair, &mut alone, &mut workers)
}

fn compare(pair: Pair, alone: &mut Worker, workers: &mut [Worker; 2]) -> Series {
    (0..pair.rounds)
        .map(|_| {
            let one = together(std::slice::from_mut(alone), &pair.cores[1..]);
            together(workers, &pair.cores) / one
        })
        .collect()
}

/// The rates of all workers together, each on its own core.
fn together(workers: &mut [Worker], cores: &[usize]) -> f64 {
    let start = Barrier::new(workers.len());
    std::thread::scope(|scope| {
        let running: Vec<_> = workers
            .iter_mut()
            .zip(cores)
            .map(|(worker, &core)| {
                let start = &start;
                scope.spawn(move || worker.work(core, start))
            })
            .collect();
        running
            .into_iter()
            .map(|worker| worker.join().expect("the worker does not panic"))
            .sum()
    })
}
