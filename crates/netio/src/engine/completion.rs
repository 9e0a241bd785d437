//! What completions of the ring belong to, and what they say of a receiver.

use super::ERRORS_IN_A_ROW_MAX;

/// What a completion belongs to, packed into its user data.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Waker,
    Socket(u16),
    Tun(u16),
    Slot(u16),
}

impl Purpose {
    pub(super) fn pack(self) -> u64 {
        match self {
            Self::Waker => 0,
            Self::Socket(i) => 1 << 32 | u64::from(i),
            Self::Tun(i) => 2 << 32 | u64::from(i),
            Self::Slot(i) => 3 << 32 | u64::from(i),
        }
    }

    pub(super) fn unpack(data: u64) -> Option<Self> {
        let index = data as u16;
        match data >> 32 {
            0 => Some(Self::Waker),
            1 => Some(Self::Socket(index)),
            2 => Some(Self::Tun(index)),
            3 => Some(Self::Slot(index)),
            _ => None,
        }
    }
}

/// Whether a socket or a queue is being received from.
#[derive(Clone, Copy, Default)]
pub(super) struct Reception {
    pub(super) armed: bool,
    errors_in_a_row: u32,
}

impl Reception {
    /// Arming what always fails, such as a device that was deleted, would keep the thread busy.
    pub(super) fn is_wanted(self) -> bool {
        !self.armed && self.errors_in_a_row < ERRORS_IN_A_ROW_MAX
    }

    pub(super) fn note(&mut self, more: bool, result: i32) {
        self.armed = more;
        self.errors_in_a_row = match result {
            0.. => 0,
            _ if -result == libc::ENOBUFS => self.errors_in_a_row,
            _ => self.errors_in_a_row + 1,
        };
    }
}
