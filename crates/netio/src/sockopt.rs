//! Socket options that `socket2` does not know.

use core::mem::{size_of, size_of_val};
use core::ptr;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use crate::Instruction;

/// Sets an option whose value is an `int`.
pub(crate) fn set_int(fd: &impl AsRawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_raw_int(fd.as_raw_fd(), level, name, value)
}

pub(crate) fn set_raw_int(fd: RawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer is valid for reads of the length that is passed, and the kernel copies.
    let result = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    check(result)
}

/// Reads an option whose value is an `int`.
pub(crate) fn int(fd: &impl AsRawFd, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0_i32;
    let mut len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the value is valid for writes of the length that is passed, and so is the length.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            ptr::from_mut(&mut value).cast(),
            &raw mut len,
        )
    };
    check(result).map(|()| value)
}

/// `SK_MEMINFO_DROPS` and how many words come with it (`linux/sock_diag.h`).
const MEMORY_DROPS: usize = 8;
const MEMORY_WORDS: usize = 9;

/// How many datagrams a socket has dropped since it was made, for want of room or as broken. The number is
/// the one that `SO_RXQ_OVFL` has a later datagram tell.
pub(crate) fn drops(fd: &impl AsRawFd) -> io::Result<u32> {
    let mut words = [0_u32; MEMORY_WORDS];
    let mut len = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the words are valid for writes of the length that is passed, and so is the length.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    check(result).map(|()| words[MEMORY_DROPS])
}

/// Has a classic BPF program decide which datagrams a socket receives.
pub(crate) fn attach_filter(fd: &impl AsRawFd, instructions: &[Instruction]) -> io::Result<()> {
    attach_program(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, instructions)
}

/// Attaches a classic BPF program by an option that takes one.
pub(crate) fn attach_program(
    fd: &impl AsRawFd,
    level: i32,
    name: i32,
    instructions: &[Instruction],
) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> = instructions
        .iter()
        .map(|i| libc::sock_filter {
            code: i.code,
            jt: i.jump_true,
            jf: i.jump_false,
            k: i.operand,
        })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `program` and the instructions it points to live until the call returns; the kernel
    // verifies and copies them.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    check(result)
}

/// Binds a packet socket to a protocol (in the order of the wire) on all devices.
pub(crate) fn bind_packets(fd: &impl AsRawFd, protocol: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the pointer is valid for reads of the length that is passed, and the kernel copies.
    let result = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    check(result)
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
