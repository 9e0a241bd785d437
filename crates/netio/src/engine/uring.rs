use core::mem::zeroed;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;

use io_uring::types::{Fd, RecvMsgOut};
use io_uring::{cqueue, opcode};

use super::completion::{Purpose, Reception};
use super::inventory::Inventory;
use super::lent::Octets;
use super::messages::{Arrival, refuses_runs, run_len};
use super::parcel::Parcels;
use super::ring::Rings;
use super::slot::Work;
use super::submission::Submission;
use super::{EngineSettings, Wakeup};
use crate::address::{self, NAME_LEN};
use crate::cmsg::{self, CONTROL_LEN};
use crate::{
    Batch, Buffer, HEADROOM, InnerPacket, Offloads, OuterPacket, OuterSend, SendError, SocketId,
    TunId, Waker,
};

/// `struct io_uring_recvmsg_out`, then room for name and control messages, then the payload.
const PREFIX: usize = 16 + NAME_LEN + CONTROL_LEN;
const _: () = assert!(
    PREFIX <= HEADROOM,
    "the headroom holds the kernel's description"
);
/// Runs of datagrams for which the kernel has buffers.
const RUNS_AT_ONCE: u16 = 32;
/// Super-packets of TUN queues for which it has.
const SUPERS_AT_ONCE: u16 = 8;

/// Completions from io_uring: receives stay armed and take buffers from rings, sends are queued
/// and submitted together.
pub(super) struct Uring {
    // Dropped first: the rings of buffers are the kernel's until the ring itself is gone.
    submission: Submission,
    rings: Rings,
    parcels: Parcels,
    /// Names and control messages that a receive shall describe; the kernel reads it when armed.
    template: Box<libc::msghdr>,
    sockets: Vec<Reception>,
    tuns: Vec<Reception>,
    waker_armed: bool,
    waker_fd: Fd,
    woken: bool,
    staged: VecDeque<Staged>,
    /// The queue whose super-packet is being taken apart.
    splitting: Option<TunId>,
    /// Datagrams that wait for others that can leave as one with them.
    queue: Vec<(OuterSend, Buffer)>,
    queue_max: usize,
    /// What the kernel did not take as one, or not without fragments.
    singles: VecDeque<(OuterSend, Buffer)>,
    batch: usize,
    offload: Offloads,
}

enum Staged {
    Outer(OuterPacket),
    Inner(InnerPacket),
    /// A read of so many octets from a queue with offloads.
    Super(TunId, usize, Buffer),
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
        let submission = Submission::new(slots, u32::from(ring_len) * 4)?;
        // SAFETY: a header of null pointers and zero lengths is valid.
        let mut template: Box<libc::msghdr> = Box::new(unsafe { zeroed() });
        template.msg_namelen = NAME_LEN as u32;
        template.msg_controllen = CONTROL_LEN;
        Ok(Self {
            submission,
            rings: Rings::new(ring_len, PREFIX),
            parcels: Parcels::default(),
            template,
            sockets: Vec::new(),
            tuns: Vec::new(),
            waker_armed: false,
            waker_fd: Fd(waker.fd()),
            woken: false,
            staged: VecDeque::with_capacity(usize::from(ring_len) * 2),
            splitting: None,
            queue: Vec::with_capacity(settings.batch * 2),
            queue_max: settings.batch * 2,
            singles: VecDeque::new(),
            batch: settings.batch,
            offload: settings.offload,
        })
    }

    pub(super) fn watch_socket(
        &mut self,
        inventory: &mut Inventory,
        id: SocketId,
    ) -> io::Result<()> {
        inventory.use_runs(id, self.offload, usize::from(RUNS_AT_ONCE) * 2);
        let ring = &self.submission.ring;
        if inventory.receives_runs(id) {
            self.rings.add_runs(ring, RUNS_AT_ONCE)?;
        } else {
            self.rings.add_datagrams(ring)?;
        }
        self.rings.replenish(inventory);
        self.sockets.push(Reception::default());
        Ok(())
    }

    pub(super) fn watch_tun(&mut self, inventory: &mut Inventory, id: TunId) -> io::Result<()> {
        let ring = &self.submission.ring;
        if inventory.reads_supers(id) {
            inventory.runs.extend(usize::from(SUPERS_AT_ONCE) * 2);
            self.rings.add_supers(ring, SUPERS_AT_ONCE)?;
        } else {
            self.rings.add_packets(ring)?;
        }
        self.rings.replenish(inventory);
        self.tuns.push(Reception::default());
        Ok(())
    }

    pub(super) fn wait(
        &mut self,
        inventory: &mut Inventory,
        timeout: Option<Duration>,
    ) -> io::Result<Wakeup> {
        self.arm(inventory);
        let due = !self.staged.is_empty() || self.splitting.is_some() || self.woken;
        let timeout = if due { Some(Duration::ZERO) } else { timeout };
        inventory.counters.rx_calls += 1;
        self.submission.wait(timeout)?;
        self.reap(inventory);
        let woken = core::mem::take(&mut self.woken);
        Ok(Wakeup { woken })
    }

    /// Lends buffers and arms all that is not armed.
    fn arm(&mut self, inventory: &mut Inventory) {
        self.rings.replenish(inventory);
        if !self.waker_armed {
            let poll = opcode::PollAdd::new(self.waker_fd, libc::POLLIN as u32).multi(true);
            self.waker_armed = self.submission.push(&poll.build(), Purpose::Waker);
        }
        for i in 0..self.sockets.len() {
            let id = SocketId(i as u16);
            let Some(socket) = inventory.socket(id) else {
                continue;
            };
            let group = Rings::of_socket(inventory.receives_runs(id));
            if self.sockets[i].is_wanted() && self.rings.has_buffers(group) {
                let template = &raw const *self.template;
                let receive = opcode::RecvMsgMulti::new(Fd(socket.receive_fd()), template, group);
                let purpose = Purpose::Socket(id.0);
                self.sockets[i].armed = self.submission.push(&receive.build(), purpose);
            }
        }
        for i in 0..self.tuns.len() {
            let id = TunId(i as u16);
            let Some(queue) = inventory.tun(id) else {
                continue;
            };
            let group = Rings::of_tun(inventory.reads_supers(id));
            if self.tuns[i].is_wanted() && self.rings.has_buffers(group) {
                let read = opcode::ReadMulti::new(Fd(queue.fd()), 0, group);
                self.tuns[i].armed = self.submission.push(&read.build(), Purpose::Tun(id.0));
            }
        }
    }

    /// Takes all completions off the queue.
    fn reap(&mut self, inventory: &mut Inventory) {
        while let Some(completion) = self.submission.next_completion() {
            self.complete(inventory, &completion);
        }
        let submission = &self.submission;
        self.parcels.end(
            |parcel| submission.is_done(parcel),
            |buffer| inventory.give(buffer),
        );
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
            Some(Purpose::Slot(index)) => self.left(inventory, index, completion.result()),
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
        let group = Rings::of_socket(inventory.receives_runs(id));
        let number = cqueue::buffer_select(completion.flags());
        let Some(mut buffer) = number.and_then(|n| self.rings.take(group, n)) else {
            return;
        };
        let start = HEADROOM - PREFIX;
        let end = HEADROOM + buffer.payload_max();
        let described = &buffer.storage_mut()[start..end];
        let Ok(message) = RecvMsgOut::parse(described, &self.template) else {
            inventory.counters.rx_malformed += 1;
            inventory.give(buffer);
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
        let supers = inventory.reads_supers(id);
        let number = cqueue::buffer_select(completion.flags());
        let buffer = number.and_then(|n| self.rings.take(Rings::of_tun(supers), n));
        match (usize::try_from(completion.result()), buffer) {
            (Ok(len), Some(buffer)) if supers => {
                self.staged.push_back(Staged::Super(id, len, buffer));
            }
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
                buffer.into_iter().for_each(|b| inventory.give(b));
            }
        }
    }

    pub(super) fn receive(&mut self, inventory: &mut Inventory, batch: &mut Batch) -> usize {
        if self.staged.is_empty() && self.splitting.is_none() {
            self.reap(inventory);
        }
        let before = batch.len();
        loop {
            let room = self.batch.saturating_sub(batch.len() - before);
            if room == 0 {
                break;
            }
            if let Some(id) = self.splitting {
                inventory.take_apart(id, batch.inner.len() + room, batch);
                if inventory.is_taking_apart(id) {
                    break;
                }
                self.splitting = None;
                continue;
            }
            match self.staged.pop_front() {
                Some(Staged::Outer(packet)) => batch.outer.push(packet),
                Some(Staged::Inner(packet)) => batch.inner.push(packet),
                Some(Staged::Super(id, len, buffer)) => {
                    inventory.accept_super(id, len, buffer);
                    self.splitting = Some(id);
                }
                None => break,
            }
        }
        batch.len() - before
    }

    pub(super) fn send(&mut self, inventory: &mut Inventory, send: OuterSend, buffer: Buffer) {
        let fits = inventory
            .socket(send.socket)
            .is_some_and(|socket| socket.is_ipv6() == send.remote.is_ipv6());
        if !fits {
            inventory.refuse(send.tag, SendError::Unreachable);
            inventory.give(buffer);
            return;
        }
        self.queue.push((send, buffer));
        if self.queue.len() >= self.queue_max {
            self.flush(inventory);
        }
    }

    /// Makes operations of the datagrams that wait.
    fn push_queue(&mut self, inventory: &mut Inventory) {
        let mut queue = core::mem::take(&mut self.queue);
        let mut done = 0;
        while let Some(rest) = queue.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let runs = inventory.sends_runs(rest[0].0.socket);
            let count = if runs { run_len(rest) } else { 1 };
            self.push_run(inventory, &mut rest[..count]);
            done += count;
        }
        queue.clear();
        self.queue = queue;
    }

    /// Makes one operation of datagrams that may leave as one.
    fn push_run(&mut self, inventory: &mut Inventory, run: &mut [(OuterSend, Buffer)]) {
        let Some((send, _)) = run.first() else {
            return;
        };
        let send = *send;
        let Some(fd) = inventory
            .socket(send.socket)
            .map(|socket| Fd(socket.send_fd()))
        else {
            return;
        };
        if inventory.must_switch(&send) {
            self.submit(inventory);
            inventory.switch(&send);
        }
        if !self.submission.has_slots() {
            self.submit(inventory);
            self.reap(inventory);
        }
        let buffers = run.iter_mut().map(|(_, buffer)| core::mem::take(buffer));
        let Some((index, slot)) = self.submission.take_slot() else {
            for buffer in buffers {
                inventory.refuse(send.tag, SendError::QueueFull);
                inventory.give(buffer);
            }
            return;
        };
        let header = slot.datagrams(inventory, &send, buffers);
        let entry = opcode::SendMsg::new(fd, header)
            .flags(libc::MSG_DONTWAIT as u32)
            .build();
        if !self.submission.push(&entry, Purpose::Slot(index)) {
            self.left(inventory, index, -libc::ENOBUFS);
        }
    }

    /// A datagram, a run of them or a write has left, or has failed to.
    fn left(&mut self, inventory: &mut Inventory, index: u16, result: i32) {
        let send = match self.submission.work(index) {
            Some(Work::Datagrams(send)) => send,
            Some(Work::Packets(_)) => {
                let counters = &mut inventory.counters;
                return self.submission.written(counters, index, result);
            }
            None => return,
        };
        let buffers = self.submission.give_slot(index);
        let several = buffers.len() > 1;
        if send.dont_fragment && result == -libc::EMSGSIZE {
            // Rather in fragments than not at all.
            inventory.too_narrow(&send, buffers.len());
            inventory.counters.tx_runs_refused += u64::from(several);
            let send = OuterSend {
                dont_fragment: false,
                ..send
            };
            self.singles.extend(buffers.map(|buffer| (send, buffer)));
            return;
        }
        if several && result < 0 && refuses_runs(-result) {
            inventory.counters.tx_runs_refused += 1;
            // Any run would fare alike: the device does not compute checksums.
            if -result == libc::EIO {
                inventory.stop_sending_runs(send.socket);
            }
            self.singles.extend(buffers.map(|buffer| (send, buffer)));
            return;
        }
        inventory.counters.tx_runs += u64::from(several && result >= 0);
        for buffer in buffers {
            if result < 0 {
                inventory.refuse(send.tag, SendError::from_errno(-result));
            } else {
                inventory.counters.sent(buffer.len());
            }
            inventory.give(buffer);
        }
    }

    /// Queues the writes of the packets that wait for the TUN queues. Those that were not copied lie
    /// in the buffers of `outer`, which are kept until they are written.
    pub(super) fn write_tuns(&mut self, inventory: &mut Inventory, outer: &mut Vec<OuterPacket>) {
        if inventory.departing.is_empty() {
            return;
        }
        let received = outer.drain(..).map(|packet| packet.buffer);
        let parcel = self.parcels.open(received);
        self.submission.begin(parcel);
        let submission = &mut self.submission;
        let lent = self.parcels.buffers(parcel);
        inventory.coalesce(
            |index| lent.get(index),
            |counters, queue, leaving| submission.write(counters, queue, leaving, parcel),
        );
        let own = inventory
            .departing
            .drain(..)
            .filter_map(|(_, octets)| match octets {
                Octets::Own(buffer) => Some(buffer),
                Octets::Lent(_) => None,
            });
        self.parcels.add(parcel, own);
    }

    fn submit(&mut self, inventory: &mut Inventory) {
        inventory.counters.tx_calls += u64::from(self.submission.submit());
    }

    pub(super) fn flush(&mut self, inventory: &mut Inventory) {
        self.push_queue(inventory);
        self.submit(inventory);
        self.reap(inventory);
        while let Some((send, buffer)) = self.singles.pop_front() {
            self.push_run(inventory, &mut [(send, buffer)]);
            if self.singles.is_empty() {
                self.submit(inventory);
                self.reap(inventory);
            }
        }
    }
}

impl Drop for Uring {
    /// The kernel must not write into memory that is free for other uses: wait until it has let
    /// go, and leak the memory if it does not.
    fn drop(&mut self) {
        if !self.submission.cancel() {
            self.rings.leak();
            self.parcels.leak();
            self.submission.leak();
        }
    }
}
