//! Socket options that `socket2` does not know.

use core::mem::size_of;
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

/// Attaches a classic BPF program as `SO_ATTACH_FILTER` or `SO_ATTACH_REUSEPORT_CBPF`.
pub(crate) fn attach_program(
    fd: &impl AsRawFd,
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
            libc::SOL_SOCKET,
            name,
            ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
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
