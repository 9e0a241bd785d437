//! Reads and writes of TUN queues, packet by packet or in super-packets, whichever engine carries
//! them out.

use std::io::{self, IoSlice, Read, Write};

use super::epoll::Drained;
use super::inventory::Inventory;
use super::lent::Octets;
use crate::segmentation::{Arriving, HEADER_LEN, Header, Leaving, Next, PACKETS_MAX, Split};
use crate::{Batch, Buffer, Counters, HEADROOM, InnerPacket, OuterPacket, TunId, TunQueue};

/// A queue, and the super-packet of it that is being taken apart.
pub(super) struct TunEntry {
    pub(super) queue: TunQueue,
    whole: Option<(Buffer, Split)>,
}

impl TunEntry {
    pub(super) fn new(queue: TunQueue) -> Self {
        Self { queue, whole: None }
    }
}

impl Inventory {
    /// Adds up to `most` IP packets of a queue to `batch`.
    pub(super) fn read_tun(&mut self, id: TunId, most: usize, batch: &mut Batch) -> Drained {
        let most = batch.inner.len() + most;
        while batch.inner.len() < most {
            let Some(entry) = self.tuns.get(usize::from(id.0)) else {
                return Drained::Empty;
            };
            let drained = if entry.whole.is_some() {
                self.take_apart(id, most, batch)
            } else if entry.queue.offload().is_some() {
                self.read_super(id)
            } else {
                self.read_plain(id, batch)
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
        match read_into(queue, &mut buffer) {
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

    /// Reads one packet or several as one.
    fn read_super(&mut self, id: TunId) -> Option<Drained> {
        let queue = &self.tuns.get(usize::from(id.0))?.queue;
        let Some(mut buffer) = self.runs.take() else {
            self.counters.rx_no_buffer += 1;
            return Some(Drained::More);
        };
        match read_into(queue, &mut buffer) {
            Ok(len) => {
                self.accept_super(id, len, buffer);
                None
            }
            Err(error) => {
                self.runs.give(buffer);
                Some(self.not_read(&error))
            }
        }
    }

    fn not_read(&mut self, error: &io::Error) -> Drained {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Drained::Empty;
        }
        self.counters.tun_rx_errors += 1;
        Drained::Failed
    }

    /// Begins to take apart what a read of a queue left in the buffer.
    pub(super) fn accept_super(&mut self, id: TunId, len: usize, mut buffer: Buffer) {
        // A device truncates without a word: a full buffer cannot be told from one too small.
        if len >= buffer.payload_max() || !buffer.set_range(HEADROOM..HEADROOM + len) {
            self.counters.tun_rx_truncated += 1;
            self.runs.give(buffer);
            return;
        }
        let split = buffer
            .bytes_mut()
            .split_first_chunk_mut::<HEADER_LEN>()
            .and_then(|(header, packet)| Split::new(&Header::from_octets(header), packet));
        match (split, self.tuns.get_mut(usize::from(id.0))) {
            (Some(split), Some(entry)) => {
                self.counters.tun_rx_runs += u64::from(split.is_several());
                entry.whole = Some((buffer, split));
            }
            _ => {
                self.counters.tun_rx_malformed += 1;
                self.runs.give(buffer);
            }
        }
    }

    /// Makes packets of the super-packet that was read last.
    pub(super) fn take_apart(
        &mut self,
        id: TunId,
        most: usize,
        batch: &mut Batch,
    ) -> Option<Drained> {
        let entry = self.tuns.get_mut(usize::from(id.0))?;
        let (whole, split) = entry.whole.as_mut()?;
        let octets = whole.bytes().get(HEADER_LEN..).unwrap_or(&[]);
        while !split.is_done() && batch.inner.len() < most {
            let Some(mut buffer) = self.pool.take() else {
                self.counters.rx_no_buffer += 1;
                return Some(Drained::More);
            };
            match split.next(octets, &mut buffer) {
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
        if split.is_done()
            && let Some((whole, _)) = entry.whole.take()
        {
            self.runs.give(whole);
        }
        None
    }

    /// Whether a super-packet of the queue is still being taken apart.
    pub(super) fn is_taking_apart(&self, id: TunId) -> bool {
        let entry = self.tuns.get(usize::from(id.0));
        entry.is_some_and(|entry| entry.whole.is_some())
    }

    /// Whether a read of the queue may hold several packets as one.
    pub(super) fn reads_supers(&self, id: TunId) -> bool {
        self.tun(id).is_some_and(|queue| queue.offload().is_some())
    }

    /// Brings together the packets that wait for the queues and tells `leave` what is to be written,
    /// in the order of each flow. Those that were not copied lie in the buffers that `lent` knows.
    pub(super) fn coalesce<'a>(
        &mut self,
        lent: impl Fn(usize) -> Option<&'a Buffer>,
        mut leave: impl FnMut(&mut Counters, &TunQueue, &Leaving<'_>),
    ) {
        let Self {
            departing,
            coalescer,
            counters,
            tuns,
            ..
        } = self;
        let departing = departing.as_slice();
        let source = |number: usize| match departing.get(number) {
            Some((_, Octets::Own(buffer))) => buffer.bytes(),
            Some((_, Octets::Lent(place))) => place.octets(&lent),
            None => &[],
        };
        let mut write = |leaving: &Leaving<'_>| match tuns.get(usize::from(leaving.tun.0)) {
            Some(entry) => leave(counters, &entry.queue, leaving),
            None => counters.tun_written(Err(libc::EBADF), leaving.count(), 0),
        };
        for (number, (tun, _)) in departing.iter().enumerate() {
            let entry = tuns.get(usize::from(tun.0));
            match entry.and_then(|entry| entry.queue.offload()) {
                Some(offload) if offload.coalescing => {
                    let packet = Arriving {
                        number,
                        tun: *tun,
                        udp: offload.udp,
                    };
                    coalescer.push(packet, &source, &mut write);
                }
                offload => write(&Leaving {
                    tun: *tun,
                    head: if offload.is_some() {
                        &Header::PLAIN
                    } else {
                        &[]
                    },
                    packets: &[source(number)],
                    shared: 0,
                }),
            }
        }
        coalescer.flush(&source, &mut write);
    }

    /// Writes the packets that wait for the queues.
    pub(super) fn write_tuns(&mut self, outer: &[OuterPacket]) {
        if self.departing.is_empty() {
            return;
        }
        let lent = |index: usize| outer.get(index).map(|packet| &packet.buffer);
        self.coalesce(lent, |counters, queue, leaving| {
            let written = write(queue, leaving.head, leaving.parts());
            if leaving.count() > 1 && written.is_err_and(refuses_supers) {
                counters.tun_tx_runs_refused += 1;
                for packet in leaving.packets {
                    let written = write(queue, &Header::PLAIN, core::iter::once(*packet));
                    counters.tun_written(written, 1, packet.len() as u64);
                }
                return;
            }
            counters.tun_written(written, leaving.count(), leaving.octets());
        });
        let departing = &mut self.departing;
        let own = departing.drain(..).filter_map(|(_, octets)| match octets {
            Octets::Own(buffer) => Some(buffer),
            Octets::Lent(_) => None,
        });
        own.for_each(|buffer| self.pool.give(buffer));
    }
}

/// Writes a packet, or several as one.
fn write<'a>(
    queue: &TunQueue,
    head: &'a [u8],
    behind: impl Iterator<Item = &'a [u8]>,
) -> Result<(), i32> {
    let mut parts = [IoSlice::new(&[]); PACKETS_MAX + 1];
    let mut count = 0;
    for (part, octets) in parts.iter_mut().zip(core::iter::once(head).chain(behind)) {
        *part = IoSlice::new(octets);
        count += 1;
    }
    let written = queue
        .file()
        .write_vectored(parts.get(..count).unwrap_or(&[]));
    match written {
        Ok(_) => Ok(()),
        Err(error) => Err(error.raw_os_error().unwrap_or(0)),
    }
}

/// Whether the device may take the packets of a super-packet that it refused with this error. It would not if
/// its queue is full, or if it is down or gone.
pub(super) const fn refuses_supers(errno: i32) -> bool {
    matches!(
        errno,
        libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP | libc::ENOMEM
    )
}

/// Reads one packet, or several as one, behind the headroom.
fn read_into(queue: &TunQueue, buffer: &mut Buffer) -> io::Result<usize> {
    let end = HEADROOM + buffer.payload_max();
    let place = buffer.storage_mut().get_mut(HEADROOM..end);
    queue.file().read(place.unwrap_or(&mut []))
}
