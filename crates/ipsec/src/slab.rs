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

/// Slots of the first chunks: who has few entries shall not pay for many.
const SMALL_LEN: u32 = 256;
/// So many chunks are small.
const SMALL_CHUNKS: u32 = 16;
/// Slots of all later chunks. Those of SAs are bigger than a huge page of 2 MiB then: with a huge page
/// for every 2,500 SAs, instead of five small pages for each, finding them in memory is not the
/// greater part of the work (docs/performance.md says how the allocator is told).
const LARGE_LEN: u32 = 4096;
/// The slots of all small chunks together.
const SMALL_SLOTS: u32 = SMALL_LEN * SMALL_CHUNKS;
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
        let (chunk, at) = position(slot);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    /// The entry in a slot.
    #[must_use]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.place(slot)?.as_mut()
    }

    /// Asks for the first cache line of a slot.
    #[inline]
    pub(crate) fn fetch(&self, slot: u32) {
        let (chunk, at) = position(slot);
        if let Some(chunk) = self.chunks.get(chunk) {
            ahead::fetch(chunk, at);
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
            if position(slot).1 == 0 {
                let len = if slot < SMALL_SLOTS {
                    SMALL_LEN
                } else {
                    LARGE_LEN
                };
                self.chunks.push((0..len).map(|_| None).collect());
            }
            return Some(slot);
        }
        self.free.pop_front()
    }

    fn place(&mut self, slot: u32) -> Option<&mut Option<T>> {
        let (chunk, at) = position(slot);
        self.chunks.get_mut(chunk)?.get_mut(at)
    }
}

/// The chunk of a slot, and its place there.
#[inline]
const fn position(slot: u32) -> (usize, usize) {
    let (chunk, at) = if slot < SMALL_SLOTS {
        (slot / SMALL_LEN, slot % SMALL_LEN)
    } else {
        let beyond = slot - SMALL_SLOTS;
        (SMALL_CHUNKS + beyond / LARGE_LEN, beyond % LARGE_LEN)
    };
    (chunk as usize, at as usize)
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
    fn chunks_join_without_a_gap() {
        let mut slab = Slab::new(20_000);
        for number in 0..20_000_u32 {
            assert_eq!(slab.insert_with(|slot| slot), Some(number));
        }
        assert_eq!(slab.chunks.len(), 16 + 4);
        for number in 0..20_000_u32 {
            assert_eq!(slab.get(number), Some(&number));
        }
        assert!(slab.iter().all(|(slot, entry)| slot == *entry));
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
