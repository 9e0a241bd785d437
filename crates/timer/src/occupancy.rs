//! Which slots of a level hold a timer: a bitmap of two storeys, searched in a few instructions.

/// Slots in a level of the wheel: one summary word of 64 bits over 64 words of 64 bits.
pub(crate) const SLOTS: usize = 64 * 64;

pub(crate) struct Occupancy {
    words: [u64; 64],
    /// Bit `w` says that `words[w]` is not zero.
    summary: u64,
}

impl Occupancy {
    pub(crate) const fn empty() -> Self {
        Self {
            words: [0; 64],
            summary: 0,
        }
    }

    pub(crate) fn set(&mut self, slot: usize) {
        self.words[slot / 64] |= 1 << (slot % 64);
        self.summary |= 1 << (slot / 64);
    }

    pub(crate) fn clear(&mut self, slot: usize) {
        let word = &mut self.words[slot / 64];
        *word &= !(1 << (slot % 64));
        if *word == 0 {
            self.summary &= !(1 << (slot / 64));
        }
    }

    /// How many slots past `start`, going round, the first occupied one lies (zero: `start` itself).
    pub(crate) fn distance_from(&self, start: usize) -> Option<usize> {
        match self.first_at_or_after(start) {
            Some(slot) => Some(slot - start),
            None => self.first_at_or_after(0).map(|slot| slot + SLOTS - start),
        }
    }

    fn first_at_or_after(&self, start: usize) -> Option<usize> {
        let word = start / 64;
        let here = self.words[word] & (u64::MAX << (start % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        // A shift by 64 is not defined, so the words behind this one are masked in two steps.
        let behind = self.summary & (u64::MAX << word) & !(1 << word);
        if behind == 0 {
            return None;
        }
        let word = behind.trailing_zeros() as usize;
        Some(word * 64 + self.words[word].trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_goes_round_and_agrees_with_a_scan() {
        let occupied = [0, 1, 63, 64, 127, 1_000, 2_048, 4_032, 4_095];
        let mut map = Occupancy::empty();
        assert_eq!(map.distance_from(17), None);
        for slot in occupied {
            map.set(slot);
        }
        for start in 0..SLOTS {
            let scan = (0..SLOTS).find(|step| occupied.contains(&((start + step) % SLOTS)));
            assert_eq!(map.distance_from(start), scan, "from {start}");
        }
        for slot in occupied {
            map.clear(slot);
        }
        assert_eq!(map.distance_from(0), None);
    }
}
