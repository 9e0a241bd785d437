//! First messages, which wait until everything that belongs to standing SAs has been read: a storm or a flood of them
//! must not fill the sockets' buffers.

use std::collections::VecDeque;

use shard::{Newcomer, OuterPacket};

use crate::mailbox::Stray;

/// First messages that wait at most, of each kind: some ten milliseconds of work.
const WAITING_MAX: usize = 2_048;

/// The queue of one worker.
#[derive(Default)]
pub(crate) struct Newcomers {
    /// Whoever returns a cookie of ours.
    returning: VecDeque<Stray>,
    others: VecDeque<Stray>,
    /// Dropped since somebody asked.
    turned_away: u64,
}

impl Newcomers {
    /// Has a first message wait, unless too many do.
    pub(crate) fn wait(&mut self, packet: &OuterPacket<'_>, newcomer: Newcomer) {
        let queue = match newcomer {
            Newcomer::Returning => &mut self.returning,
            Newcomer::Stranger => &mut self.others,
        };
        if queue.len() < WAITING_MAX {
            queue.push_back(Stray::of(packet));
        } else {
            self.turned_away += 1;
        }
    }

    /// Whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Stray> {
        self.returning
            .pop_front()
            .or_else(|| self.others.pop_front())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.returning.is_empty() && self.others.is_empty()
    }

    /// How many were dropped since this was called last.
    pub(crate) fn take_turned_away(&mut self) -> u64 {
        core::mem::take(&mut self.turned_away)
    }
}

#[cfg(test)]
mod tests {
    use Newcomer::{Returning, Stranger};
    use ipsec::FrontVrf;
    use shard::Listener;

    use super::*;

    fn knock(newcomers: &mut Newcomers, number: u8, newcomer: Newcomer) {
        let packet = OuterPacket {
            listener: Listener::Nat,
            fvrf: FrontVrf::GLOBAL,
            local: "192.0.2.1:4500".parse().unwrap(),
            remote: "198.51.100.7:4500".parse().unwrap(),
            tos: 0,
            bytes: &mut [number],
        };
        newcomers.wait(&packet, newcomer);
    }

    #[test]
    fn whoever_returns_a_cookie_goes_first() {
        let mut newcomers = Newcomers::default();
        for (number, newcomer) in [(1, Stranger), (2, Returning), (3, Stranger), (4, Returning)] {
            knock(&mut newcomers, number, newcomer);
        }
        let order = core::iter::from_fn(|| newcomers.next());
        let order: Vec<u8> = order.map(|stray| stray.bytes[0]).collect();
        assert_eq!(order, [2, 4, 1, 3]);
        assert!(newcomers.is_empty());
    }

    #[test]
    fn a_storm_is_bounded_and_keeps_nobody_out_who_returns_a_cookie() {
        let mut newcomers = Newcomers::default();
        (0..WAITING_MAX + 5).for_each(|_| knock(&mut newcomers, 1, Stranger));
        knock(&mut newcomers, 2, Returning);
        assert_eq!(newcomers.take_turned_away(), 5);
        assert_eq!(newcomers.take_turned_away(), 0);
        assert_eq!(newcomers.next().map(|stray| stray.bytes[0]), Some(2));
    }
}
