use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crossbeam::channel::Sender;
use hdrhistogram::Histogram;
use shard::{Command, Counters, Listener};

use crate::routes::{RouteCounters, Routes};
use crate::worker::Worker;
use crate::{InnerDrops, Service};

/// What one shard counted since its start, and how it fares now.
#[derive(Clone)]
pub struct ShardReport {
    /// Its number.
    pub shard: u16,
    /// What it did for its peers.
    pub counters: Counters,
    /// What its engine moved.
    pub net: netio::Counters,
    /// What the kernel dropped because the receive buffers of its sockets were full.
    pub receive_drops: ReceiveDrops,
    /// Inner packets that went nowhere.
    pub inner_drops: InnerDrops,
    /// Messages that wait in its mailbox.
    pub mailbox_depth: usize,
    /// Messages dropped because its mailbox was full.
    pub mailbox_drops: u64,
    /// Packets that reached another shard first.
    pub handoffs: u64,
    /// Processor time of its thread.
    pub cpu: Duration,
    /// Rounds of its loop.
    pub rounds: u64,
}

/// Datagrams that found no room in the receive buffer of their socket, by its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReceiveDrops {
    /// IKE without a marker, on port 500.
    pub ike: u64,
    /// IKE and ESP, on port 4500.
    pub nat: u64,
    /// IP protocol 50.
    pub raw_esp: u64,
}

/// What the shards share, and how that fares now.
#[derive(Clone)]
pub struct SharedReport {
    /// Key exchanges that wait for a thread of the compute pool.
    pub compute_depth: usize,
    /// Key exchanges done.
    pub compute_done: u64,
    /// Key exchanges dropped because too many waited.
    pub compute_dropped: u64,
    /// How long key exchanges waited for a thread, in microseconds.
    pub compute_wait_us: Histogram<u64>,
    /// Virtual addresses in use.
    pub addresses_in_use: u64,
    /// Virtual addresses of all pools.
    pub addresses_total: u64,
    /// Events that a listener had no room for.
    pub events_missed: u64,
    /// Who watches peers in every detail now.
    pub watchers: usize,
    /// Records that a watcher had no room for.
    pub traces_missed: u64,
    /// Routes and addresses of the inner device that stand.
    pub routes_installed: u64,
    /// Routes and addresses that the kernel refused.
    pub routes_failed: u64,
    /// Host names not resolved because too many waited.
    pub resolutions_dropped: u64,
    /// Changes of routes dropped because too many waited.
    pub routes_dropped: u64,
}

impl Service {
    /// What the shards share. It asks no worker.
    #[must_use]
    pub fn shared_report(&self) -> SharedReport {
        let compute = self.parts.compute.counters();
        let routes = self.parts.routes.as_ref().map(Routes::counters);
        let of_routes = |count: fn(&RouteCounters) -> &AtomicU64| {
            routes.map_or(0, |counters| count(counters).load(Ordering::Relaxed))
        };
        let (addresses_in_use, addresses_total) = self.parts.directory.addresses();
        SharedReport {
            compute_depth: self.parts.compute.depth(),
            compute_done: compute.done.load(Ordering::Relaxed),
            compute_dropped: compute.dropped.load(Ordering::Relaxed),
            compute_wait_us: compute.wait_micros(),
            addresses_in_use,
            addresses_total,
            events_missed: self.parts.events.missed(),
            watchers: self.parts.traces.watchers(),
            traces_missed: self.parts.traces.missed(),
            resolutions_dropped: self.parts.resolver.dropped(),
            routes_installed: of_routes(|counters| &counters.installed),
            routes_failed: of_routes(|counters| &counters.failed),
            routes_dropped: of_routes(|counters| &counters.dropped),
        }
    }
}

impl Worker {
    pub(crate) fn report(&mut self) -> ShardReport {
        self.sink.engine.count_drops();
        let mailbox = self.sink.mailboxes.get(self.index);
        ShardReport {
            shard: self.index as u16,
            counters: self.shard.counters_at(self.clock.now()),
            net: *self.sink.engine.counters(),
            receive_drops: self.receive_drops(),
            inner_drops: self.sink.inner_drops,
            mailbox_depth: mailbox.map_or(0, |m| m.len()),
            mailbox_drops: mailbox.map_or(0, |m| m.drops.load(Ordering::Relaxed)),
            handoffs: mailbox.map_or(0, |m| m.handoffs.load(Ordering::Relaxed)),
            cpu: netio::thread_cpu_time(),
            rounds: self.rounds,
        }
    }

    fn receive_drops(&self) -> ReceiveDrops {
        let mut drops = ReceiveDrops::default();
        for (socket, place) in self.sink.doors.all() {
            *match place.listener {
                Listener::Ike => &mut drops.ike,
                Listener::Nat => &mut drops.nat,
                Listener::RawEsp => &mut drops.raw_esp,
            } += self.sink.engine.socket_drops(socket);
        }
        drops
    }

    /// Deletes all peers and ends when they are gone, or after `timeout`. `gone` hears of the
    /// former.
    pub(crate) fn stop(&mut self, timeout: Duration, gone: Sender<()>) {
        let now = self.clock.now();
        self.shard.command(Command::Shutdown, now, &mut self.sink);
        self.stop_at = Some(now + timeout);
        self.on_gone = Some(gone);
    }
}
