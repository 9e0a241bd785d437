use core::mem::zeroed;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;

use io_uring::types::{CancelBuilder, Fd, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};

use super::completion::{Purpose, Reception};
use super::inventory::Inventory;
use super::lent::Octets;
use super::messages::Arrival;
use super::ring::BufferRing;
use super::slot::Slot;
use super::{EngineSettings, Wakeup};
use crate::address::{self, NAME_LEN};
use crate::cmsg::{self, CONTROL_LEN};
use crate::{
    Batch, Buffer, HEADROOM, InnerPacket, OuterPacket, OuterSend, SendError, SocketId, TunId, Waker,
};

const DATAGRAMS: u16 = 0;
const PACKETS: u16 = 1;
/// `struct io_uring_recvmsg_out`, then room for name and control messages, then the payload.
const PREFIX: usize = 16 + NAME_LEN + CONTROL_LEN;
const _: () = assert!(
    PREFIX <= HEADROOM,
    "the headroom holds the kernel's description"
);
/// How long `drop` waits for the kernel to let go of our buffers.
const CANCEL_WAIT: Duration = Duration::from_secs(1);

/// Completions from io_uring: receives stay armed and take buffers from rings, sends are queued
/// and submitted together.
pub(super) struct Uring {
    ring: IoUring,
    /// Names and control messages that a receive shall describe; the kernel reads it when armed.
    template: Box<libc::msghdr>,
    datagrams: BufferRing,
    packets: Option<BufferRing>,
    ring_len: u16,
    slots: Box<[Slot]>,
    slots_free: Vec<u16>,
    sockets: Vec<Reception>,
    tuns: Vec<Reception>,
    waker_armed: bool,
    waker_fd: Fd,
    woken: bool,
    staged: VecDeque<Staged>,
    batch: usize,
}

enum Staged {
    Outer(OuterPacket),
    Inner(InnerPacket),
}

impl Uring {
    pub(super) fn new(
        settings: &EngineSettings,
        inventory: &mut Inventory,
        waker: &Waker,
    ) -> io::Result<Self> {
        let slots = u16::try_from(settings.batch * 4).map_err(|_| io::ErrorKind::InvalidInput)?;
        let quarter = (inventory.pool.available() / 4).clamp(8, 4096) as u16;
        let ring_len = 1 << quarter.ilog2();
        // One thread submits, and completions are made ready only when it asks for them.
        let ring = IoUring::builder()
            .setup_cqsize(u32::from(ring_len) * 4 + u32::from(slots))
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(u32::from(slots).next_power_of_two())?;
        require_multishot(&ring)?;
        // SAFETY: a header of null pointers and zero lengths is valid.
        let mut template: Box<libc::msghdr> = Box::new(unsafe { zeroed() });
        template.msg_namelen = NAME_LEN as u32;
        template.msg_controllen = CONTROL_LEN;
        let mut datagrams = BufferRing::new(&ring, DATAGRAMS, ring_len, PREFIX)?;
        datagrams.replenish(&mut inventory.pool);
        Ok(Self {
            ring,
            template,
            datagrams,
            packets: None,
            ring_len,
            slots: (0..slots).map(|_| Slot::new()).collect(),
            slots_free: (0..slots).rev().collect(),
            sockets: Vec::new(),
            tuns: Vec::new(),
            waker_armed: false,
            waker_fd: Fd(waker.fd()),
            woken: false,
            staged: VecDeque::with_capacity(usize::from(ring_len) * 2),
            batch: settings.batch,
        })
    }

    pub(super) fn watch_socket(&mut self) {
        self.sockets.push(Reception::default());
    }

    pub(super) fn watch_tun(&mut self, inventory: &mut Inventory) -> io::Result<()> {
        if self.packets.is_none() {
            let mut packets = BufferRing::new(&self.ring, PACKETS, self.ring_len, 0)?;
            packets.replenish(&mut inventory.pool);
            self.packets = Some(packets);
        }
        self.tuns.push(Reception::default());
        Ok(())
    }

    pub(super) fn wait(
        &mut self,
        inventory: &mut Inventory,
        timeout: Option<Duration>,
    ) -> io::Result<Wakeup> {
        self.arm(inventory);
        let due = !self.staged.is_empty() || self.woken;
        let timeout = if due { Some(Duration::ZERO) } else { timeout };
        inventory.counters.rx_calls += 1;
        let timespec = timeout.map(Timespec::from);
        let mut args = SubmitArgs::new();
        if let Some(timespec) = &timespec {
            args = args.timespec(timespec);
        }
        match self.ring.submitter().submit_with_args(1, &args) {
            Err(error) if !is_passing(&error) => return Err(error),
            _ => {}
        }
        self.reap(inventory);
        let woken = core::mem::take(&mut self.woken);
        Ok(Wakeup { woken })
    }

    /// Lends buffers and arms all that is not armed.
    fn arm(&mut self, inventory: &mut Inventory) {
        self.datagrams.replenish(&mut inventory.pool);
        if let Some(packets) = &mut self.packets {
            packets.replenish(&mut inventory.pool);
        }
        if !self.waker_armed {
            let poll = opcode::PollAdd::new(self.waker_fd, libc::POLLIN as u32).multi(true);
            self.waker_armed = self.push(&poll.build(), Purpose::Waker);
        }
        for i in 0..self.sockets.len() {
            let id = SocketId(i as u16);
            let Some(socket) = inventory.socket(id) else {
                continue;
            };
            if self.sockets[i].is_wanted() && !self.datagrams.is_empty() {
                let receive = opcode::RecvMsgMulti::new(
                    Fd(socket.fd()),
                    &raw const *self.template,
                    DATAGRAMS,
                );
                self.sockets[i].armed = self.push(&receive.build(), Purpose::Socket(id.0));
            }
        }
        for i in 0..self.tuns.len() {
            let id = TunId(i as u16);
            let Some(queue) = inventory.tun(id) else {
                continue;
            };
            if self.tuns[i].is_wanted() && self.packets.as_ref().is_some_and(|p| !p.is_empty()) {
                let read = opcode::ReadMulti::new(Fd(queue.fd()), 0, PACKETS);
                self.tuns[i].armed = self.push(&read.build(), Purpose::Tun(id.0));
            }
        }
    }

    /// Queues an operation; a full submission queue is submitted first.
    fn push(&mut self, entry: &squeue::Entry, purpose: Purpose) -> bool {
        let entry = entry.clone().user_data(purpose.pack());
        for _ in 0..2 {
            // SAFETY: whatever the entry points to lies in the template, in a slot or in a buffer
            // held by a slot or a ring, none of which moves or is freed before its completion.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return true;
            }
            let _ = self.ring.submit();
        }
        false
    }

    /// Takes all completions off the queue.
    fn reap(&mut self, inventory: &mut Inventory) {
        while let Some(completion) = {
            let mut completions = self.ring.completion();
            completions.next()
        } {
            self.complete(inventory, &completion);
        }
    }

    fn complete(&mut self, inventory: &mut Inventory, completion: &cqueue::Entry) {
        let more = cqueue::more(completion.flags());
        match Purpose::unpack(completion.user_data()) {
            Some(Purpose::Waker) => {
                self.woken = true;
                self.waker_armed = more;
            }
            Some(Purpose::Socket(index)) => {
                self.sockets[usize::from(index)].note(more, completion.result());
                self.received(inventory, SocketId(index), completion);
            }
            Some(Purpose::Tun(index)) => {
                self.tuns[usize::from(index)].note(more, completion.result());
                self.read(inventory, TunId(index), completion);
            }
            Some(Purpose::Slot(index)) => self.sent(inventory, index, completion.result()),
            None => {}
        }
    }

    fn received(&mut self, inventory: &mut Inventory, id: SocketId, completion: &cqueue::Entry) {
        if completion.result() < 0 {
            match -completion.result() {
                libc::ENOBUFS => inventory.counters.rx_no_buffer += 1,
                libc::ECANCELED => {}
                _ => inventory.counters.rx_errors += 1,
            }
        }
        let number = cqueue::buffer_select(completion.flags());
        let Some(mut buffer) = number.and_then(|n| self.datagrams.take(n)) else {
            return;
        };
        let start = HEADROOM - PREFIX;
        let end = HEADROOM + buffer.payload_max();
        let described = &buffer.storage_mut()[start..end];
        let Ok(message) = RecvMsgOut::parse(described, &self.template) else {
            inventory.counters.rx_malformed += 1;
            inventory.pool.give(buffer);
            return;
        };
        let len = message.payload_data().len();
        let arrival = Arrival {
            remote: address::decode(message.name_data()),
            told: cmsg::decode(message.control_data()),
            truncated: message.is_payload_truncated(),
            len,
        };
        buffer.set_range(HEADROOM..HEADROOM + len);
        let packet = inventory.accept(id, arrival, buffer);
        self.staged.extend(packet.map(Staged::Outer));
    }

    fn read(&mut self, inventory: &mut Inventory, id: TunId, completion: &cqueue::Entry) {
        let number = cqueue::buffer_select(completion.flags());
        let buffer = number.and_then(|n| self.packets.as_mut()?.take(n));
        match (usize::try_from(completion.result()), buffer) {
            (Ok(len), Some(buffer)) => {
                let packet = inventory.accept_inner(id, len, buffer);
                self.staged.extend(packet.map(Staged::Inner));
            }
            (Ok(_), None) => {}
            (Err(_), buffer) => {
                match -completion.result() {
                    libc::ENOBUFS => inventory.counters.rx_no_buffer += 1,
                    libc::ECANCELED => {}
                    _ => inventory.counters.tun_rx_errors += 1,
                }
                buffer.into_iter().for_each(|b| inventory.pool.give(b));
            }
        }
    }

    fn sent(&mut self, inventory: &mut Inventory, index: u16, result: i32) {
        let Some(slot) = self.slots.get_mut(usize::from(index)) else {
            return;
        };
        let outcome = usize::try_from(result).map_err(|_| -result);
        match (slot.tag, outcome) {
            (Some(_), Ok(octets)) => inventory.counters.sent(octets),
            (Some(tag), Err(errno)) => inventory.refuse(tag, SendError::from_errno(errno)),
            (None, outcome) => {
                let octets = outcome.map_or(0, |octets| octets as u64);
                inventory
                    .counters
                    .tun_written(outcome.map(|_| ()), 1, octets);
            }
        }
        if let Some(buffer) = slot.buffer.take() {
            inventory.pool.give(buffer);
        }
        self.slots_free.push(index);
    }

    pub(super) fn receive(&mut self, inventory: &mut Inventory, batch: &mut Batch) -> usize {
        if self.staged.is_empty() {
            self.reap(inventory);
        }
        let count = self.staged.len().min(self.batch);
        for staged in self.staged.drain(..count) {
            match staged {
                Staged::Outer(packet) => batch.outer.push(packet),
                Staged::Inner(packet) => batch.inner.push(packet),
            }
        }
        count
    }

    pub(super) fn send(&mut self, inventory: &mut Inventory, send: OuterSend, buffer: Buffer) {
        let Some(socket) = inventory.socket(send.socket) else {
            inventory.refuse(send.tag, SendError::Unreachable);
            inventory.pool.give(buffer);
            return;
        };
        let fd = Fd(socket.fd());
        if socket.is_ipv6() != send.remote.is_ipv6() {
            inventory.refuse(send.tag, SendError::Unreachable);
            inventory.pool.give(buffer);
            return;
        }
        if inventory.must_switch(&send) {
            self.submit(inventory);
            inventory.switch(&send);
        }
        let Some(index) = self.slot(inventory) else {
            inventory.refuse(send.tag, SendError::QueueFull);
            inventory.pool.give(buffer);
            return;
        };
        let header = self.slots[usize::from(index)].datagram(inventory, &send, buffer);
        let entry = opcode::SendMsg::new(fd, header)
            .flags(libc::MSG_DONTWAIT as u32)
            .build();
        if !self.push(&entry, Purpose::Slot(index)) {
            self.sent(inventory, index, -libc::ENOBUFS);
        }
    }

    /// Queues the writes of the packets that wait for the queues.
    pub(super) fn write_tuns(&mut self, inventory: &mut Inventory, outer: &mut [OuterPacket]) {
        let mut departing = core::mem::take(&mut inventory.departing);
        for (tun, octets) in departing.drain(..) {
            let buffer = match octets {
                Octets::Own(buffer) => Some(buffer),
                Octets::Lent(place) => inventory
                    .pool
                    .take()
                    .and_then(|mut buffer| buffer.fill(place.octets(outer)).then_some(buffer)),
            };
            match buffer {
                Some(buffer) => self.write_tun(inventory, tun, buffer),
                None => inventory.counters.tun_written(Err(libc::ENOBUFS), 1, 0),
            }
        }
        inventory.departing = departing;
    }

    fn write_tun(&mut self, inventory: &mut Inventory, tun: TunId, buffer: Buffer) {
        let fd = inventory.tun(tun).map(|queue| Fd(queue.fd()));
        let (Some(fd), Some(index)) = (fd, self.slot(inventory)) else {
            inventory.counters.tun_written(Err(libc::ENOBUFS), 1, 0);
            inventory.pool.give(buffer);
            return;
        };
        let (octets, len) = self.slots[usize::from(index)].write(buffer);
        let entry = opcode::Write::new(fd, octets, len).build();
        if !self.push(&entry, Purpose::Slot(index)) {
            self.sent(inventory, index, -libc::ENOBUFS);
        }
    }

    /// A slot for one more send; when none is free, those under way are submitted and collected.
    fn slot(&mut self, inventory: &mut Inventory) -> Option<u16> {
        if self.slots_free.is_empty() {
            self.flush(inventory);
        }
        self.slots_free.pop()
    }

    fn submit(&mut self, inventory: &mut Inventory) {
        if self.ring.submission().is_empty() {
            return;
        }
        inventory.counters.tx_calls += 1;
        let _ = self.ring.submit();
    }

    pub(super) fn flush(&mut self, inventory: &mut Inventory) {
        self.submit(inventory);
        self.reap(inventory);
    }
}

impl Drop for Uring {
    /// The kernel must not write into memory that is free for other uses: wait until it has let
    /// go, and leak the memory if it does not.
    fn drop(&mut self) {
        let wait = Timespec::from(CANCEL_WAIT);
        let cancelled = self
            .ring
            .submitter()
            .register_sync_cancel(Some(wait), CancelBuilder::any());
        match cancelled {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => self.leak(),
            _ => {}
        }
    }
}

impl Uring {
    fn leak(&mut self) {
        self.datagrams.leak();
        if let Some(packets) = &mut self.packets {
            packets.leak();
        }
        core::mem::forget(core::mem::take(&mut self.slots));
    }
}

/// Multishot reads (Linux 6.7) are the newest operation used.
fn require_multishot(ring: &IoUring) -> io::Result<()> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    let needed = [
        opcode::ReadMulti::CODE,
        opcode::SendMsg::CODE,
        opcode::RecvMsgMulti::CODE,
    ];
    if needed.into_iter().all(|code| probe.is_supported(code)) {
        return Ok(());
    }
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Timeouts, signals and a full completion queue are answered by reaping and waiting again.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
    )
}
