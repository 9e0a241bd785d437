//! One datagram by one call.

use core::mem::zeroed;
use std::io;

use super::inventory::Inventory;
use crate::address::{self, NAME_LEN};
use crate::cmsg::{CONTROL_LEN, Control};
use crate::{OuterSend, SendError};

/// Sends a datagram without queueing it.
pub(super) fn send(
    inventory: &mut Inventory,
    send: &OuterSend,
    payload: &[u8],
) -> Result<(), SendError> {
    let mut control = Control([0; CONTROL_LEN]);
    let control_len = inventory
        .control(send, &mut control)
        .ok_or(SendError::Unreachable)?;
    if inventory.must_switch(send) {
        inventory.switch(send);
    }
    let socket = inventory
        .socket(send.socket)
        .ok_or(SendError::Unreachable)?;
    let mut name = [0; NAME_LEN];
    let name_len = address::encode(inventory.destination(send), &mut name);
    let mut vector = libc::iovec {
        iov_base: payload.as_ptr().cast_mut().cast(),
        iov_len: payload.len(),
    };
    // SAFETY: a header of null pointers and zero lengths is valid.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = name.as_mut_ptr().cast();
    header.msg_namelen = name_len;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control_len;
    // SAFETY: all that the header points to lives until the call returns, and sending only reads.
    let result = unsafe { libc::sendmsg(socket.fd(), &raw const header, libc::MSG_DONTWAIT) };
    if result < 0 {
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return Err(SendError::from_errno(errno));
    }
    Ok(())
}
