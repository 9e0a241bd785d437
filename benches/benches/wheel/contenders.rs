//! Three ways to keep timers, behind one interface.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use timer::{Instant, TimerKey, Wheel};
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop::unconstrained;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue;

pub(crate) trait Timers {
    const NAME: &'static str;
    type Key;

    fn new() -> Self;
    fn arm(&mut self, ahead: Duration, token: u32) -> Self::Key;
    fn cancel(&mut self, key: Self::Key);
    fn reschedule(&mut self, key: &mut Self::Key, ahead: Duration);
    fn step(&mut self, by: Duration);
    fn fire(&mut self, fired: &mut Vec<u32>);
}

pub(crate) struct TimingWheel {
    wheel: Wheel<u32>,
    now: Instant,
}

impl Timers for TimingWheel {
    const NAME: &'static str = "palisade";
    type Key = TimerKey;

    fn new() -> Self {
        Self {
            wheel: Wheel::new(Instant::ZERO),
            now: Instant::ZERO,
        }
    }

    fn arm(&mut self, ahead: Duration, token: u32) -> TimerKey {
        self.wheel.arm(self.now + ahead, token)
    }

    fn cancel(&mut self, key: TimerKey) {
        self.wheel.cancel(key);
    }

    fn reschedule(&mut self, key: &mut TimerKey, ahead: Duration) {
        self.wheel.rearm(*key, self.now + ahead);
    }

    fn step(&mut self, by: Duration) {
        self.now += by;
    }

    fn fire(&mut self, fired: &mut Vec<u32>) {
        self.wheel.fire(self.now, |timer| fired.push(timer.token));
    }
}

/// tokio-util's queue, on a clock that stands still except when told, so that it does not pay for
/// reading one.
pub(crate) struct Queue {
    queue: DelayQueue<u32>,
    now: tokio::time::Instant,
    runtime: Runtime,
}

impl Timers for Queue {
    const NAME: &'static str = "DelayQueue";
    type Key = delay_queue::Key;

    fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without threads");
        let now = runtime.block_on(async { tokio::time::Instant::now() });
        let guard = runtime.enter();
        let queue = DelayQueue::new();
        drop(guard);
        Self {
            queue,
            now,
            runtime,
        }
    }

    fn arm(&mut self, ahead: Duration, token: u32) -> delay_queue::Key {
        let _guard = self.runtime.enter();
        self.queue.insert_at(token, self.now + ahead)
    }

    fn cancel(&mut self, key: delay_queue::Key) {
        let _guard = self.runtime.enter();
        self.queue.remove(&key);
    }

    fn reschedule(&mut self, key: &mut delay_queue::Key, ahead: Duration) {
        let _guard = self.runtime.enter();
        self.queue.reset_at(key, self.now + ahead);
    }

    fn step(&mut self, by: Duration) {
        self.now += by;
        self.runtime.block_on(tokio::time::advance(by));
    }

    fn fire(&mut self, fired: &mut Vec<u32>) {
        let Self { queue, runtime, .. } = self;
        runtime.block_on(unconstrained(poll_fn(|context| {
            while let Poll::Ready(Some(expired)) = queue.poll_expired(context) {
                fired.push(expired.into_inner());
            }
            Poll::Ready(())
        })));
    }
}

/// A binary heap that forgets lazily: a cancelled entry stays until it comes up or until half of the
/// heap is such entries.
pub(crate) struct Heap {
    heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// By entry: token and generation; an entry of the heap with an older one is stale.
    slots: Vec<(u32, u32)>,
    free: Vec<u32>,
    now: u64,
    stale: usize,
}

impl Heap {
    fn push(&mut self, slot: u32, ahead: Duration) {
        let due = self.now + ahead.as_nanos() as u64;
        let generation = self.slots[slot as usize].1;
        self.heap.push(Reverse((due, slot, generation)));
    }

    fn forget(&mut self, slot: u32) {
        self.slots[slot as usize].1 += 1;
        self.stale += 1;
        if self.stale * 2 > self.heap.len() {
            let slots = &self.slots;
            self.heap
                .retain(|Reverse((_, slot, generation))| slots[*slot as usize].1 == *generation);
            self.stale = 0;
        }
    }
}

impl Timers for Heap {
    const NAME: &'static str = "BinaryHeap";
    type Key = u32;

    fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            now: 0,
            stale: 0,
        }
    }

    fn arm(&mut self, ahead: Duration, token: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((token, 0));
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize].0 = token;
        self.push(slot, ahead);
        slot
    }

    fn cancel(&mut self, slot: u32) {
        self.forget(slot);
        self.free.push(slot);
    }

    fn reschedule(&mut self, slot: &mut u32, ahead: Duration) {
        self.forget(*slot);
        self.push(*slot, ahead);
    }

    fn step(&mut self, by: Duration) {
        self.now += by.as_nanos() as u64;
    }

    fn fire(&mut self, fired: &mut Vec<u32>) {
        while let Some(Reverse((due, slot, generation))) = self.heap.peek().copied() {
            if due > self.now {
                break;
            }
            self.heap.pop();
            let (token, current) = &mut self.slots[slot as usize];
            if *current == generation {
                *current += 1;
                fired.push(*token);
                self.free.push(slot);
            } else {
                self.stale = self.stale.saturating_sub(1);
            }
        }
    }
}
