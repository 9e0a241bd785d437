use core::hash::BuildHasher;

use crate::ahead;
use crate::hash::KeyedState;

/// From prefixes to what takes their packets: a hash table whose places are one half of a
/// cache line each and can be asked for ahead, which the standard library's cannot.
///
/// A prefix that finds its place taken goes to the next free one. When one leaves, those behind it
/// move up, so that no marks of the departed remain.
pub(super) struct Places<H> {
    places: Box<[Place<H>]>,
    len: usize,
    hash: KeyedState,
    /// The handles of prefixes that have several, the youngest last.
    lists: Vec<Vec<H>>,
    free_lists: Vec<u32>,
}

/// Addresses of a prefix: the network and its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Prefix {
    pub(super) bits: u128,
    pub(super) length: u8,
}

#[derive(Clone, Copy)]
struct Place<H> {
    bits: u128,
    handle: H,
    /// The list of all handles plus one; 0 when `handle` is the only one.
    list: u32,
    /// [`VACANT`] when there is nothing.
    length: u8,
}

const VACANT: u8 = u8::MAX;
const PLACES_MIN: usize = 16;

impl<H: Default> Place<H> {
    fn empty() -> Self {
        Self {
            bits: 0,
            handle: H::default(),
            list: 0,
            length: VACANT,
        }
    }
}

impl<H> Place<H> {
    const fn is(&self, prefix: Prefix) -> bool {
        self.bits == prefix.bits && self.length == prefix.length
    }
}

impl<H: Copy + PartialEq + Default> Places<H> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            places: vec![Place::empty(); PLACES_MIN].into(),
            len: 0,
            hash: KeyedState::new(seed),
            lists: Vec::new(),
            free_lists: Vec::new(),
        }
    }

    /// Prefixes that lead somewhere.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Asks for the cache line in which a prefix stands, most likely, and says which place that is.
    pub(super) fn fetch(&self, prefix: Prefix) -> usize {
        let home = self.home(prefix);
        ahead::fetch(&self.places, home);
        home
    }

    /// What stands in a place. Nothing is compared: while memory is awaited the processor goes on
    /// only as long as it guesses its branches right.
    pub(super) fn at(&self, place: usize) -> H {
        self.places
            .get(place)
            .map_or_else(H::default, |place| place.handle)
    }

    /// The handles of a prefix, the youngest last.
    pub(super) fn get(&self, prefix: Prefix) -> &[H] {
        let Some(place) = self.place(prefix) else {
            return &[];
        };
        match place.list.checked_sub(1) {
            None => core::slice::from_ref(&place.handle),
            Some(list) => self.lists.get(list as usize).map_or(&[], Vec::as_slice),
        }
    }

    /// Adds a handle to a prefix, once. Returns whether the prefix is new.
    pub(super) fn add(&mut self, prefix: Prefix, handle: H) -> bool {
        if let Some(at) = self.position(prefix) {
            self.add_to(at, handle);
            return false;
        }
        // Three quarters full at most: then most prefixes stand at home or beside it.
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        self.settle(Place {
            bits: prefix.bits,
            handle,
            list: 0,
            length: prefix.length,
        });
        self.len += 1;
        true
    }

    /// Takes a handle from a prefix. Returns whether the prefix is gone.
    pub(super) fn remove(&mut self, prefix: Prefix, handle: H) -> bool {
        let Some(at) = self.position(prefix) else {
            return false;
        };
        if self.take_from(at, handle) {
            self.vacate(at);
            self.len -= 1;
            return true;
        }
        false
    }

    fn home(&self, prefix: Prefix) -> usize {
        let hash = self.hash.hash_one((prefix.bits, prefix.length));
        // The upper bits, as many as number the places.
        #[allow(clippy::cast_possible_truncation)]
        let home = hash.unbounded_shr(64 - self.places.len().trailing_zeros()) as usize;
        home
    }

    const fn after(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    fn position(&self, prefix: Prefix) -> Option<usize> {
        let mut at = self.home(prefix);
        loop {
            let place = self.places.get(at)?;
            if place.is(prefix) {
                return Some(at);
            }
            if place.length == VACANT {
                return None;
            }
            at = self.after(at);
        }
    }

    fn place(&self, prefix: Prefix) -> Option<&Place<H>> {
        self.places.get(self.position(prefix)?)
    }

    /// Puts a prefix into the first free place from its home on.
    fn settle(&mut self, new: Place<H>) {
        let mut at = self.home(Prefix {
            bits: new.bits,
            length: new.length,
        });
        while self
            .places
            .get(at)
            .is_some_and(|place| place.length != VACANT)
        {
            at = self.after(at);
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = new;
        }
    }

    fn grow(&mut self) {
        let twice = vec![Place::empty(); self.places.len() * 2].into();
        for place in core::mem::replace(&mut self.places, twice) {
            if place.length != VACANT {
                self.settle(place);
            }
        }
    }

    /// Empties a place and moves up whoever stands behind it because it was taken.
    fn vacate(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            at = self.after(at);
            let Some(place) = self.places.get(at).copied() else {
                return;
            };
            if place.length == VACANT {
                break;
            }
            let home = self.home(Prefix {
                bits: place.bits,
                length: place.length,
            });
            // It may stand anywhere from its home on: does the hole lie between the two?
            let mask = self.places.len() - 1;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.put(hole, place);
                hole = at;
            }
        }
        self.put(hole, Place::empty());
    }

    fn put(&mut self, at: usize, new: Place<H>) {
        if let Some(place) = self.places.get_mut(at) {
            *place = new;
        }
    }

    fn add_to(&mut self, at: usize, handle: H) {
        let Some(place) = self.places.get_mut(at) else {
            return;
        };
        if let Some(list) = place.list.checked_sub(1) {
            if let Some(handles) = self.lists.get_mut(list as usize)
                && handles.last() != Some(&handle)
            {
                handles.push(handle);
            }
        } else if place.handle != handle {
            // Two selectors of one handle may differ in their ports alone; this is another handle.
            let handles = vec![place.handle, handle];
            let list = match self.free_lists.pop() {
                Some(list) => {
                    if let Some(free) = self.lists.get_mut(list as usize) {
                        *free = handles;
                    }
                    list
                }
                None => {
                    self.lists.push(handles);
                    // No more lists than places, and those are far fewer.
                    #[allow(clippy::cast_possible_truncation)]
                    let list = (self.lists.len() - 1) as u32;
                    list
                }
            };
            place.list = list + 1;
        } else {
            return;
        }
        // The youngest is the likeliest.
        place.handle = handle;
    }

    /// Whether nobody is left.
    fn take_from(&mut self, at: usize, handle: H) -> bool {
        let Some(place) = self.places.get_mut(at) else {
            return false;
        };
        let Some(list) = place.list.checked_sub(1) else {
            return place.handle == handle;
        };
        let Some(handles) = self.lists.get_mut(list as usize) else {
            return false;
        };
        handles.retain(|kept| *kept != handle);
        let Some(youngest) = handles.last() else {
            self.free_lists.push(list);
            return true;
        };
        place.handle = *youngest;
        if handles.len() == 1 {
            *handles = Vec::new();
            place.list = 0;
            self.free_lists.push(list);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const fn prefix(number: u32) -> Prefix {
        Prefix {
            bits: (number % 97) as u128,
            length: if number.is_multiple_of(3) { 24 } else { 32 },
        }
    }

    /// Against a map of lists, through growth and shrinkage.
    #[test]
    fn it_agrees_with_a_map() {
        let mut table = Places::new(0x5eed);
        let mut map: HashMap<(u128, u8), Vec<u32>> = HashMap::new();
        let mut random = 1_u32;
        for step in 0..200_000_u32 {
            random = random.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            let key = prefix(random >> 8);
            let handle = 1 + (random >> 29);
            let entry = map.entry((key.bits, key.length)).or_default();
            // More come than go at first, then the other way round.
            let add = (random >> 4) % 100 < if step % 40_000 < 20_000 { 60 } else { 30 };
            if add {
                let new = entry.is_empty();
                if entry.last() != Some(&handle) && !entry.contains(&handle) {
                    entry.push(handle);
                    assert_eq!(table.add(key, handle), new);
                }
            } else {
                let had = !entry.is_empty();
                entry.retain(|kept| *kept != handle);
                assert_eq!(table.remove(key, handle), had && entry.is_empty());
            }
            assert_eq!(table.get(key), entry.as_slice());
        }
        for (&(bits, length), handles) in &map {
            assert_eq!(table.get(Prefix { bits, length }), handles.as_slice());
        }
        let used = map.values().filter(|handles| !handles.is_empty()).count();
        assert_eq!(table.len(), used);
    }

    #[test]
    fn a_place_is_half_a_cache_line() {
        assert_eq!(size_of::<Place<crate::OutboundHandle>>(), 32);
    }

    #[test]
    fn it_grows_with_what_it_holds() {
        let mut table = Places::new(3);
        for number in 0..100_000_u32 {
            let key = Prefix {
                bits: u128::from(number),
                length: 32,
            };
            assert!(table.add(key, number));
        }
        assert_eq!(table.len(), 100_000);
        for number in 0..100_000_u32 {
            let key = Prefix {
                bits: u128::from(number),
                length: 32,
            };
            assert_eq!(table.get(key), [number]);
            assert!(table.remove(key, number));
        }
        assert!(table.places.iter().all(|place| place.length == VACANT));
    }
}
