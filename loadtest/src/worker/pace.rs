//! Packets leave at their own instants, not all those of a tick at its end: a burst would queue at the
//! responder, and its wait look like the responder's own.

use std::collections::VecDeque;

use timer::{Instant, TICK};

/// Peers whose packet is due, one tick after the instant that their timer said: by then all timers
/// that were due earlier have fired.
#[derive(Default)]
pub(super) struct Pace {
    due: VecDeque<(Instant, u32)>,
}

impl Pace {
    /// Takes over what the timers of some ticks have said, in any order.
    pub(super) fn add(&mut self, fired: &mut Vec<(Instant, u32)>) {
        fired.sort_unstable();
        self.due.extend(fired.drain(..));
    }

    /// The next peer to send, with the instant that its timer said.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Instant, u32)> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_front()
    }

    /// When the next packet is to leave.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.front().map(|&(due, _)| due + TICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1_000)
    }

    #[test]
    fn packets_of_a_tick_leave_in_order_and_a_tick_after_they_were_due() {
        let mut pace = Pace::default();
        pace.add(&mut vec![(micros(7_000), 1), (micros(2_000), 2)]);
        pace.add(&mut vec![(micros(9_000), 3)]);
        assert_eq!(pace.next(), Some(micros(10_000)));
        assert_eq!(pace.take(micros(9_999)), None);
        assert_eq!(pace.take(micros(10_000)), Some((micros(2_000), 2)));
        assert_eq!(pace.take(micros(14_999)), None);
        assert_eq!(pace.take(micros(17_500)), Some((micros(7_000), 1)));
        assert_eq!(pace.take(micros(17_500)), Some((micros(9_000), 3)));
        assert_eq!(pace.next(), None);
    }
}
