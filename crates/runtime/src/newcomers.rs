//! First messages, which wait until everything that belongs to standing SAs has been read: a storm or a flood of them
//! must not fill the sockets' buffers.

use std::collections::VecDeque;

use shard::{Listener, OuterPacket};

use crate::mailbox::Stray;

/// First messages that wait at most, of each kind: some ten milliseconds of work.
const WAITING_MAX: usize = 2_048;

/// Where the next payload stands in a header of IKE (RFC 7296 §3.1), and the mark of a notification (§3.2).
const NEXT_PAYLOAD: usize = 16;
const NOTIFY: u8 = 41;
/// Octets of the non-ESP marker (RFC 3948 §2.2).
const MARKER_LEN: usize = 4;

/// The queue of one worker.
#[derive(Default)]
pub(crate) struct Newcomers {
    /// Whoever returns a cookie, as it seems: it has asked before, and a flood seldom does.
    returning: VecDeque<Stray>,
    others: VecDeque<Stray>,
    /// Dropped since somebody asked.
    turned_away: u64,
}

impl Newcomers {
    /// Has a first message wait, unless too many do.
    pub(crate) fn wait(&mut self, packet: &OuterPacket<'_>) {
        let queue = match begins_with_cookie(packet) {
            true => &mut self.returning,
            false => &mut self.others,
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

/// RFC 7296 §2.6: a returned cookie is the first payload.
fn begins_with_cookie(packet: &OuterPacket<'_>) -> bool {
    let start = match packet.listener {
        Listener::Nat => MARKER_LEN,
        Listener::Ike | Listener::RawEsp => 0,
    };
    packet.bytes.get(start + NEXT_PAYLOAD) == Some(&NOTIFY)
}

#[cfg(test)]
mod tests {
    use ipsec::FrontVrf;

    use super::*;

    fn knock(newcomers: &mut Newcomers, number: u8, next_payload: u8) {
        let mut bytes = [0; 32];
        bytes[MARKER_LEN] = number;
        bytes[MARKER_LEN + NEXT_PAYLOAD] = next_payload;
        newcomers.wait(&OuterPacket {
            listener: Listener::Nat,
            fvrf: FrontVrf::GLOBAL,
            local: "192.0.2.1:4500".parse().unwrap(),
            remote: "198.51.100.7:4500".parse().unwrap(),
            tos: 0,
            bytes: &mut bytes,
        });
    }

    #[test]
    fn whoever_returns_a_cookie_goes_first() {
        let mut newcomers = Newcomers::default();
        for (number, next_payload) in [(1, 33), (2, NOTIFY), (3, 33), (4, NOTIFY)] {
            knock(&mut newcomers, number, next_payload);
        }
        let order = core::iter::from_fn(|| newcomers.next());
        let order: Vec<u8> = order.map(|stray| stray.bytes[MARKER_LEN]).collect();
        assert_eq!(order, [2, 4, 1, 3]);
        assert!(newcomers.is_empty());
    }

    #[test]
    fn a_flood_is_bounded_and_keeps_nobody_out_who_returns_a_cookie() {
        let mut newcomers = Newcomers::default();
        (0..WAITING_MAX + 5).for_each(|_| knock(&mut newcomers, 1, 33));
        knock(&mut newcomers, 2, NOTIFY);
        assert_eq!(newcomers.take_turned_away(), 5);
        assert_eq!(newcomers.take_turned_away(), 0);
        let first = newcomers.next().map(|stray| stray.bytes[MARKER_LEN]);
        assert_eq!(first, Some(2));
    }
}
