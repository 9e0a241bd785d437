//! Sends under way in the completion ring: each keeps its message at one address until the kernel
//! is done with it.

use core::mem::zeroed;
use core::ptr;

use super::inventory::Inventory;
use crate::address::{self, NAME_LEN};
use crate::cmsg::{CONTROL_LEN, Control};
use crate::{Buffer, OuterSend};

/// One send's message header and all that it points to.
pub(super) struct Slot {
    header: libc::msghdr,
    vector: libc::iovec,
    name: [u8; NAME_LEN],
    control: Control,
    /// That of a datagram; none for a write to a TUN queue.
    pub(super) tag: Option<u64>,
    /// Present while the kernel may read it.
    pub(super) buffer: Option<Buffer>,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            // SAFETY: a header of null pointers and zero lengths is valid.
            header: unsafe { zeroed() },
            vector: libc::iovec {
                iov_base: ptr::null_mut(),
                iov_len: 0,
            },
            name: [0; NAME_LEN],
            control: Control([0; CONTROL_LEN]),
            tag: None,
            buffer: None,
        }
    }

    /// Describes a datagram; the header stays where it is until the slot is used again.
    pub(super) fn datagram(
        &mut self,
        inventory: &Inventory,
        send: &OuterSend,
        mut buffer: Buffer,
    ) -> *const libc::msghdr {
        let name_len = address::encode(inventory.destination(send), &mut self.name);
        let control_len = inventory.control(send, &mut self.control).unwrap_or(0);
        let octets = buffer.bytes_mut();
        self.vector.iov_base = octets.as_mut_ptr().cast();
        self.vector.iov_len = octets.len();
        self.header.msg_iov = &raw mut self.vector;
        self.header.msg_iovlen = 1;
        self.header.msg_name = self.name.as_mut_ptr().cast();
        self.header.msg_namelen = name_len;
        self.header.msg_control = self.control.0.as_mut_ptr().cast();
        self.header.msg_controllen = control_len;
        self.tag = Some(send.tag);
        self.buffer = Some(buffer);
        &raw const self.header
    }

    /// Describes a write; returns where its octets are and how many.
    pub(super) fn write(&mut self, mut buffer: Buffer) -> (*const u8, u32) {
        let octets = buffer.bytes_mut();
        let described = (octets.as_ptr(), octets.len() as u32);
        self.tag = None;
        self.buffer = Some(buffer);
        described
    }
}
