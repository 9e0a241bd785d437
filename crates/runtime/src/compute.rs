use core::sync::atomic::{AtomicIsize, AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use hdrhistogram::Histogram;
use ike::{Computed, Job};
use shard::Ticket;

use crate::clock;
use crate::mailbox::{Mailbox, Message};

/// Longest wait that the histogram tells apart.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A job, and who waits for it since when.
pub(crate) struct Order {
    pub(crate) ticket: Ticket,
    pub(crate) job: Job,
    pub(crate) since: Instant,
}

impl Order {
    /// Does the job and counts it.
    pub(crate) fn compute(self, counters: &ComputeCounters) -> (Ticket, Computed) {
        let waited = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        counters
            .wait_micros
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .saturating_record(waited);
        let computed = self.job.run(clock::wall());
        counters.done.fetch_add(1, Ordering::Relaxed);
        (self.ticket, computed)
    }
}

/// Threads for work that must not run on a shard's thread: slow key exchanges, certificates.
pub(crate) struct ComputePool {
    orders: Option<Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<ComputeCounters>,
}

/// What is counted of all jobs, whoever does them.
pub(crate) struct ComputeCounters {
    pub(crate) done: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Jobs that wait for a worker's own turn.
    at_workers: AtomicIsize,
    wait_micros: Mutex<Histogram<u64>>,
}

/// A worker's way into the pool.
#[derive(Clone)]
pub(crate) struct ComputeQueue {
    orders: Sender<Order>,
    counters: Arc<ComputeCounters>,
}

impl ComputeQueue {
    /// Whether there is room for the key exchange of a newcomer: the last quarter is kept for exchanges of those who are in.
    pub(crate) fn has_room(&self) -> bool {
        let room = self.orders.capacity().unwrap_or(usize::MAX);
        self.orders.len() < room - room / 4
    }

    /// Has a job done, or drops and counts it when too many wait. The exchange that waits for it is
    /// repaired by the peer's retransmission or ended by its timeout.
    pub(crate) fn order(&self, ticket: Ticket, job: Job) {
        let order = Order {
            ticket,
            job,
            since: Instant::now(),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.orders.try_send(order)
        {
            self.counters.count_dropped();
        }
    }
}

impl ComputePool {
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(
        threads: usize,
        queue_max: usize,
        mailboxes: &Arc<[Mailbox]>,
    ) -> io::Result<Self> {
        let (orders, incoming) = bounded(queue_max.max(1));
        let wait_max = u64::try_from(WAIT_MAX.as_micros()).unwrap_or(u64::MAX);
        let histogram = Histogram::new_with_bounds(1, wait_max, 2)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let counters = Arc::new(ComputeCounters {
            done: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            at_workers: AtomicIsize::new(0),
            wait_micros: Mutex::new(histogram),
        });
        let mut pool = Self {
            orders: Some(orders),
            threads: Vec::with_capacity(threads),
            counters,
        };
        for number in 0..threads.max(1) {
            let incoming = incoming.clone();
            let mailboxes = Arc::clone(mailboxes);
            let counters = Arc::clone(&pool.counters);
            let thread = thread::Builder::new()
                .name(format!("compute-{number}"))
                .spawn(move || serve(&incoming, &mailboxes, &counters))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// A way in, or `None` after [`ComputePool::stop`].
    pub(crate) fn queue(&self) -> Option<ComputeQueue> {
        Some(ComputeQueue {
            orders: self.orders.clone()?,
            counters: Arc::clone(&self.counters),
        })
    }

    /// Jobs that wait, for a thread of the pool or for a worker's own turn.
    pub(crate) fn depth(&self) -> usize {
        let at_workers = self.counters.at_workers.load(Ordering::Relaxed);
        let at_workers = usize::try_from(at_workers).unwrap_or(0);
        self.orders.as_ref().map_or(0, Sender::len) + at_workers
    }

    pub(crate) fn counters(&self) -> &Arc<ComputeCounters> {
        &self.counters
    }

    /// Ends the threads; every [`ComputeQueue`] must be gone.
    pub(crate) fn stop(&mut self) {
        self.orders = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl ComputeCounters {
    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more jobs wait for a worker's own turn.
    pub(crate) fn waits_at_worker(&self, more: isize) {
        self.at_workers.fetch_add(more, Ordering::Relaxed);
    }

    /// How long jobs waited for a thread, in microseconds.
    pub(crate) fn wait_micros(&self) -> Histogram<u64> {
        self.wait_micros
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn serve(incoming: &Receiver<Order>, mailboxes: &[Mailbox], counters: &ComputeCounters) {
    while let Ok(order) = incoming.recv() {
        let (ticket, computed) = order.compute(counters);
        if let Some(mailbox) = mailboxes.get(usize::from(ticket.shard.0)) {
            mailbox.post(Message::Computed(ticket, computed));
        }
    }
}
