//! One ring of slots. A slot is the head of a list that runs through the wheel's entries.

use crate::occupancy::{Occupancy, SLOTS};

/// No entry: the end of a list.
pub(crate) const NIL: u32 = u32::MAX;

pub(crate) struct Level {
    heads: Box<[u32]>,
    occupied: Occupancy,
}

impl Level {
    pub(crate) fn new() -> Self {
        Self {
            heads: vec![NIL; SLOTS].into_boxed_slice(),
            occupied: Occupancy::empty(),
        }
    }

    pub(crate) fn head(&self, slot: usize) -> u32 {
        self.heads[slot]
    }

    /// Makes `entry` the head of `slot`, or empties the slot if `entry` is [`NIL`].
    pub(crate) fn set_head(&mut self, slot: usize, entry: u32) {
        self.heads[slot] = entry;
        if entry == NIL {
            self.occupied.clear(slot);
        } else {
            self.occupied.set(slot);
        }
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
