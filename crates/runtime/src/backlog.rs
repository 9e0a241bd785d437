//! How far a worker has come with what has arrived, also when it never finds its sockets empty.

use timer::Instant;

/// Octets of a socket's buffer that the kernel charges for a datagram, however small, at the least: a packet's
/// description and the smallest piece of memory that it gives for its octets.
const CHARGED_MIN: usize = 512;

/// What has been read of each socket since a moment. All are served in turn: when one has yielded more than its buffer
/// holds, nothing that had arrived by that moment is still waiting in any.
pub(crate) struct Backlog {
    /// Datagrams, or runs of them, that a socket's buffer holds at most.
    room: u64,
    since: Instant,
    /// By socket.
    read: Vec<u64>,
}

impl Backlog {
    /// For sockets with so many octets of buffer.
    pub(crate) fn new(buffer_bytes: usize, now: Instant) -> Self {
        let room = buffer_bytes.div_ceil(CHARGED_MIN);
        Self {
            room: u64::try_from(room).unwrap_or(u64::MAX),
            since: now,
            read: Vec::new(),
        }
    }

    /// A datagram or a run of them was read.
    pub(crate) fn read(&mut self, socket: u16) {
        let socket = usize::from(socket);
        if self.read.len() <= socket {
            self.read.resize(socket + 1, 0);
        }
        if let Some(count) = self.read.get_mut(socket) {
            *count = count.saturating_add(1);
        }
    }

    /// The sockets were found empty.
    pub(crate) fn emptied(&mut self, now: Instant) {
        self.since = now;
        self.read.fill(0);
    }

    /// Until when everything that had arrived has been read for certain, if that is news; what arrives from `now` on counts
    /// for the next time.
    pub(crate) fn passed(&mut self, now: Instant) -> Option<Instant> {
        if self.read.iter().all(|count| *count < self.room) {
            return None;
        }
        let passed = self.since;
        self.emptied(now);
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_more_than_a_buffer_holds_means_that_what_it_held_is_read() {
        let at = Instant::from_secs;
        let mut backlog = Backlog::new(8 * CHARGED_MIN, at(10));
        for _ in 0..7 {
            backlog.read(0);
            backlog.read(3);
        }
        assert_eq!(backlog.passed(at(11)), None);
        backlog.read(3);
        assert_eq!(backlog.passed(at(12)), Some(at(10)));
        assert_eq!(backlog.passed(at(13)), None, "counted anew from then on");
        (0..8).for_each(|_| backlog.read(0));
        assert_eq!(backlog.passed(at(14)), Some(at(12)));
    }

    #[test]
    fn an_empty_socket_starts_the_count_again() {
        let at = Instant::from_secs;
        let mut backlog = Backlog::new(8 * CHARGED_MIN, at(10));
        (0..7).for_each(|_| backlog.read(0));
        backlog.emptied(at(11));
        backlog.read(0);
        assert_eq!(backlog.passed(at(12)), None);
        (0..7).for_each(|_| backlog.read(0));
        assert_eq!(backlog.passed(at(13)), Some(at(11)));
    }
}
