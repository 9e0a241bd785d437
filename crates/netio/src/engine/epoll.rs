use core::time::Duration;
use std::collections::VecDeque;
use std::io;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::inventory::Inventory;
use super::messages::Messages;
use super::{ERRORS_IN_A_ROW_MAX, EngineSettings, Wakeup};
use crate::{Batch, Buffer, Offloads, OuterSend, SendError, SocketId, TunId, Waker};

const WAKER: Token = Token(usize::MAX);
/// Runs of datagrams that one call receives. Each may hold as many datagrams as a whole batch.
const RUNS_AT_ONCE: usize = 16;

/// Readiness from mio, packets by batched calls.
///
/// mio reports edges, so that a source stays in `ready` until a read of it found nothing.
pub(super) struct Epoll {
    poll: Poll,
    events: Events,
    sources: Vec<Source>,
    ready: VecDeque<usize>,
    messages: Messages,
    rx_buffers: Vec<Buffer>,
    /// The same for sockets that receive runs.
    rx_runs: Vec<Buffer>,
    offload: Offloads,
    tx_queues: Vec<Vec<(OuterSend, Buffer)>>,
    tx_queue_max: usize,
}

struct Source {
    kind: SourceKind,
    queued: bool,
    errors_in_a_row: u32,
}

#[derive(Clone, Copy)]
enum SourceKind {
    Socket(SocketId),
    Tun(TunId),
}

/// What serving a source found.
pub(super) enum Drained {
    /// A read found nothing more.
    Empty,
    /// There may be more, now or as soon as a buffer is free.
    More,
    Failed,
}

impl Epoll {
    pub(super) fn new(settings: &EngineSettings, waker: &Waker) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut SourceFd(&waker.fd()), WAKER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(64),
            sources: Vec::new(),
            ready: VecDeque::new(),
            messages: Messages::new(settings.batch, settings.batch * 2),
            rx_buffers: Vec::with_capacity(settings.batch),
            rx_runs: Vec::with_capacity(RUNS_AT_ONCE),
            offload: settings.offload,
            tx_queues: Vec::new(),
            tx_queue_max: settings.batch * 2,
        })
    }

    pub(super) fn watch_socket(
        &mut self,
        inventory: &mut Inventory,
        id: SocketId,
    ) -> io::Result<()> {
        inventory.use_runs(id, self.offload, RUNS_AT_ONCE * 2);
        let socket = inventory.socket(id).ok_or(io::ErrorKind::NotFound)?;
        self.tx_queues.push(Vec::with_capacity(self.tx_queue_max));
        self.watch(socket.receive_fd(), SourceKind::Socket(id))
    }

    pub(super) fn watch_tun(&mut self, inventory: &Inventory, id: TunId) -> io::Result<()> {
        let queue = inventory.tun(id).ok_or(io::ErrorKind::NotFound)?;
        self.watch(queue.fd(), SourceKind::Tun(id))
    }

    fn watch(&mut self, fd: i32, kind: SourceKind) -> io::Result<()> {
        let token = Token(self.sources.len());
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        self.sources.push(Source {
            kind,
            queued: false,
            errors_in_a_row: 0,
        });
        Ok(())
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Wakeup> {
        let timeout = if self.ready.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut wakeup = Wakeup::default();
        for event in &self.events {
            let token = event.token();
            if token == WAKER {
                wakeup.woken = true;
            } else if let Some(source) = self.sources.get_mut(token.0)
                && !source.queued
            {
                source.queued = true;
                self.ready.push_back(token.0);
            }
        }
        Ok(wakeup)
    }

    /// Serves the ready sources in turn until one yields something.
    pub(super) fn receive(&mut self, inventory: &mut Inventory, batch: &mut Batch) -> usize {
        let before = batch.len();
        for _ in 0..self.ready.len() {
            let Some(index) = self.ready.pop_front() else {
                break;
            };
            let drained = match self.sources[index].kind {
                SourceKind::Socket(id) => self.receive_outer(inventory, id, batch),
                SourceKind::Tun(id) => inventory.read_tun(id, self.messages.batch(), batch),
            };
            self.reschedule(index, &drained);
            if batch.len() > before {
                break;
            }
        }
        batch.len() - before
    }

    fn reschedule(&mut self, index: usize, drained: &Drained) {
        let source = &mut self.sources[index];
        source.errors_in_a_row = match drained {
            Drained::Failed => source.errors_in_a_row + 1,
            Drained::Empty | Drained::More => 0,
        };
        source.queued = match drained {
            Drained::Empty => false,
            Drained::More => true,
            Drained::Failed => source.errors_in_a_row < ERRORS_IN_A_ROW_MAX,
        };
        if source.queued {
            self.ready.push_back(index);
        }
    }

    fn receive_outer(
        &mut self,
        inventory: &mut Inventory,
        id: SocketId,
        batch: &mut Batch,
    ) -> Drained {
        let runs = inventory.receives_runs(id);
        self.prefetch(inventory, runs);
        let buffers = if runs {
            &mut self.rx_runs
        } else {
            &mut self.rx_buffers
        };
        if buffers.is_empty() {
            inventory.counters.rx_no_buffer += 1;
            return Drained::More;
        }
        let Some(fd) = inventory.socket(id).map(|socket| socket.receive_fd()) else {
            return Drained::Empty;
        };
        inventory.counters.rx_calls += 1;
        let asked = buffers.len();
        match self.messages.receive(fd, buffers) {
            Ok(count) => {
                for (i, mut buffer) in buffers.drain(..count).enumerate() {
                    let arrival = self.messages.arrival(i);
                    let start = buffer.range().start;
                    let len = arrival.len.min(buffer.payload_max());
                    buffer.set_range(start..start + len);
                    batch.outer.extend(inventory.accept(id, arrival, buffer));
                }
                if count < asked {
                    Drained::Empty
                } else {
                    Drained::More
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Drained::Empty,
            Err(_) => {
                inventory.counters.rx_errors += 1;
                Drained::Failed
            }
        }
    }

    fn prefetch(&mut self, inventory: &mut Inventory, runs: bool) {
        let (buffers, pool, wanted) = if runs {
            (&mut self.rx_runs, &mut inventory.runs, RUNS_AT_ONCE)
        } else {
            let wanted = self.messages.batch();
            (&mut self.rx_buffers, &mut inventory.pool, wanted)
        };
        while buffers.len() < wanted.min(self.messages.batch())
            && let Some(buffer) = pool.take()
        {
            buffers.push(buffer);
        }
    }

    pub(super) fn send(&mut self, inventory: &mut Inventory, send: OuterSend, buffer: Buffer) {
        let index = usize::from(send.socket.0);
        let fits = inventory
            .socket(send.socket)
            .is_some_and(|socket| socket.is_ipv6() == send.remote.is_ipv6());
        let Some(queue) = self.tx_queues.get_mut(index).filter(|_| fits) else {
            inventory.refuse(send.tag, SendError::Unreachable);
            inventory.give(buffer);
            return;
        };
        queue.push((send, buffer));
        if queue.len() >= self.tx_queue_max {
            flush_queue(&mut self.messages, inventory, queue);
        }
    }

    pub(super) fn flush(&mut self, inventory: &mut Inventory) {
        for queue in &mut self.tx_queues {
            if !queue.is_empty() {
                flush_queue(&mut self.messages, inventory, queue);
            }
        }
    }
}

/// Sends one socket's queue in runs of the same DF.
fn flush_queue(
    messages: &mut Messages,
    inventory: &mut Inventory,
    queue: &mut Vec<(OuterSend, Buffer)>,
) {
    for run in queue.chunk_by_mut(|a, b| a.0.dont_fragment == b.0.dont_fragment) {
        let Some((first, _)) = run.first() else {
            continue;
        };
        let Some(fd) = inventory
            .socket(first.socket)
            .map(|socket| socket.send_fd())
        else {
            continue;
        };
        inventory.adjust(first);
        let runs = inventory.sends_runs(first.socket);
        messages.send(fd, inventory, run, runs);
    }
    for (_, buffer) in queue.drain(..) {
        inventory.give(buffer);
    }
}
