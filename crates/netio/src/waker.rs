use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Ends another thread's [`Engine::wait`](crate::Engine::wait). Clones wake the same engine.
#[derive(Clone)]
pub struct Waker {
    event: Arc<File>,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just created and nobody else owns it.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self {
            event: Arc::new(File::from(owned)),
        })
    }

    /// Ends the current or the next `wait`. Any number of calls before it returns count as one.
    pub fn wake(&self) {
        // The only failure is a counter at its limit, which is as awake as can be.
        let _ = (&*self.event).write(&1_u64.to_ne_bytes());
    }

    pub(crate) fn drain(&self) {
        let mut count = [0; 8];
        let _ = (&*self.event).read(&mut count);
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}
