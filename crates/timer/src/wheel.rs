//! A hashed timing wheel of two rings.
//!
//! The near ring has a slot for every tick of the next 32.8 s: dead peer detection, retransmission
//! and other short timers go straight to the slot in which they fire. The far ring has a slot for
//! every turn of the near one (37 h in all): a timer there is moved once, when its turn begins.
//! Nothing ever looks at a timer that is neither due nor about to be, so the cost of a timer does
//! not depend on how many others there are.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::Instant;
use crate::level::{LANES, Level, NIL, slot_of};
use crate::occupancy::SLOTS;

/// The grain of the wheel: a timer fires at the first tick that is not before its due time.
pub const TICK: Duration = Duration::from_millis(8);

const TICK_NANOS: u64 = TICK.as_nanos() as u64;
const TURN: u64 = SLOTS as u64;

/// Set in [`Entry::previous`] when the entry is the first of its slot; the other bits then say
/// which slot, so that a cancel needs no search and an entry no further field.
const FIRST: u32 = 1 << 31;
/// Set beside [`FIRST`] when that slot is in the far ring.
const FAR: u32 = 1 << 30;

/// Names one armed timer. It goes stale when the timer fires or is cancelled, and a stale key never
/// hits another timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    index: u32,
    generation: NonZeroU32,
}

/// A timer that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired<T> {
    /// What the owner gave to [`Wheel::arm`].
    pub token: T,
    /// The time asked for; the time of the call minus this is the lateness.
    pub due: Instant,
}

struct Entry<T> {
    due: Instant,
    next: u32,
    previous: u32,
    generation: NonZeroU32,
    token: T,
}

/// Timers that carry a token of type `T`. See the [crate] documentation for what it promises.
pub struct Wheel<T> {
    /// The last tick that has been fired: every armed timer lies after it.
    done: u64,
    near: Level,
    far: Level,
    entries: Vec<Entry<T>>,
    /// Head of the list of unused entries.
    free: u32,
    len: usize,
}

impl<T: Copy> Wheel<T> {
    /// Octets that an armed timer takes.
    pub const ENTRY_LEN: usize = size_of::<Entry<T>>();

    /// An empty wheel whose time starts at `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            done: start.as_nanos() / TICK_NANOS,
            near: Level::new(),
            far: Level::new(),
            entries: Vec::new(),
            free: NIL,
            len: 0,
        }
    }

    /// Armed timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Arms a timer. A due time that has passed already fires at the next tick.
    ///
    /// # Panics
    /// If a thousand million timers are armed at once.
    pub fn arm(&mut self, due: Instant, token: T) -> TimerKey {
        let index = self.take_entry(due, token);
        self.link(index);
        self.len += 1;
        TimerKey {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    /// Takes a timer back; its token, or `None` if it has fired or was cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let token = self.armed(key)?.token;
        self.unlink(key.index);
        self.release(key.index);
        Some(token)
    }

    /// Moves an armed timer to another due time, keeping its key. `false` if it has fired or was
    /// cancelled before.
    pub fn rearm(&mut self, key: TimerKey, due: Instant) -> bool {
        if self.armed(key).is_none() {
            return false;
        }
        self.unlink(key.index);
        self.entries[key.index as usize].due = due;
        self.link(key.index);
        true
    }

    /// Fires every timer whose tick has come. A jump of `now` fires all that it passed over, tick by
    /// tick in order; a `now` before an earlier one fires nothing.
    pub fn fire(&mut self, now: Instant, mut on_fire: impl FnMut(Fired<T>)) {
        let last = now.as_nanos() / TICK_NANOS;
        while let Some(tick) = self.next_tick() {
            if tick > last {
                break;
            }
            self.done = tick - 1;
            if tick.is_multiple_of(TURN) {
                self.bring_near(tick / TURN);
            }
            self.fire_slot(slot_of(tick), &mut on_fire);
            self.done = tick;
        }
        self.done = self.done.max(last);
    }

    /// When to call [`fire`](Self::fire) next: the tick of the earliest timer, or earlier if that
    /// timer lies beyond the near ring. `None` if no timer is armed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_tick()
            .map(|tick| Instant::from_nanos(tick.saturating_mul(TICK_NANOS)))
    }

    /// The next tick at which there is something to do: timers to fire, or a far slot to bring near.
    fn next_tick(&self) -> Option<u64> {
        let fires = self.near.next_after(self.done);
        let turns = self
            .far
            .next_after(self.done / TURN)
            .map(|turn| turn * TURN);
        match (fires, turns) {
            (Some(fires), Some(turns)) => Some(fires.min(turns)),
            (one, other) => one.or(other),
        }
    }

    /// Spreads the far slot of `turn`, which is about to begin, over the near ring.
    fn bring_near(&mut self, turn: u64) {
        let slot = slot_of(turn);
        for mut index in self.far.take(slot) {
            while index != NIL {
                let next = self.entries[index as usize].next;
                self.link(index);
                index = next;
            }
        }
    }

    fn fire_slot(&mut self, slot: usize, on_fire: &mut impl FnMut(Fired<T>)) {
        let mut lists = self.near.take(slot);
        while lists != [NIL; LANES] {
            for index in lists.iter_mut().filter(|index| **index != NIL) {
                let entry = &self.entries[*index as usize];
                let (next, token, due) = (entry.next, entry.token, entry.due);
                self.release(*index);
                on_fire(Fired { token, due });
                *index = next;
            }
        }
    }

    fn armed(&self, key: TimerKey) -> Option<&Entry<T>> {
        self.entries
            .get(key.index as usize)
            .filter(|entry| entry.generation == key.generation)
    }

    fn take_entry(&mut self, due: Instant, token: T) -> u32 {
        if self.free == NIL {
            let index = u32::try_from(self.entries.len()).unwrap_or(NIL);
            assert!(index < FAR, "a shard holds far fewer timers than 2^30");
            self.entries.push(Entry {
                due,
                next: NIL,
                previous: NIL,
                generation: NonZeroU32::MIN,
                token,
            });
            return index;
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.due = due;
        entry.token = token;
        index
    }

    /// Puts an unlinked entry on the list of unused ones and makes its key stale.
    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        entry.next = self.free;
        self.free = index;
        self.len -= 1;
    }

    /// The mark of the slot in which an entry with this due time waits now.
    fn place(&self, due: Instant) -> u32 {
        let tick = due.as_nanos().div_ceil(TICK_NANOS).max(self.done + 1);
        if tick - self.done <= TURN {
            return FIRST | slot_of(tick) as u32;
        }
        // Beyond the far ring's reach an entry waits in its last slot and is placed again from there.
        let turn = (tick / TURN).min(self.done / TURN + TURN - 1);
        FIRST | FAR | slot_of(turn) as u32
    }

    fn level(&mut self, mark: u32) -> (&mut Level, usize) {
        let slot = (mark & !(FIRST | FAR)) as usize;
        if mark & FAR == 0 {
            (&mut self.near, slot)
        } else {
            (&mut self.far, slot)
        }
    }

    fn link(&mut self, index: u32) {
        let mark = self.place(self.entries[index as usize].due);
        let (level, slot) = self.level(mark);
        let head = level.head(slot, index);
        level.set_head(slot, index, index);
        if head != NIL {
            self.entries[head as usize].previous = index;
        }
        let entry = &mut self.entries[index as usize];
        entry.next = head;
        entry.previous = mark;
    }

    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let (next, previous) = (entry.next, entry.previous);
        if previous & FIRST == 0 {
            self.entries[previous as usize].next = next;
        } else {
            let (level, slot) = self.level(previous);
            level.set_head(slot, index, next);
        }
        if next != NIL {
            self.entries[next as usize].previous = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_costs_twenty_octets_and_its_token() {
        assert_eq!(size_of::<Entry<u32>>(), 24);
        assert_eq!(size_of::<TimerKey>(), 8);
        assert_eq!(size_of::<Option<TimerKey>>(), 8);
    }
}
