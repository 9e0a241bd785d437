//! Storage by index that never moves what it holds.

use crate::ahead;

/// Slots of one kind, found by index. It grows by chunks, so that growing never copies what is
/// there, and a slot that was freed rests for a while before it is used again.
pub struct Slab<T> {
    chunks: Vec<Box<[Option<T>]>>,
    /// Free slots, the one that has rested longest in front.
    free: std::collections::VecDeque<u32>,
    /// The first slot that was never used.
    fresh: u32,
    capacity: u32,
    len: u32,
}

const CHUNK_LEN: u32 = 256;
/// How many freed slots rest before one is used again: a late packet for a deleted SA meets an
/// empty slot for at least as many set-ups.
const RESTING: usize = 64;

impl<T> Slab<T> {
    /// An empty slab that will hold at most `capacity` entries.
    #[must_use]
    pub const fn new(capacity: u32) -> Self {
        Self {
            chunks: Vec::new(),
            free: std::collections::VecDeque::new(),
            fresh: 0,
            capacity,
            len: 0,
        }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries there may be.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Puts what `make` builds for a free slot there; `None` when the slab is full.
    pub fn insert_with(&mut self, make: impl FnOnce(u32) -> T) -> Option<u32> {
        let slot = self.take_slot()?;
        let place = self.place(slot)?;
        *place = Some(make(slot));
        self.len += 1;
        Some(slot)
    }

    /// Empties a slot.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let entry = self.place(slot)?.take()?;
        self.free.push_back(slot);
        self.len -= 1;
        Some(entry)
    }

    /// The entry in a slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&T> {
        let chunk = self.chunks.get((slot / CHUNK_LEN) as usize)?;
        chunk.get((slot % CHUNK_LEN) as usize)?.as_ref()
    }

    /// The entry in a slot.
    #[must_use]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.place(slot)?.as_mut()
    }

    /// Asks for the first cache line of a slot.
    #[inline]
    pub(crate) fn fetch(&self, slot: u32) {
        if let Some(chunk) = self.chunks.get((slot / CHUNK_LEN) as usize) {
            ahead::fetch(chunk, (slot % CHUNK_LEN) as usize);
        }
    }

    /// All entries with their slots, in the order of the slots. Never on the packet path.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.iter())
            .zip(0..)
            .filter_map(|(entry, slot)| entry.as_ref().map(|entry| (slot, entry)))
    }

    fn take_slot(&mut self) -> Option<u32> {
        if self.fresh < self.capacity && self.free.len() < RESTING {
            let slot = self.fresh;
            self.fresh += 1;
            if slot.is_multiple_of(CHUNK_LEN) {
                self.chunks.push((0..CHUNK_LEN).map(|_| None).collect());
            }
            return Some(slot);
        }
        self.free.pop_front()
    }

    fn place(&mut self, slot: u32) -> Option<&mut Option<T>> {
        let chunk = self.chunks.get_mut((slot / CHUNK_LEN) as usize)?;
        chunk.get_mut((slot % CHUNK_LEN) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_its_capacity_and_no_more() {
        let mut slab = Slab::new(600);
        let slots: Vec<_> = (0..600).map(|n| slab.insert_with(|_| n).unwrap()).collect();
        assert_eq!(slab.insert_with(|_| 0), None);
        assert_eq!(slab.len(), 600);
        for (slot, n) in slots.iter().zip(0..) {
            assert_eq!(slab.get(*slot), Some(&n));
        }
        assert_eq!(slab.remove(5), Some(5));
        assert_eq!(slab.remove(5), None);
        assert_eq!(slab.get(5), None);
        assert_eq!(slab.insert_with(|slot| slot), Some(5));
    }

    #[test]
    fn a_freed_slot_rests() {
        let mut slab = Slab::new(10_000);
        let mut last = slab.insert_with(|_| ()).unwrap();
        let first = last;
        let mut rounds = 0;
        loop {
            slab.remove(last);
            last = slab.insert_with(|_| ()).unwrap();
            rounds += 1;
            if last == first {
                break;
            }
        }
        assert_eq!(rounds, RESTING);
        assert_eq!(slab.iter().count(), 1);
        assert!(slab.get(1_000_000).is_none());
    }
}
