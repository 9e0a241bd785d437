//! Reads and writes of TUN queues by readiness, packet by packet or in super-packets.

use std::io::{self, IoSlice, Read, Write};

use super::epoll::Drained;
use super::inventory::Inventory;
use crate::segmentation::{Coalescer, HEADER_LEN, Header, Next, SUPER_LEN_MAX, Split};
use crate::{Batch, Counters, InnerPacket, TunId, TunQueue};

/// A queue, and what crosses it as one.
pub(super) struct TunEntry {
    pub(super) queue: TunQueue,
    supers: Option<Box<Supers>>,
}

/// Super-packets of one queue on their way in and out.
struct Supers {
    /// The last one read, behind its header.
    octets: Vec<u8>,
    len: usize,
    /// How far it is taken apart.
    split: Option<Split>,
    coalescer: Coalescer,
}

impl TunEntry {
    pub(super) fn new(queue: TunQueue) -> Self {
        let supers = queue.offload().map(|_| Box::new(Supers::new()));
        Self { queue, supers }
    }

    /// A write of one packet or of several as one.
    fn write(&self, packet: &[u8]) -> Result<usize, i32> {
        self.queue
            .file()
            .write(packet)
            .map_err(|error| errno(&error))
    }
}

impl Supers {
    fn new() -> Self {
        Self {
            // One octet more than can come: a full buffer means a truncated packet.
            octets: vec![0; HEADER_LEN + SUPER_LEN_MAX + 1],
            len: 0,
            split: None,
            coalescer: Coalescer::new(),
        }
    }

    /// Reads one packet or several as one: `None` when there is none.
    fn read(&mut self, queue: &TunQueue, counters: &mut Counters) -> Option<io::Result<()>> {
        self.len = match queue.file().read(&mut self.octets) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => return Some(Err(error)),
            Ok(len) => len,
        };
        if self.len == self.octets.len() {
            counters.tun_rx_truncated += 1;
            return Some(Ok(()));
        }
        self.split = self.octets.get_mut(..self.len).and_then(|read| {
            let (header, packet) = read.split_first_chunk_mut()?;
            Split::new(&Header::from_octets(header), packet)
        });
        counters.tun_rx_malformed += u64::from(self.split.is_none());
        counters.tun_rx_runs += u64::from(self.split.as_ref().is_some_and(Split::is_several));
        Some(Ok(()))
    }

    fn write(
        queue: &TunQueue,
        counters: &mut Counters,
        header: &[u8],
        packet: &[u8],
        packets: u64,
    ) {
        let parts = [IoSlice::new(header), IoSlice::new(packet)];
        let written = queue.file().write_vectored(&parts);
        let octets = written.map(|octets| octets.saturating_sub(HEADER_LEN));
        counters.tun_written(octets.map_err(|error| errno(&error)), packets);
    }
}

impl Inventory {
    /// Adds up to `most` IP packets of a queue to `batch`.
    pub(super) fn read_tun(&mut self, id: TunId, most: usize, batch: &mut Batch) -> Drained {
        let most = batch.inner.len() + most;
        while batch.inner.len() < most {
            let split = self
                .tuns
                .get_mut(usize::from(id.0))
                .map(|entry| &mut entry.supers);
            let drained = match split {
                None => Some(Drained::Empty),
                Some(None) => self.read_plain(id, batch),
                Some(Some(supers)) if supers.split.is_some() => self.take_apart(id, most, batch),
                Some(Some(_)) => self.read_super(id),
            };
            if let Some(drained) = drained {
                return drained;
            }
        }
        Drained::More
    }

    fn read_plain(&mut self, id: TunId, batch: &mut Batch) -> Option<Drained> {
        let queue = &self.tuns.get(usize::from(id.0))?.queue;
        let Some(mut buffer) = self.pool.take() else {
            self.counters.rx_no_buffer += 1;
            return Some(Drained::More);
        };
        let start = buffer.range().start;
        let end = start + buffer.payload_max();
        let place = buffer.storage_mut().get_mut(start..end)?;
        match queue.file().read(place) {
            Ok(len) => {
                batch.inner.extend(self.accept_inner(id, len, buffer));
                None
            }
            Err(error) => {
                self.pool.give(buffer);
                Some(self.not_read(&error))
            }
        }
    }

    fn read_super(&mut self, id: TunId) -> Option<Drained> {
        let entry = self.tuns.get_mut(usize::from(id.0))?;
        match entry
            .supers
            .as_mut()?
            .read(&entry.queue, &mut self.counters)
        {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(self.not_read(&error)),
            None => Some(Drained::Empty),
        }
    }

    fn not_read(&mut self, error: &io::Error) -> Drained {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Drained::Empty;
        }
        self.counters.tun_rx_errors += 1;
        Drained::Failed
    }

    /// Makes packets of the super-packet that was read last.
    fn take_apart(&mut self, id: TunId, most: usize, batch: &mut Batch) -> Option<Drained> {
        let supers = self.tuns.get_mut(usize::from(id.0))?.supers.as_mut()?;
        let split = supers.split.as_mut()?;
        let whole = supers.octets.get(HEADER_LEN..supers.len)?;
        while !split.is_done() && batch.inner.len() < most {
            let Some(mut buffer) = self.pool.take() else {
                self.counters.rx_no_buffer += 1;
                return Some(Drained::More);
            };
            match split.next(whole, &mut buffer) {
                Next::Packet => {
                    self.counters.tun_rx_packets += 1;
                    self.counters.tun_rx_bytes += buffer.len() as u64;
                    batch.inner.push(InnerPacket { tun: id, buffer });
                }
                Next::TooLong => {
                    self.counters.tun_rx_truncated += 1;
                    self.pool.give(buffer);
                }
            }
        }
        if split.is_done() {
            supers.split = None;
        }
        None
    }

    /// Writes an IP packet, or holds it until others of its flow have come or
    /// [`Inventory::flush_tuns`] is called.
    pub(super) fn write_tun(&mut self, id: TunId, packet: &[u8]) {
        let Some(entry) = self.tuns.get_mut(usize::from(id.0)) else {
            self.counters.tun_written(Err(libc::EBADF), 1);
            return;
        };
        let Some(supers) = &mut entry.supers else {
            let written = entry.write(packet);
            self.counters.tun_written(written, 1);
            return;
        };
        let (queue, counters) = (&entry.queue, &mut self.counters);
        supers
            .coalescer
            .push(packet, &mut |header, packet, packets| {
                Supers::write(queue, counters, header, packet, packets);
            });
    }

    /// Writes all that is held.
    pub(super) fn flush_tuns(&mut self) {
        let counters = &mut self.counters;
        for entry in &mut self.tuns {
            let queue = &entry.queue;
            if let Some(supers) = &mut entry.supers {
                supers.coalescer.flush(&mut |header, packet, packets| {
                    Supers::write(queue, counters, header, packet, packets);
                });
            }
        }
    }
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}
