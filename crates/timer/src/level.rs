//! One ring of slots. A slot is the heads of some lists that run through the wheel's entries.

use crate::occupancy::{Occupancy, SLOTS};

/// No entry: the end of a list.
pub(crate) const NIL: u32 = u32::MAX;

/// Lists of a slot. Entries are cold when they fire, and each names the next: the processor waits for one
/// entry of each list at once instead of one after the other.
pub(crate) const LANES: usize = 8;

pub(crate) struct Level {
    heads: Box<[[u32; LANES]]>,
    occupied: Occupancy,
}

impl Level {
    pub(crate) fn new() -> Self {
        Self {
            heads: vec![[NIL; LANES]; SLOTS].into_boxed_slice(),
            occupied: Occupancy::empty(),
        }
    }

    /// The first entry of the list of `slot` on which `entry` belongs.
    pub(crate) fn head(&self, slot: usize, entry: u32) -> u32 {
        self.heads[slot][lane_of(entry)]
    }

    /// Makes `head` the first entry of that list, or empties the list if `head` is [`NIL`].
    pub(crate) fn set_head(&mut self, slot: usize, entry: u32, head: u32) {
        let heads = &mut self.heads[slot];
        heads[lane_of(entry)] = head;
        if *heads == [NIL; LANES] {
            self.occupied.clear(slot);
        } else {
            self.occupied.set(slot);
        }
    }

    /// Empties `slot` and returns the heads of its lists.
    pub(crate) fn take(&mut self, slot: usize) -> [u32; LANES] {
        self.occupied.clear(slot);
        core::mem::replace(&mut self.heads[slot], [NIL; LANES])
    }

    /// The first position after `position` whose slot is occupied. Positions count for ever; the
    /// ring sees them modulo its size, and never holds one more than a whole turn ahead.
    pub(crate) fn next_after(&self, position: u64) -> Option<u64> {
        let start = position + 1;
        self.occupied
            .distance_from(slot_of(start))
            .map(|distance| start + distance as u64)
    }
}

/// The slot of a position that counts for ever.
pub(crate) const fn slot_of(position: u64) -> usize {
    (position % SLOTS as u64) as usize
}

/// The list of its slot on which an entry belongs.
const fn lane_of(entry: u32) -> usize {
    entry as usize % LANES
}
