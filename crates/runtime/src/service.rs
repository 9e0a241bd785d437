use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::time::Instant;

use crossbeam::channel::{Receiver, bounded};
use netio::{EngineKind, Offloads};
use shard::{Command, Listener, Policy, ShardId, TraceFilter};

use crate::mailbox::Message;
use crate::settings::ASK_TIMEOUT;
use crate::start::{self, Parts};
use crate::worker::Worker;
use crate::{
    Busy, Clock, NotReady, Settings, StartError, Subscription, TooManyWatchers, TraceSubscription,
};

/// A worker that has not gone round its loop for this long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// A running headend.
///
/// Its methods may be called from any thread but a worker's. Those that ask the workers take up to
/// a second and fail with [`Busy`] after that.
pub struct Service {
    pub(crate) parts: Parts,
    stopping: AtomicBool,
}

impl Service {
    /// Opens sockets and the inner device, starts the workers and returns when all of them run.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong; nothing is left running then.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        Ok(Self {
            parts: start::start(settings)?,
            stopping: AtomicBool::new(false),
        })
    }

    /// The clock of all times that the service tells.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.parts.clock
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.parts.mailboxes.len() as u16
    }

    /// Where peers are served; the ports are the real ones.
    #[must_use]
    pub fn listeners(&self) -> &[(Listener, SocketAddr)] {
        &self.parts.listeners
    }

    /// The packet engine in use.
    #[must_use]
    pub fn engine(&self) -> EngineKind {
        self.parts.engine
    }

    /// The offloads in use.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        self.parts.offloads
    }

    /// The inner device, for people.
    #[must_use]
    pub fn inner(&self) -> &str {
        &self.parts.inner
    }

    /// The smallest receive or send buffer that the kernel granted to a socket, in octets (its own
    /// bookkeeping included). Less than twice what was asked for means that its limits
    /// (`net.core.rmem_max`, `net.core.wmem_max`) are too low.
    #[must_use]
    pub fn socket_buffer_bytes(&self) -> usize {
        self.parts.socket_buffer_bytes
    }

    /// Whether peers are accepted.
    ///
    /// # Errors
    /// Why they are not.
    pub fn readiness(&self) -> Result<(), NotReady> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(NotReady::Stopping);
        }
        let now = self.parts.clock.now().as_millis();
        for (mailbox, shard) in self.parts.mailboxes.iter().zip(0_u16..) {
            if mailbox.finished.load(Ordering::Acquire) {
                return Err(NotReady::ShardEnded(shard));
            }
            let beat = mailbox.beat_millis.load(Ordering::Relaxed);
            if u128::from(now.saturating_sub(beat)) > STUCK_AFTER.as_millis() {
                return Err(NotReady::ShardStuck(shard));
            }
        }
        Ok(())
    }

    /// The events of all shards from now on, for a listener that may lag behind by up to `backlog`
    /// of them.
    #[must_use]
    pub fn subscribe(&self, backlog: usize) -> Subscription {
        self.parts.events.subscribe(backlog)
    }

    /// What the peers that a filter is about go through from now on, in every detail, for a watcher
    /// that may lag behind by up to `backlog` records.
    ///
    /// # Errors
    /// [`TooManyWatchers`]
    pub fn watch(
        &self,
        filter: TraceFilter,
        backlog: usize,
    ) -> Result<TraceSubscription, TooManyWatchers> {
        let subscription = self.parts.traces.subscribe(filter, backlog)?;
        // The workers look for watchers in each round; this begins one. Who does not answer in time
        // will see for itself.
        let _ = self.ask_all(|_| ());
        Ok(subscription)
    }

    /// Has one shard carry out a command. Returns `false` if there is no such SA or connection.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn command(&self, shard: u16, command: Command) -> Result<bool, Busy> {
        self.ask(shard, move |worker| {
            let now = worker.clock.now();
            worker.shard.command(command, now, &mut worker.sink)
        })
    }

    /// Has the shard to which a connection of this name and number falls initiate it. Returns `false` if there is no such
    /// connection or child.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn initiate(&self, name: &str, connection: u32, child: u16) -> Result<bool, Busy> {
        let ShardId(shard) = shard::home(name, self.shards());
        self.command(u16::from(shard), Command::Initiate { connection, child })
    }

    /// Has all shards work by another policy from now on. Standing SAs stay.
    ///
    /// # Errors
    /// [`Busy`]; the shards that answered work by the new policy already.
    pub fn replace_policy(&self, policy: &Policy) -> Result<(), Busy> {
        self.parts.directory.replace_pools(&policy.snapshot.pools);
        if let Some(routes) = &self.parts.routes {
            routes.lead_pools(&policy.snapshot.pools);
        }
        for shard in 0..self.shards() {
            self.command(shard, Command::ReplacePolicy(policy.clone()))?;
        }
        Ok(())
    }

    /// Deletes all peers with notice to them, for up to `timeout`, and ends the workers. Returns
    /// whether every peer's answer came in time. Routes go when the service is dropped, at the
    /// latest. Further calls do nothing.
    pub fn stop(&self, timeout: Duration) -> bool {
        self.stopping.store(true, Ordering::Release);
        self.parts.stop(timeout)
    }

    /// Runs a question on a shard's thread.
    pub(crate) fn ask<R: Send + 'static>(
        &self,
        shard: u16,
        question: impl FnOnce(&mut Worker) -> R + Send + 'static,
    ) -> Result<R, Busy> {
        let answer = self.pose(shard, question).ok_or(Busy)?;
        answer.recv_timeout(ASK_TIMEOUT).map_err(|_| Busy)
    }

    /// Runs a question on all shards' threads at once; the answers stand in the shards' order.
    pub(crate) fn ask_all<R: Send + 'static>(
        &self,
        question: impl Fn(&mut Worker) -> R + Clone + Send + 'static,
    ) -> Result<Vec<R>, Busy> {
        let deadline = Instant::now() + ASK_TIMEOUT;
        let posed: Vec<_> = (0..self.shards())
            .map(|shard| self.pose(shard, question.clone()))
            .collect();
        posed
            .into_iter()
            .map(|answer| {
                answer
                    .ok_or(Busy)?
                    .recv_deadline(deadline)
                    .map_err(|_| Busy)
            })
            .collect()
    }

    fn pose<R: Send + 'static>(
        &self,
        shard: u16,
        question: impl FnOnce(&mut Worker) -> R + Send + 'static,
    ) -> Option<Receiver<R>> {
        let mailbox = self.parts.mailboxes.get(usize::from(shard))?;
        let (sender, receiver) = bounded(1);
        let call = move |worker: &mut Worker| {
            // Nobody waits any more when the asker's patience has ended.
            let _ = sender.send(question(worker));
        };
        mailbox
            .post(Message::Call(Box::new(call)))
            .then_some(receiver)
    }
}
