//! `recvmmsg` and `sendmmsg`: arrays of message headers, allocated once and pointed anew at their
//! buffers before each call.

use core::mem::zeroed;
use core::net::SocketAddr;
use core::ptr;
use std::io;
use std::os::fd::RawFd;

use super::inventory::Inventory;
use crate::address::{self, NAME_LEN};
use crate::cmsg::{self, CONTROL_LEN, Control, Received};
use crate::{Buffer, OuterSend, SendError};

/// Storage for one batched call in either direction.
pub(super) struct Messages {
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    names: Vec<[u8; NAME_LEN]>,
    controls: Vec<Control>,
}

/// What the kernel said of one received datagram.
pub(super) struct Arrival {
    pub(super) remote: Option<SocketAddr>,
    pub(super) told: Received,
    pub(super) truncated: bool,
    pub(super) len: usize,
}

impl Messages {
    pub(super) fn new(batch: usize) -> Self {
        // SAFETY: a header of null pointers and zero lengths is valid.
        let header: libc::mmsghdr = unsafe { zeroed() };
        let vector = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            headers: vec![header; batch],
            vectors: vec![vector; batch],
            names: vec![[0; NAME_LEN]; batch],
            controls: vec![Control([0; CONTROL_LEN]); batch],
        }
    }

    pub(super) fn batch(&self) -> usize {
        self.headers.len()
    }

    /// Points header `i` at its name, control buffer and vector.
    fn point(&mut self, i: usize, octets: &mut [u8], name_len: u32, control_len: usize) {
        let vector = &mut self.vectors[i];
        vector.iov_base = octets.as_mut_ptr().cast();
        vector.iov_len = octets.len();
        let header = &mut self.headers[i].msg_hdr;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_name = self.names[i].as_mut_ptr().cast();
        header.msg_namelen = name_len;
        header.msg_control = self.controls[i].0.as_mut_ptr().cast();
        header.msg_controllen = control_len;
        header.msg_flags = 0;
    }

    /// Receives into as many of `buffers` as there are datagrams, without waiting.
    pub(super) fn receive(&mut self, fd: RawFd, buffers: &mut [Buffer]) -> io::Result<usize> {
        let count = buffers.len().min(self.batch());
        for (i, buffer) in buffers.iter_mut().take(count).enumerate() {
            let start = buffer.range().start;
            let end = start + buffer.payload_max();
            let payload = &mut buffer.storage_mut()[start..end];
            self.point(i, payload, NAME_LEN as u32, CONTROL_LEN);
        }
        // SAFETY: the first `count` headers were just pointed at storage of this struct and of
        // `buffers`, all of it exclusively borrowed until the call returns.
        let result = unsafe {
            libc::recvmmsg(
                fd,
                self.headers.as_mut_ptr(),
                count as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }

    /// What the last `receive` said of its datagram `i`.
    pub(super) fn arrival(&self, i: usize) -> Arrival {
        let header = &self.headers[i];
        let name_len = (header.msg_hdr.msg_namelen as usize).min(NAME_LEN);
        let control_len = header.msg_hdr.msg_controllen.min(CONTROL_LEN);
        Arrival {
            remote: address::decode(&self.names[i][..name_len]),
            told: cmsg::decode(&self.controls[i].0[..control_len]),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            len: header.msg_len as usize,
        }
    }

    /// Sends datagrams of one socket; those that fail are counted and passed over.
    pub(super) fn send(
        &mut self,
        fd: RawFd,
        inventory: &mut Inventory,
        queue: &mut [(OuterSend, Buffer)],
    ) {
        let mut done = 0;
        while let Some(rest) = queue.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let count = self.prepare(inventory, rest);
            inventory.counters.tx_calls += 1;
            // SAFETY: the first `count` headers were just pointed at storage of this struct and of
            // the queue, all of it exclusively borrowed until the call returns.
            let result = unsafe {
                libc::sendmmsg(
                    fd,
                    self.headers.as_mut_ptr(),
                    count as u32,
                    libc::MSG_DONTWAIT,
                )
            };
            if let Ok(sent) = usize::try_from(result) {
                for (_, buffer) in rest.iter().take(sent) {
                    inventory.counters.sent(buffer.len());
                }
                done += sent;
            } else {
                // An error belongs to the first datagram; the others have not been tried.
                let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
                inventory.counters.send_failed(SendError::from_errno(errno));
                done += 1;
            }
        }
    }

    fn prepare(&mut self, inventory: &Inventory, queue: &mut [(OuterSend, Buffer)]) -> usize {
        let count = queue.len().min(self.batch());
        for (i, (send, buffer)) in queue.iter_mut().take(count).enumerate() {
            let name_len = address::encode(inventory.destination(send), &mut self.names[i]);
            let control_len = inventory.control(send, &mut self.controls[i]).unwrap_or(0);
            self.point(i, buffer.bytes_mut(), name_len, control_len);
        }
        count
    }
}
