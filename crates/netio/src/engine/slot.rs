//! What is under way in the completion ring: each keeps its description at one address until the
//! kernel is done with it.

use core::mem::zeroed;
use std::io;
use std::os::fd::RawFd;

use super::inventory::Inventory;
use super::messages::{RUN_PACKETS_MAX, vector};
use crate::address::{self, NAME_LEN};
use crate::cmsg::{CONTROL_LEN, Control};
use crate::segmentation::{HEAD_MAX, Header, Leaving, PACKETS_MAX};
use crate::{Buffer, Counters, OuterSend, TunQueue};

/// Parts that one operation gathers, at most.
const VECTORS_MAX: usize = if PACKETS_MAX + 1 > RUN_PACKETS_MAX {
    PACKETS_MAX + 1
} else {
    RUN_PACKETS_MAX
};

/// One operation's message header and all that it points to.
pub(super) struct Slot {
    header: libc::msghdr,
    /// Its storage is allocated once and never grows.
    vectors: Vec<libc::iovec>,
    name: [u8; NAME_LEN],
    control: Control,
    head: [u8; HEAD_MAX],
    pub(super) work: Work,
    /// Those of datagrams, while the kernel may read them.
    pub(super) buffers: Vec<Buffer>,
}

/// What an operation is.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// A datagram, or several as one.
    Datagrams(OuterSend),
    Packets(Packets),
}

/// IP packets for a TUN queue, whose octets lie in the buffers of a parcel.
#[derive(Clone, Copy, Default)]
pub(super) struct Packets {
    pub(super) tun: RawFd,
    pub(super) parcel: u16,
    pub(super) count: u64,
    pub(super) octets: u64,
    /// Leading octets of each of several that are not in its part.
    shared: usize,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            // SAFETY: a header of null pointers and zero lengths is valid.
            header: unsafe { zeroed() },
            vectors: Vec::with_capacity(VECTORS_MAX),
            name: [0; NAME_LEN],
            control: Control([0; CONTROL_LEN]),
            head: [0; HEAD_MAX],
            work: Work::Packets(Packets::default()),
            buffers: Vec::with_capacity(RUN_PACKETS_MAX),
        }
    }

    /// Describes a datagram, or a run of them that leaves as one; the header stays where it is until
    /// the slot is used again.
    pub(super) fn datagrams(
        &mut self,
        inventory: &Inventory,
        send: &OuterSend,
        run: impl Iterator<Item = Buffer>,
    ) -> *const libc::msghdr {
        self.buffers.clear();
        self.buffers.extend(run.take(VECTORS_MAX));
        self.work = Work::Datagrams(*send);
        let mut described = *send;
        if let [first, _, ..] = self.buffers.as_slice() {
            described.segment = first.len() as u16;
        }
        let name_len = address::encode(inventory.destination(send), &mut self.name);
        let control_len = inventory
            .control(&described, &mut self.control)
            .unwrap_or(0);
        self.vectors.clear();
        let octets = self.buffers.iter_mut().map(Buffer::bytes_mut);
        self.vectors.extend(octets.map(vector));
        self.header.msg_iov = self.vectors.as_mut_ptr();
        self.header.msg_iovlen = self.vectors.len();
        self.header.msg_name = self.name.as_mut_ptr().cast();
        self.header.msg_namelen = name_len;
        self.header.msg_control = self.control.0.as_mut_ptr().cast();
        self.header.msg_controllen = control_len;
        &raw const self.header
    }

    /// Describes a write; returns where its parts are told and how many they are.
    pub(super) fn packets(
        &mut self,
        queue: &TunQueue,
        leaving: &Leaving<'_>,
        parcel: u16,
    ) -> (*const libc::iovec, u32) {
        self.work = Work::Packets(Packets {
            tun: queue.fd(),
            parcel,
            count: leaving.count(),
            octets: leaving.octets(),
            shared: leaving.shared,
        });
        self.vectors.clear();
        let len = leaving.head.len().min(self.head.len());
        let (head, _) = self.head.split_at_mut(len);
        head.copy_from_slice(&leaving.head[..len]);
        if len > 0 {
            self.vectors.push(vector(head));
        }
        let room = VECTORS_MAX - self.vectors.len();
        // A write only reads what its parts point to.
        let parts = leaving.packets.iter().take(room).map(|packet| libc::iovec {
            iov_base: packet
                .as_ptr()
                .wrapping_add(leaving.shared)
                .cast_mut()
                .cast(),
            iov_len: packet.len().saturating_sub(leaving.shared),
        });
        self.vectors.extend(parts);
        (self.vectors.as_ptr(), self.vectors.len() as u32)
    }

    /// Writes the packets of a super-packet one by one, at once: the order of their flow has suffered
    /// already if later packets of it were submitted, and would suffer more by waiting.
    pub(super) fn write_singly(&self, packets: &Packets, counters: &mut Counters) {
        let (head, parts) = match self.vectors.split_first() {
            Some((_, parts)) => (Header::PLAIN, parts),
            None => return,
        };
        for part in parts {
            let whole = libc::iovec {
                iov_base: part.iov_base.wrapping_byte_sub(packets.shared),
                iov_len: part.iov_len + packets.shared,
            };
            let head = libc::iovec {
                iov_base: head.as_ptr().cast_mut().cast(),
                iov_len: head.len(),
            };
            let vectors = [head, whole];
            // SAFETY: the first vector is a constant, the second a packet in a buffer that its parcel holds until
            // the write that was refused is counted as done; a write only reads them. The queue lives as
            // long as the engine.
            let written = unsafe { libc::writev(packets.tun, vectors.as_ptr(), 2) };
            let result = match written {
                0.. => Ok(()),
                _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
            };
            counters.tun_written(result, 1, whole.iov_len as u64);
        }
    }
}
