//! The ring's two queues, and the slots that describe what is under way in it.

use core::mem::{forget, take};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};

use super::completion::Purpose;
use super::slot::{Slot, Work};
use super::tun::refuses_supers;
use crate::segmentation::Leaving;
use crate::{Buffer, Counters, TunQueue};

/// How long `drop` waits for the kernel to let go of our buffers.
const CANCEL_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Submission {
    pub(super) ring: IoUring,
    slots: Box<[Slot]>,
    free: Vec<u16>,
    /// Writes under way, by parcel.
    writes: Vec<u32>,
    /// Completions that were taken off the ring when only room was sought.
    backlog: VecDeque<cqueue::Entry>,
}

impl Submission {
    pub(super) fn new(slots: u16, completions: u32) -> io::Result<Self> {
        // One thread submits, and completions are made ready only when it asks for them.
        let ring = IoUring::builder()
            .setup_cqsize(completions + u32::from(slots))
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(u32::from(slots).next_power_of_two())?;
        require_multishot(&ring)?;
        Ok(Self {
            ring,
            slots: (0..slots).map(|_| Slot::new()).collect(),
            free: (0..slots).rev().collect(),
            writes: Vec::new(),
            backlog: VecDeque::new(),
        })
    }

    /// Queues an operation; a full submission queue is submitted first.
    pub(super) fn push(&mut self, entry: &squeue::Entry, purpose: Purpose) -> bool {
        let entry = entry.clone().user_data(purpose.pack());
        for _ in 0..2 {
            // SAFETY: whatever the entry points to lies in the engine's template, in a slot, or in a
            // buffer held by a slot, a parcel or a ring of buffers, none of which moves or is freed
            // before its completion.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return true;
            }
            let _ = self.ring.submit();
        }
        false
    }

    /// Submits what is queued; `false` if there was nothing.
    pub(super) fn submit(&mut self) -> bool {
        let any = !self.ring.submission().is_empty();
        if any {
            let _ = self.ring.submit();
        }
        any
    }

    /// Submits what is queued and waits for a completion.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timespec = timeout.map(Timespec::from);
        let mut args = SubmitArgs::new();
        if let Some(timespec) = &timespec {
            args = args.timespec(timespec);
        }
        match self.ring.submitter().submit_with_args(1, &args) {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn next_completion(&mut self) -> Option<cqueue::Entry> {
        let earlier = self.backlog.pop_front();
        earlier.or_else(|| self.ring.completion().next())
    }

    /// A slot for one more operation, and its number.
    pub(super) fn take_slot(&mut self) -> Option<(u16, &mut Slot)> {
        let index = self.free.pop()?;
        self.slots
            .get_mut(usize::from(index))
            .map(|slot| (index, slot))
    }

    pub(super) fn has_slots(&self) -> bool {
        !self.free.is_empty()
    }

    /// What an operation was whose completion came.
    pub(super) fn work(&self, index: u16) -> Option<Work> {
        self.slots.get(usize::from(index)).map(|slot| slot.work)
    }

    /// Gives a slot back and yields its buffers.
    pub(super) fn give_slot(&mut self, index: u16) -> impl ExactSizeIterator<Item = Buffer> {
        self.free.push(index);
        self.slots[usize::from(index)].buffers.drain(..)
    }

    /// Begins to count the writes of a parcel.
    pub(super) fn begin(&mut self, parcel: u16) {
        let parcel = usize::from(parcel);
        if self.writes.len() <= parcel {
            self.writes.resize(parcel + 1, 0);
        }
        self.writes[parcel] = 0;
    }

    /// Whether no write of a parcel is under way.
    pub(super) fn is_done(&self, parcel: u16) -> bool {
        self.writes.get(usize::from(parcel)) == Some(&0)
    }

    /// Queues a write to a TUN queue. Its parts lie in buffers that the parcel will hold until its
    /// writes are done.
    pub(super) fn write(
        &mut self,
        counters: &mut Counters,
        queue: &TunQueue,
        leaving: &Leaving<'_>,
        parcel: u16,
    ) {
        if self.free.is_empty() {
            self.make_room(counters);
        }
        let Some((index, slot)) = self.take_slot() else {
            counters.tun_written(Err(libc::ENOBUFS), leaving.count(), 0);
            return;
        };
        let (parts, count) = slot.packets(queue, leaving, parcel);
        let entry = opcode::Writev::new(Fd(queue.fd()), parts, count).build();
        self.writes[usize::from(parcel)] += 1;
        if !self.push(&entry, Purpose::Slot(index)) {
            self.written(counters, index, -libc::ENOBUFS);
        }
    }

    /// Takes completed writes off the ring; other completions wait for their turn.
    fn make_room(&mut self, counters: &mut Counters) {
        self.submit();
        while let Some(completion) = {
            let mut completions = self.ring.completion();
            completions.next()
        } {
            match Purpose::unpack(completion.user_data()) {
                Some(Purpose::Slot(index)) if self.is_write(index) => {
                    self.written(counters, index, completion.result());
                }
                _ => self.backlog.push_back(completion),
            }
        }
    }

    fn is_write(&self, index: u16) -> bool {
        matches!(self.work(index), Some(Work::Packets(_)))
    }

    /// A write is done, or failed.
    pub(super) fn written(&mut self, counters: &mut Counters, index: u16, result: i32) {
        let Some(slot) = self.slots.get(usize::from(index)) else {
            return;
        };
        let Work::Packets(packets) = slot.work else {
            return;
        };
        if packets.count > 1 && result < 0 && refuses_supers(-result) {
            counters.tun_tx_runs_refused += 1;
            slot.write_singly(&packets, counters);
        } else {
            let result = if result < 0 { Err(-result) } else { Ok(()) };
            counters.tun_written(result, packets.count, packets.octets);
        }
        if let Some(writes) = self.writes.get_mut(usize::from(packets.parcel)) {
            *writes = writes.saturating_sub(1);
        }
        self.free.push(index);
    }

    /// Ends all that is under way: the kernel must not touch memory that is free for other uses.
    /// `false` if it has not let go.
    pub(super) fn cancel(&mut self) -> bool {
        let wait = Timespec::from(CANCEL_WAIT);
        let cancelled = self
            .ring
            .submitter()
            .register_sync_cancel(Some(wait), CancelBuilder::any());
        match cancelled {
            Err(error) => error.raw_os_error() == Some(libc::ENOENT),
            Ok(()) => true,
        }
    }

    pub(super) fn leak(&mut self) {
        forget(take(&mut self.slots));
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
