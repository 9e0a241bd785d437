//! `recvmmsg` and `sendmmsg`: arrays of message headers, allocated once and pointed anew at their
//! buffers before each call.

use core::mem::zeroed;
use core::net::SocketAddr;
use core::ops::Range;
use core::ptr;
use std::io;
use std::os::fd::RawFd;

use super::inventory::Inventory;
use crate::address::{self, NAME_LEN};
use crate::cmsg::{self, CONTROL_LEN, Control, Received};
use crate::{Buffer, OuterSend, SendError};

/// Packets that the kernel takes as one (UDP_MAX_SEGMENTS before Linux 6.9).
pub(super) const RUN_PACKETS_MAX: usize = 64;
/// Octets that it takes as one: what fits into an IPv4 packet behind the headers.
const RUN_OCTETS_MAX: usize = 65_535 - 20 - 8;

/// Storage for one batched call in either direction.
pub(super) struct Messages {
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    names: Vec<[u8; NAME_LEN]>,
    controls: Vec<Control>,
    /// Packets that each message of a send carries.
    carried: Vec<usize>,
}

/// What the kernel said of one received datagram.
pub(super) struct Arrival {
    pub(super) remote: Option<SocketAddr>,
    pub(super) told: Received,
    pub(super) truncated: bool,
    pub(super) len: usize,
}

impl Messages {
    /// For up to `batch` messages a call, which carry up to `packets` packets.
    pub(super) fn new(batch: usize, packets: usize) -> Self {
        // SAFETY: a header of null pointers and zero lengths is valid.
        let header: libc::mmsghdr = unsafe { zeroed() };
        let vector = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            headers: vec![header; batch],
            vectors: vec![vector; packets.max(batch)],
            names: vec![[0; NAME_LEN]; batch],
            controls: vec![Control([0; CONTROL_LEN]); batch],
            carried: vec![0; batch],
        }
    }

    pub(super) fn batch(&self) -> usize {
        self.headers.len()
    }

    /// Points header `i` at its name, control buffer and `vectors`.
    fn point(&mut self, i: usize, vectors: Range<usize>, name_len: u32, control_len: usize) {
        let vectors = &mut self.vectors[vectors];
        let header = &mut self.headers[i].msg_hdr;
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = vectors.len();
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
            self.vectors[i] = vector(&mut buffer.storage_mut()[start..end]);
            self.point(i, i..i + 1, NAME_LEN as u32, CONTROL_LEN);
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

    /// Sends datagrams of one socket; those that fail are counted and passed over. With `runs`
    /// those that may pass as one do.
    pub(super) fn send(
        &mut self,
        fd: RawFd,
        inventory: &mut Inventory,
        queue: &mut [(OuterSend, Buffer)],
        runs: bool,
    ) {
        let mut done = 0;
        while let Some(rest) = queue.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let count = self.prepare(inventory, rest, runs);
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
                done += self.account(inventory, rest, sent);
                continue;
            }
            // An error belongs to the first message; the others have not been tried.
            let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            let refused = self.carried.first().copied().unwrap_or(1);
            done += refused;
            match rest.get_mut(..refused) {
                Some(run) if errno == libc::EMSGSIZE && must_not_be_fragmented(run) => {
                    self.send_in_fragments(fd, inventory, run);
                }
                Some(run) if refused > 1 && refuses_runs(errno) => {
                    self.send_singly(fd, inventory, run, errno);
                }
                run => run.into_iter().flatten().for_each(|(send, _)| {
                    inventory.refuse(send.tag, SendError::from_errno(errno));
                }),
            }
        }
    }

    /// Sends what the kernel did not take as one.
    fn send_singly(
        &mut self,
        fd: RawFd,
        inventory: &mut Inventory,
        run: &mut [(OuterSend, Buffer)],
        errno: i32,
    ) {
        inventory.counters.tx_runs_refused += 1;
        // Any run would fare alike: the device does not compute checksums.
        if errno == libc::EIO
            && let Some((send, _)) = run.first()
        {
            inventory.stop_sending_runs(send.socket);
        }
        self.send(fd, inventory, run, false);
    }

    /// Sends what is too large for its path and must not be fragmented: rather in fragments than not
    /// at all, and in its turn.
    fn send_in_fragments(
        &mut self,
        fd: RawFd,
        inventory: &mut Inventory,
        run: &mut [(OuterSend, Buffer)],
    ) {
        let Some(&(whole, _)) = run.first() else {
            return;
        };
        inventory.too_narrow(&whole, run.len());
        inventory.counters.tx_runs_refused += u64::from(run.len() > 1);
        for (send, _) in &mut *run {
            send.dont_fragment = false;
        }
        inventory.adjust(&OuterSend {
            dont_fragment: false,
            ..whole
        });
        self.send(fd, inventory, run, false);
        inventory.adjust(&whole);
    }

    /// Counts the packets of the first `sent` messages; returns how many they are.
    fn account(
        &self,
        inventory: &mut Inventory,
        queue: &[(OuterSend, Buffer)],
        sent: usize,
    ) -> usize {
        let runs = self.carried.iter().take(sent);
        inventory.counters.tx_runs += runs.clone().filter(|packets| **packets > 1).count() as u64;
        let packets = runs.sum();
        for (_, buffer) in queue.iter().take(packets) {
            inventory.counters.sent(buffer.len());
        }
        packets
    }

    /// Describes messages for as much of the queue as there is room for.
    fn prepare(
        &mut self,
        inventory: &Inventory,
        queue: &mut [(OuterSend, Buffer)],
        runs: bool,
    ) -> usize {
        let mut done = 0;
        for i in 0..self.batch() {
            let room = self.vectors.len() - done;
            let Some(rest) = queue.get_mut(done..).filter(|rest| !rest.is_empty()) else {
                return i;
            };
            let packets = if runs { run_len(rest) } else { 1 };
            if packets > room {
                return i;
            }
            let (mut send, len) = (rest[0].0, rest[0].1.len());
            if packets > 1 {
                send.segment = len as u16;
            }
            let name_len = address::encode(inventory.destination(&send), &mut self.names[i]);
            let control = &mut self.controls[i];
            let control_len = inventory.control(&send, control).unwrap_or(0);
            for (vector, (_, buffer)) in self.vectors[done..].iter_mut().zip(&mut rest[..packets]) {
                *vector = self::vector(buffer.bytes_mut());
            }
            self.point(i, done..done + packets, name_len, control_len);
            self.carried[i] = packets;
            done += packets;
        }
        self.batch()
    }
}

pub(super) fn vector(octets: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: octets.as_mut_ptr().cast(),
        iov_len: octets.len(),
    }
}

/// How many packets from the first on the kernel may take as one: to the same place in the same
/// way, of the same length but for the last, which may be shorter.
pub(super) fn run_len(queue: &[(OuterSend, Buffer)]) -> usize {
    let Some((first, buffer)) = queue.first() else {
        return 0;
    };
    let len = buffer.len();
    let most = (RUN_OCTETS_MAX / len.max(1)).clamp(1, RUN_PACKETS_MAX);
    let mut count = 1;
    if first.segment != 0 || len == 0 {
        return count;
    }
    for (send, buffer) in queue.iter().take(most).skip(1) {
        if send != first || buffer.len() > len || buffer.is_empty() {
            break;
        }
        count += 1;
        if buffer.len() < len {
            break;
        }
    }
    count
}

fn must_not_be_fragmented(run: &[(OuterSend, Buffer)]) -> bool {
    run.first().is_some_and(|(send, _)| send.dont_fragment)
}

/// Whether an error may be due to its message being a run: no checksum from the device, or
/// datagrams larger than the path takes, which may still pass in fragments.
pub(super) fn refuses_runs(errno: i32) -> bool {
    matches!(errno, libc::EIO | libc::EINVAL | libc::EMSGSIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketId;

    fn packet(len: usize, port: u16) -> (OuterSend, Buffer) {
        let send = OuterSend {
            socket: SocketId(0),
            local: None,
            remote: SocketAddr::from(([192, 0, 2, 1], port)),
            tos: 0,
            dont_fragment: false,
            segment: 0,
            tag: 0,
        };
        let mut buffer = Buffer::new(9000);
        assert!(buffer.fill(&vec![1; len]));
        (send, buffer)
    }

    fn run(lens: &[(usize, u16)]) -> usize {
        let queue: Vec<_> = lens.iter().map(|(len, port)| packet(*len, *port)).collect();
        run_len(&queue)
    }

    #[test]
    fn a_run_is_of_equal_lengths_but_for_a_shorter_last() {
        assert_eq!(run(&[(100, 1)]), 1);
        assert_eq!(run(&[(100, 1), (100, 1), (100, 1)]), 3);
        assert_eq!(run(&[(100, 1), (100, 1), (99, 1), (99, 1)]), 3);
        assert_eq!(run(&[(100, 1), (101, 1)]), 1);
        assert_eq!(run(&[(100, 1), (100, 2)]), 1);
        assert_eq!(run(&[(100, 1), (0, 1)]), 1);
        assert_eq!(run(&[(0, 1), (0, 1)]), 1);
    }

    #[test]
    fn a_run_is_no_longer_than_the_kernel_takes() {
        assert_eq!(run(&[(100, 1); 100]), RUN_PACKETS_MAX);
        assert_eq!(run(&[(9000, 1); 100]), 7);
    }
}
