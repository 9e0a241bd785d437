use core::sync::atomic::{AtomicU64, Ordering};

use crate::Refused;

/// The replay window of an inbound SA whose packets several shards open at once: without a lock, and
/// as exact as [`ReplayWindow`](crate::ReplayWindow).
///
/// Numbers are cut into blocks of 16. A block belongs to one word of a ring, which holds the block's
/// own number beside its 16 bits, so that one compare-and-swap decides everything about a number: the
/// word still stands for an older block, and is taken over; or for this one, and the bit says whether
/// the number has come; or for a newer one, and the number is too old. Nothing is ever cleared, and of
/// two shards that bring the same number one swap succeeds.
///
/// A window of `size` numbers behind the highest is enforced first. The ring is longer than that by a
/// block at least, so no word is taken over that stands for a number within the window.
#[derive(Debug)]
pub struct SharedWindow {
    /// The highest number received.
    top: AtomicU64,
    size: u32,
    ring: Box<[AtomicU64]>,
}

const BLOCK: u64 = 16;

/// The upper 48 bits are the block's number, cut off; the lower 16 say which of its numbers have come.
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const fn new(block: u64, bits: u16) -> Self {
        Self((block << BLOCK) | bits as u64)
    }

    /// How many blocks this word is older than `block`. Cut off at 48 bits it would be wrong after
    /// 2⁵¹ numbers none of which fell into this word.
    const fn age(self, block: u64) -> i64 {
        let own = self.0 >> BLOCK << BLOCK;
        (block << BLOCK).wrapping_sub(own).cast_signed() >> BLOCK
    }

    #[allow(clippy::cast_possible_truncation)]
    const fn bits(self) -> u16 {
        self.0 as u16
    }
}

impl SharedWindow {
    /// The window of a new SA over `size` numbers (brought into 64..=8192).
    #[must_use]
    pub fn new(size: u32) -> Self {
        Self::covering(size.clamp(crate::ReplayWindow::SIZE_MIN, crate::ReplayWindow::SIZE_MAX))
    }

    fn covering(size: u32) -> Self {
        let blocks = (u64::from(size) / BLOCK + 2).next_power_of_two();
        // RFC 4303 §3.3.3: the first packet has number 1; 0 counts as received.
        let word = |block| AtomicU64::new(Word::new(block, u16::from(block == 0)).0);
        Self {
            top: AtomicU64::new(0),
            size,
            ring: (0..blocks).map(word).collect(),
        }
    }

    /// A window that knows of `top` and the numbers before it what `received` says of each, and that
    /// counts none as lost that is too old for it.
    pub(crate) fn with(size: u32, top: u64, received: impl Fn(u64) -> bool) -> Self {
        let window = Self::covering(size);
        let newest = top / BLOCK;
        let blocks = window.ring.len() as u64;
        for block in (newest + 1).saturating_sub(blocks)..=newest {
            let numbers = (block * BLOCK..).zip(0..BLOCK).map(|(number, _)| number);
            let bits = (numbers.zip(0..)).fold(0, |bits, (number, at)| {
                bits | (u16::from(number <= top && received(number)) << at)
            });
            let (place, ..) = window.place(block * BLOCK);
            place.store(Word::new(block, bits).0, Ordering::Relaxed);
        }
        window.top.store(top, Ordering::Release);
        window
    }

    /// Whether a number up to the highest came; what is too old to tell counts as received.
    pub(crate) fn received(&self, sequence: u64) -> bool {
        let (place, block, bit) = self.place(sequence);
        let word = Word(place.load(Ordering::Acquire));
        match word.age(block) {
            0 => word.bits() & bit != 0,
            1.. => false,
            _ => true,
        }
    }

    /// The highest number received, 0 before the first.
    #[must_use]
    pub fn top(&self) -> u64 {
        self.top.load(Ordering::Acquire)
    }

    /// How many numbers it covers.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Whether a packet of this number may be new. Changes nothing.
    ///
    /// # Errors
    /// Why it cannot be new.
    pub fn check(&self, sequence: u64) -> Result<(), Refused> {
        self.within(sequence, self.top())?;
        let (place, block, bit) = self.place(sequence);
        let word = Word(place.load(Ordering::Acquire));
        match word.age(block) {
            0 if word.bits() & bit != 0 => Err(Refused::Duplicate),
            0.. => Ok(()),
            _ => Err(Refused::TooOld),
        }
    }

    /// Records the number of an authenticated packet. Returns how many numbers left the ring without
    /// ever having been received.
    ///
    /// # Errors
    /// Why it is not new; then only [`top`](Self::top) may have changed, by a number that another
    /// shard records at this moment.
    pub fn advance(&self, sequence: u64) -> Result<u64, Refused> {
        // The window moves first: from now on nobody accepts what is too old for this number.
        let top = self.top.fetch_max(sequence, Ordering::AcqRel);
        self.within(sequence, top)?;
        let (place, block, bit) = self.place(sequence);
        let mut word = Word(place.load(Ordering::Acquire));
        loop {
            let (new, lost) = match word.age(block) {
                0 if word.bits() & bit != 0 => return Err(Refused::Duplicate),
                0 => (Word::new(block, word.bits() | bit), 0),
                age @ 1.. => (Word::new(block, bit), self.lost(word, age)),
                _ => return Err(Refused::TooOld),
            };
            match place.compare_exchange_weak(word.0, new.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(lost),
                Err(now) => word = Word(now),
            }
        }
    }

    fn within(&self, sequence: u64, top: u64) -> Result<(), Refused> {
        let behind = top.saturating_sub(sequence);
        if sequence == 0 || behind >= u64::from(self.size) {
            Err(Refused::TooOld)
        } else {
            Ok(())
        }
    }

    /// Numbers of the block that a word stood for which never came, and all of the blocks that it
    /// never stood for.
    fn lost(&self, word: Word, age: i64) -> u64 {
        let turns = age.unsigned_abs() / self.ring.len() as u64;
        u64::from(word.bits().count_zeros()) + turns.saturating_sub(1) * BLOCK
    }

    fn place(&self, sequence: u64) -> (&AtomicU64, u64, u16) {
        let block = sequence / BLOCK;
        // The ring has a power of two words.
        #[allow(clippy::cast_possible_truncation)]
        let index = block as usize & (self.ring.len() - 1);
        (&self.ring[index], block, 1 << (sequence % BLOCK))
    }
}
