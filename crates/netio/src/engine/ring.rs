//! A ring of buffers that the kernel takes from as packets arrive.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, Ordering};
use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};
use std::io;

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use super::inventory::Inventory;
use crate::{Buffer, BufferPool, HEADROOM};

const PAGE: usize = 4096;

/// Numbers of the groups of buffers.
const DATAGRAMS: u16 = 0;
const PACKETS: u16 = 1;
const RUNS: u16 = 2;
const SUPERS: u16 = 3;
const GROUPS: usize = 4;

/// The rings of one engine: for single datagrams and packets, and for several as one.
pub(super) struct Rings {
    rings: [Option<BufferRing>; GROUPS],
    len: u16,
    prefix: usize,
}

impl Rings {
    /// Rings for single datagrams and packets will have `len` buffers; in front of each datagram are
    /// `prefix` octets for the kernel.
    pub(super) fn new(len: u16, prefix: usize) -> Self {
        Self {
            rings: [const { None }; GROUPS],
            len,
            prefix,
        }
    }

    pub(super) fn of_socket(runs: bool) -> u16 {
        if runs { RUNS } else { DATAGRAMS }
    }

    pub(super) fn of_tun(supers: bool) -> u16 {
        if supers { SUPERS } else { PACKETS }
    }

    pub(super) fn add_datagrams(&mut self, ring: &IoUring) -> io::Result<()> {
        self.add(ring, DATAGRAMS, self.len, self.prefix)
    }

    pub(super) fn add_packets(&mut self, ring: &IoUring) -> io::Result<()> {
        self.add(ring, PACKETS, self.len, 0)
    }

    pub(super) fn add_runs(&mut self, ring: &IoUring, len: u16) -> io::Result<()> {
        self.add(ring, RUNS, len, self.prefix)
    }

    pub(super) fn add_supers(&mut self, ring: &IoUring, len: u16) -> io::Result<()> {
        self.add(ring, SUPERS, len, 0)
    }

    /// A ring serves all sockets or queues of its sort.
    fn add(&mut self, ring: &IoUring, group: u16, len: u16, prefix: usize) -> io::Result<()> {
        let place = &mut self.rings[usize::from(group)];
        if place.is_none() {
            *place = Some(BufferRing::new(ring, group, len, prefix)?);
        }
        Ok(())
    }

    /// Lends buffers in the place of those that came back.
    pub(super) fn replenish(&mut self, inventory: &mut Inventory) {
        for (group, ring) in (0..).zip(&mut self.rings) {
            let pool = match group {
                DATAGRAMS | PACKETS => &mut inventory.pool,
                _ => &mut inventory.runs,
            };
            if let Some(ring) = ring {
                ring.replenish(pool);
            }
        }
    }

    /// Takes back the buffer that the kernel says it has filled.
    pub(super) fn take(&mut self, group: u16, number: u16) -> Option<Buffer> {
        let ring = self.rings.get_mut(usize::from(group))?;
        ring.as_mut()?.take(number)
    }

    pub(super) fn has_buffers(&self, group: u16) -> bool {
        let ring = self.rings.get(usize::from(group)).and_then(Option::as_ref);
        ring.is_some_and(|ring| !ring.is_empty())
    }

    /// Gives up the lent buffers without freeing them.
    pub(super) fn leak(&mut self) {
        for ring in self.rings.iter_mut().flatten() {
            ring.leak();
        }
    }
}

/// Buffers on loan to the kernel under one group number. The kernel names them by their number
/// here.
struct BufferRing {
    entries: NonNull<BufRingEntry>,
    layout: Layout,
    mask: u16,
    tail: u16,
    /// Octets in front of the payload that the kernel fills with what it knows of the datagram.
    prefix: usize,
    lent: Vec<Option<Buffer>>,
    missing: Vec<u16>,
    /// The kernel may still read the entries.
    leaked: bool,
}

impl BufferRing {
    /// Registers a ring of `len` buffers (a power of two) with `prefix` octets of each used for
    /// the kernel's description.
    fn new(ring: &IoUring, group: u16, len: u16, prefix: usize) -> io::Result<Self> {
        let layout = Layout::array::<BufRingEntry>(usize::from(len))
            .and_then(|layout| layout.align_to(PAGE))
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the layout is not empty, since `len` is a power of two.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(entries) = NonNull::new(memory.cast()) else {
            handle_alloc_error(layout);
        };
        let this = Self {
            entries,
            layout,
            mask: len - 1,
            tail: 0,
            prefix,
            lent: (0..len).map(|_| None).collect(),
            missing: (0..len).rev().collect(),
            leaked: false,
        };
        let address = entries.as_ptr() as u64;
        // SAFETY: the memory is page-aligned, holds `len` entries and is freed only in `drop`,
        // which the owner runs after the io_uring instance itself is gone.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(address, len, group, 0)
        }?;
        Ok(this)
    }

    /// Lends buffers of `pool` for all numbers that have none.
    fn replenish(&mut self, pool: &mut BufferPool) {
        let before = self.tail;
        while !self.missing.is_empty()
            && let Some(buffer) = pool.take()
            && let Some(number) = self.missing.pop()
        {
            self.lend(number, buffer);
        }
        if self.tail != before {
            self.publish();
        }
    }

    fn lend(&mut self, number: u16, mut buffer: Buffer) {
        let len = self.prefix + buffer.payload_max();
        let start = HEADROOM - self.prefix;
        let address = buffer.storage_mut()[start..].as_mut_ptr() as u64;
        let index = usize::from(self.tail & self.mask);
        // SAFETY: the index is masked to the number of entries.
        let mut place = unsafe { self.entries.add(index) };
        // SAFETY: the place is one of our entries; the kernel reads those between its head and the
        // tail that it was told last, and this one lies beyond.
        let entry = unsafe { place.as_mut() };
        entry.set_addr(address);
        entry.set_len(len as u32);
        entry.set_bid(number);
        self.lent[usize::from(number)] = Some(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: `entries` points at the first entry of the registered ring.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: the tail lies in our memory, is aligned for its type, and is written only here;
        // the kernel reads it with acquire semantics.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// Takes back the buffer that the kernel says it has filled.
    fn take(&mut self, number: u16) -> Option<Buffer> {
        let buffer = self.lent.get_mut(usize::from(number))?.take()?;
        self.missing.push(number);
        Some(buffer)
    }

    /// Whether every number has its buffer lent out or filled.
    fn is_empty(&self) -> bool {
        self.missing.len() == self.lent.len()
    }

    /// Gives up the entries and the lent buffers without freeing them.
    fn leak(&mut self) {
        self.leaked = true;
        for buffer in self.lent.drain(..).flatten() {
            core::mem::forget(buffer);
        }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        // SAFETY: the memory was allocated with this layout and is freed only here; the kernel has let go
        // of it, since what used it was cancelled before.
        unsafe { dealloc(self.entries.as_ptr().cast(), self.layout) };
    }
}
