//! Moments in which packets are most easily lost: rekeys, and changes of the path. A packet carries
//! the mark of the moment in which it was sent, so that who gets it back can tell without a memory.

use core::time::Duration;

use timer::Instant;

use super::Worker;

/// How long after a rekey packets still count as sent during it.
const AFTER_REKEY: Duration = Duration::from_secs(1);
/// How long after a peer came back, or its NAT moved it, packets count as sent during a failover.
const AFTER_FAILOVER: Duration = Duration::from_secs(5);

/// What a peer goes through.
#[derive(Clone, Copy)]
pub(super) struct Unrest {
    mark: Mark,
    until: Instant,
}

/// Why a packet might have been lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// For no special reason.
    Quiet,
    /// Its peer was being rekeyed.
    Rekey,
    /// Its peer had just come back, or moved.
    Failover,
}

/// The bits of a packet's number that hold its mark: no peer sends so many packets.
const MARK_SHIFT: u32 = 62;

impl Mark {
    /// The number of a packet, with the mark in it.
    pub(super) const fn on(self, number: u64) -> u64 {
        number | ((self as u64) << MARK_SHIFT)
    }

    /// The mark of a numbered packet.
    pub(super) const fn of(number: u64) -> Self {
        match number >> MARK_SHIFT {
            1 => Self::Rekey,
            2 => Self::Failover,
            _ => Self::Quiet,
        }
    }
}

impl Worker {
    /// The mark of a packet that is sent now.
    pub(super) fn mark(&mut self, slot: u32, now: Instant) -> Mark {
        let begun = self.rekeying.contains_key(&slot);
        match self.unrest.get(&slot) {
            Some(unrest) if now <= unrest.until => unrest.mark,
            Some(_) => {
                self.unrest.remove(&slot);
                if begun { Mark::Rekey } else { Mark::Quiet }
            }
            None if begun => Mark::Rekey,
            None => Mark::Quiet,
        }
    }

    /// The peer asks for a rekey. Where one is under way already, its beginning counts.
    pub(super) fn rekey_begins(&mut self, slot: u32, now: Instant) {
        self.rekeying.entry(slot).or_insert(now);
    }

    /// The new SA stands; the time since the peer asked for it counts, if it was the peer that did.
    pub(super) fn rekey_ends(&mut self, slot: u32, now: Instant) {
        if let Some(begun) = self.rekeying.remove(&slot) {
            let micros = u64::try_from((now - begun).as_micros()).unwrap_or(u64::MAX);
            self.stats.rekey_us.saturating_record(micros);
        }
        self.unsettle(slot, Mark::Rekey, now + AFTER_REKEY);
    }

    /// The peer is elsewhere, or anew.
    pub(super) fn fails_over(&mut self, slot: u32, now: Instant) {
        self.unsettle(slot, Mark::Failover, now + AFTER_FAILOVER);
    }

    fn unsettle(&mut self, slot: u32, mark: Mark, until: Instant) {
        // Only who sends packets is asked for marks, and so forgotten again.
        if self.packet_gap_s(slot).is_some() {
            self.unrest.insert(slot, Unrest { mark, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn a_mark_is_read_back_and_leaves_the_number_alone() {
        for mark in [Mark::Quiet, Mark::Rekey, Mark::Failover] {
            let number = mark.on(77);
            assert_eq!(Mark::of(number), mark);
            assert_eq!(number << 2 >> 2, 77);
        }
    }
}
