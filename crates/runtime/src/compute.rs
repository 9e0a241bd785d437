use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use hdrhistogram::Histogram;
use ike::Job;
use shard::Ticket;

use crate::mailbox::{Mailbox, Message};

/// Longest wait that the histogram tells apart.
const WAIT_MAX: Duration = Duration::from_secs(60);

struct Order {
    ticket: Ticket,
    job: Job,
    since: Instant,
}

/// Threads for work that must not run on a shard's thread: key exchanges.
pub(crate) struct ComputePool {
    orders: Option<Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<ComputeCounters>,
}

/// What the pool counts.
pub(crate) struct ComputeCounters {
    pub(crate) done: AtomicU64,
    pub(crate) dropped: AtomicU64,
    wait_micros: Mutex<Histogram<u64>>,
}

/// A worker's way into the pool.
#[derive(Clone)]
pub(crate) struct ComputeQueue {
    orders: Sender<Order>,
    counters: Arc<ComputeCounters>,
}

impl ComputeQueue {
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
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
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

    /// Jobs that wait.
    pub(crate) fn depth(&self) -> usize {
        self.orders.as_ref().map_or(0, Sender::len)
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
        let waited = u64::try_from(order.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        counters
            .wait_micros
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .saturating_record(waited);
        let computed = order.job.run();
        counters.done.fetch_add(1, Ordering::Relaxed);
        if let Some(mailbox) = mailboxes.get(usize::from(order.ticket.shard.0)) {
            mailbox.post(Message::Computed(order.ticket, computed));
        }
    }
}
