//! Key exchanges that take less time than it costs to hand them to another thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use ike::{Computed, Job};
use shard::Ticket;

use crate::compute::{ComputeCounters, Order};

/// What a worker computes itself. The queue is as long as the pool's, and what it has no room for is
/// dropped and counted in the same place.
pub(crate) struct QuickQueue {
    orders: VecDeque<Order>,
    orders_max: usize,
    counters: Arc<ComputeCounters>,
}

impl QuickQueue {
    pub(crate) fn new(orders_max: usize, counters: Arc<ComputeCounters>) -> Self {
        Self {
            orders: VecDeque::new(),
            orders_max: orders_max.max(1),
            counters,
        }
    }

    /// Leaves a job for a turn soon to come.
    pub(crate) fn order(&mut self, ticket: Ticket, job: Job) {
        if self.orders.len() >= self.orders_max {
            self.counters.count_dropped();
            return;
        }
        self.counters.waits_at_worker(1);
        self.orders.push_back(Order {
            ticket,
            job,
            since: Instant::now(),
        });
    }

    /// Whether there is room for the key exchange of a newcomer: the last quarter is kept for exchanges of those who are in.
    pub(crate) fn has_room(&self) -> bool {
        self.orders.len() < self.orders_max - self.orders_max / 4
    }

    /// Computes what was ordered first.
    pub(crate) fn compute(&mut self) -> Option<(Ticket, Computed)> {
        let order = self.orders.pop_front()?;
        self.counters.waits_at_worker(-1);
        Some(order.compute(&self.counters))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }
}

impl Drop for QuickQueue {
    fn drop(&mut self) {
        let left = isize::try_from(self.orders.len()).unwrap_or(0);
        self.counters.waits_at_worker(-left);
    }
}
