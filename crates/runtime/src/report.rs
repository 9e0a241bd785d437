use core::sync::atomic::Ordering;
use core::time::Duration;

use crossbeam::channel::Sender;
use shard::{Command, Counters};

use crate::InnerDrops;
use crate::worker::Worker;

/// What one shard counted since its start, and how it fares now.
#[derive(Clone)]
pub struct ShardReport {
    /// Its number.
    pub shard: u16,
    /// What it did for its peers.
    pub counters: Counters,
    /// What its engine moved.
    pub net: netio::Counters,
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

impl Worker {
    pub(crate) fn report(&self) -> ShardReport {
        let mailbox = self.sink.mailboxes.get(self.index);
        ShardReport {
            shard: self.index as u16,
            counters: self.shard.counters(),
            net: *self.sink.engine.counters(),
            inner_drops: self.sink.inner_drops,
            mailbox_depth: mailbox.map_or(0, |m| m.len()),
            mailbox_drops: mailbox.map_or(0, |m| m.drops.load(Ordering::Relaxed)),
            handoffs: mailbox.map_or(0, |m| m.handoffs.load(Ordering::Relaxed)),
            cpu: netio::thread_cpu_time(),
            rounds: self.rounds,
        }
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
