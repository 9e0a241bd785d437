//! One interface to two ways of moving packets: readiness with batched calls, and completions.

mod completion;
mod epoll;
mod inventory;
mod lent;
mod messages;
mod parcel;
#[cfg(test)]
mod refused_supers;
mod ring;
mod slot;
mod submission;
mod tun;
mod uring;

use core::marker::PhantomData;
use core::time::Duration;
use std::io;

use self::epoll::Epoll;
use self::inventory::Inventory;
use self::lent::Octets;
use self::uring::Uring;
use crate::{
    Batch, Buffer, Counters, NarrowPath, Offloads, OuterSend, OuterSocket, Refused, SendError,
    SocketId, TunId, TunQueue, Waker,
};

/// Receive errors in a row after which a descriptor is left alone.
const ERRORS_IN_A_ROW_MAX: u32 = 16;

/// Which engine to build.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EngineKind {
    /// The one that was measured to be faster on the whole path where both can run: epoll.
    #[default]
    Auto,
    /// io_uring: multishot receives into provided buffers (Linux 6.7 or later).
    IoUring,
    /// epoll with `recvmmsg` and `sendmmsg`.
    Epoll,
}

/// Sizes of an engine. All its memory is allocated when it is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineSettings {
    /// Which engine to build.
    pub kind: EngineKind,
    /// Most packets that one call receives or sends.
    pub batch: usize,
    /// Buffers for packets under way, at least eight batches.
    pub buffers: usize,
    /// Octets of the largest payload; larger datagrams are dropped and counted.
    pub payload_max: usize,
    /// What the kernel shall do for us, where it can.
    pub offload: Offloads,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            kind: EngineKind::Auto,
            batch: 64,
            buffers: 1024,
            payload_max: 9216,
            offload: Offloads::ALL,
        }
    }
}

/// Why [`Engine::wait`] returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wakeup {
    /// A [`Waker`] was used.
    pub woken: bool,
}

/// Moves packets for one thread. It stays on the thread that built it.
pub struct Engine {
    // Dropped before the inventory, whose buffers and descriptors it may still use.
    driver: Driver,
    inventory: Inventory,
    waker: Waker,
    /// Datagrams of the batch that the caller works on.
    sends: Vec<(OuterSend, Octets)>,
    /// Packets that may wait for their queues before they are written.
    departing_max: usize,
    /// The completion ring serves only the thread that made it.
    not_send: PhantomData<*const ()>,
}

enum Driver {
    Epoll(Box<Epoll>),
    Uring(Box<Uring>),
}

impl Engine {
    /// Builds an engine without sockets.
    ///
    /// # Errors
    /// Those of the operating system; with [`EngineKind::IoUring`] also that this kernel lacks a
    /// part of it.
    pub fn new(settings: &EngineSettings) -> io::Result<Self> {
        let waker = Waker::new()?;
        let mut inventory = Inventory::new(settings);
        let driver = match settings.kind {
            EngineKind::IoUring => {
                Driver::Uring(Box::new(Uring::new(settings, &mut inventory, &waker)?))
            }
            EngineKind::Auto | EngineKind::Epoll => {
                Driver::Epoll(Box::new(Epoll::new(settings, &waker)?))
            }
        };
        Ok(Self {
            driver,
            inventory,
            waker,
            sends: Vec::with_capacity(settings.batch * 2),
            departing_max: settings.batch * 2,
            not_send: PhantomData,
        })
    }

    /// The engine that was built: never [`EngineKind::Auto`].
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        match self.driver {
            Driver::Epoll(_) => EngineKind::Epoll,
            Driver::Uring(_) => EngineKind::IoUring,
        }
    }

    /// Attaches a socket.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn attach_socket(&mut self, socket: OuterSocket) -> io::Result<SocketId> {
        let id = self.inventory.add_socket(socket)?;
        match &mut self.driver {
            Driver::Epoll(epoll) => epoll.watch_socket(&mut self.inventory, id)?,
            Driver::Uring(uring) => uring.watch_socket(&mut self.inventory, id)?,
        }
        Ok(id)
    }

    /// Attaches a TUN queue.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn attach_tun(&mut self, queue: TunQueue) -> io::Result<TunId> {
        let id = self.inventory.add_tun(queue)?;
        match &mut self.driver {
            Driver::Epoll(epoll) => epoll.watch_tun(&self.inventory, id)?,
            Driver::Uring(uring) => uring.watch_tun(&mut self.inventory, id)?,
        }
        Ok(id)
    }

    /// Something that ends this engine's `wait` from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until there may be something to receive, a waker is used, or `timeout` has passed
    /// (`None`: for ever). Sends what is queued first.
    ///
    /// # Errors
    /// Only such that make the engine useless; errors of single sockets are counted instead.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Wakeup> {
        self.flush();
        let wakeup = match &mut self.driver {
            Driver::Epoll(epoll) => epoll.wait(timeout)?,
            Driver::Uring(uring) => uring.wait(&mut self.inventory, timeout)?,
        };
        if wakeup.woken {
            self.waker.drain();
            self.inventory.counters.wakeups_by_waker += 1;
        }
        self.inventory.counters.wakeups += 1;
        Ok(wakeup)
    }

    /// Adds up to a batch of received packets to `batch`; 0 when there is nothing left to receive
    /// before the next `wait`. Hand the buffers back with [`Engine::recycle`].
    pub fn receive(&mut self, batch: &mut Batch) -> usize {
        match &mut self.driver {
            Driver::Epoll(epoll) => epoll.receive(&mut self.inventory, batch),
            Driver::Uring(uring) => uring.receive(&mut self.inventory, batch),
        }
    }

    /// Lends `batch` to the caller's work: until it is recycled, a slice of one of its buffers that
    /// is passed to [`send_bytes`](Self::send_bytes) or [`write_tun_bytes`](Self::write_tun_bytes)
    /// leaves from where it lies. Its octets must stay as they are until then.
    pub fn lend(&mut self, batch: &Batch) {
        self.inventory.lent.note(batch);
    }

    /// Sends and writes what leaves from the buffers of `batch`, takes the buffers of all its packets
    /// back and empties it.
    pub fn recycle(&mut self, batch: &mut Batch) {
        self.inventory.lent.clear();
        let mut sends = core::mem::take(&mut self.sends);
        for (send, octets) in sends.drain(..) {
            let buffer = match octets {
                Octets::Own(buffer) => Some(buffer),
                Octets::Lent(place) => place.take(&mut batch.inner),
            };
            match buffer {
                Some(buffer) => self.send_now(send, buffer),
                None => self.inventory.refuse(send.tag, SendError::QueueFull),
            }
        }
        self.sends = sends;
        self.write_tuns(batch);
        for packet in batch.outer.drain(..) {
            self.inventory.give(packet.buffer);
        }
        for packet in batch.inner.drain(..) {
            self.inventory.pool.give(packet.buffer);
        }
    }

    /// An empty buffer to be sent, or `None` when all are in use.
    pub fn buffer(&mut self) -> Option<Buffer> {
        if self.inventory.pool.available() == 0 {
            self.flush();
        }
        self.inventory.pool.take()
    }

    /// Takes back a buffer that was not sent.
    pub fn give(&mut self, buffer: Buffer) {
        self.inventory.give(buffer);
    }

    /// Queues a datagram whose payload is in `buffer`. A full queue is flushed first.
    pub fn send(&mut self, send: OuterSend, buffer: Buffer) {
        if self.sends.is_empty() {
            self.send_now(send, buffer);
        } else {
            self.sends.push((send, Octets::Own(buffer)));
        }
    }

    fn send_now(&mut self, send: OuterSend, buffer: Buffer) {
        match &mut self.driver {
            Driver::Epoll(epoll) => epoll.send(&mut self.inventory, send, buffer),
            Driver::Uring(uring) => uring.send(&mut self.inventory, send, buffer),
        }
    }

    /// Moves the datagrams with a tag that were queued and did not leave to `refused`. One that was
    /// queued last is known after the next [`flush`](Self::flush), with `io_uring` after the next
    /// [`wait`](Self::wait). No more than a few thousand are kept.
    pub fn take_refused(&mut self, refused: &mut Vec<Refused>) {
        refused.append(&mut self.inventory.refused);
    }

    /// Adds the paths on which datagrams that must not be fragmented turned out too large to
    /// `narrow`, each once. The kernel is asked for their MTU, so that only a few are told at a time.
    pub fn take_narrow(&mut self, narrow: &mut Vec<NarrowPath>) {
        let inventory = &mut self.inventory;
        let mut found = core::mem::take(&mut inventory.narrow);
        narrow.extend(found.drain().filter_map(|(id, remote)| {
            let mtu = inventory.socket(id)?.path_mtu(remote).ok()?;
            Some(NarrowPath {
                socket: id,
                remote: remote.ip(),
                mtu,
            })
        }));
        inventory.narrow = found;
    }

    /// Queues a datagram with a copy of `payload`, or with `payload` itself if it lies in a buffer
    /// from a TUN queue that was [lent](Self::lend).
    pub fn send_bytes(&mut self, send: OuterSend, payload: &[u8]) {
        if let Some(place) = self.inventory.lent.in_inner(payload) {
            self.sends.push((send, Octets::Lent(place)));
            return;
        }
        match self.filled(payload) {
            Some(buffer) => self.send(send, buffer),
            None => self.inventory.refuse(send.tag, SendError::QueueFull),
        }
    }

    /// Queues an IP packet to be written to a TUN queue. Packets of one flow may wait for each
    /// other until [`Engine::flush`].
    pub fn write_tun(&mut self, tun: TunId, buffer: Buffer) {
        self.inventory.departing.push((tun, Octets::Own(buffer)));
        if self.inventory.departing.len() >= self.departing_max {
            self.flush_tuns();
        }
    }

    /// Writes a copy of an IP packet to a TUN queue, as [`Engine::write_tun`] does, or the packet
    /// itself if it lies in a buffer from a socket that was [lent](Self::lend).
    pub fn write_tun_bytes(&mut self, tun: TunId, packet: &[u8]) {
        if let Some(place) = self.inventory.lent.in_outer(packet) {
            self.inventory.departing.push((tun, Octets::Lent(place)));
            return;
        }
        match self.filled(packet) {
            Some(buffer) => self.write_tun(tun, buffer),
            None => (self.inventory.counters).tun_written(Err(libc::ENOBUFS), 1, 0),
        }
    }

    /// Writes the IP packets that wait for TUN queues. While a batch is lent, packets of it may be among
    /// those that wait, and nothing is written.
    pub fn flush_tuns(&mut self) {
        if self.inventory.lent.is_empty() {
            self.write_tuns(&mut Batch::with_capacity(0));
        }
    }

    fn write_tuns(&mut self, batch: &mut Batch) {
        match &mut self.driver {
            Driver::Epoll(_) => self.inventory.write_tuns(&batch.outer),
            Driver::Uring(uring) => uring.write_tuns(&mut self.inventory, &mut batch.outer),
        }
    }

    fn filled(&mut self, payload: &[u8]) -> Option<Buffer> {
        let mut buffer = self.buffer()?;
        if buffer.fill(payload) {
            return Some(buffer);
        }
        self.give(buffer);
        None
    }

    /// Whether what [`flush_tuns`](Self::flush_tuns) writes has passed the kernel when it returns, so that several threads can write in an order that they agree on.
    #[must_use]
    pub const fn writes_in_order(&self) -> bool {
        matches!(self.driver, Driver::Epoll(_))
    }

    /// Hands all that is queued to the kernel.
    pub fn flush(&mut self) {
        self.flush_tuns();
        match &mut self.driver {
            Driver::Epoll(epoll) => epoll.flush(&mut self.inventory),
            Driver::Uring(uring) => uring.flush(&mut self.inventory),
        }
    }

    /// The offloads that the attached sockets and queues use.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        self.inventory.offloads
    }

    /// Asks the kernel what it has dropped of what came to the sockets, a call for each. A later datagram
    /// tells, too; but after drops there may be none.
    pub fn count_drops(&mut self) {
        self.inventory.count_drops();
    }

    /// Datagrams that the kernel is known to have dropped because the receive buffer of this socket was full.
    #[must_use]
    pub fn socket_drops(&self, socket: SocketId) -> u64 {
        self.inventory.drops(socket)
    }

    /// What this engine has done since it was built.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inventory.counters
    }

    /// Buffers that are not in use.
    #[must_use]
    pub fn buffers_available(&self) -> usize {
        self.inventory.pool.available()
    }
}
