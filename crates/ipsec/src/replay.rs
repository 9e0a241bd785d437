use std::sync::Arc;

use crate::SharedWindow;

/// What has been received lately on an inbound SA, so that no packet counts twice (RFC 4303 §3.4.3).
///
/// A ring of bits over the last `size` sequence numbers. Moving forward clears whole words where it
/// can, as RFC 6479 proposes, and nothing is ever shifted. Numbers are 64 bits wide throughout;
/// without extended sequence numbers the upper half stays zero.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// The highest number received.
    top: u64,
    /// Numbers up to `top - size` are too old.
    size: u32,
    esn: bool,
    bits: Bits,
}

/// The bit of number `n` is bit `n % 64` of word `n / 64 % words`; there are a power of two words.
#[derive(Clone, Debug)]
enum Bits {
    Inline([u64; 2]),
    Boxed(Box<[u64]>),
    /// Several shards share a window elsewhere.
    Shared(Arc<SharedWindow>),
}

impl Bits {
    fn words(&self) -> &[u64] {
        match self {
            Self::Inline(words) => words,
            Self::Boxed(words) => words,
            Self::Shared(_) => &[],
        }
    }

    fn words_mut(&mut self) -> &mut [u64] {
        match self {
            Self::Inline(words) => words,
            Self::Boxed(words) => words,
            Self::Shared(_) => &mut [],
        }
    }
}

/// Why the window refuses a sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It has been received before.
    Duplicate,
    /// It lies before the window; whether it has been received is not known any more.
    TooOld,
}

const WORD_BITS: u64 = 64;
const INLINE_BITS: u32 = 128;

impl ReplayWindow {
    /// The smallest window.
    pub const SIZE_MIN: u32 = 64;
    /// The biggest window.
    pub const SIZE_MAX: u32 = 8192;

    /// How many numbers more a window covers while it is shared: what may be under way among shards.
    pub const SLACK: u32 = 32_768;

    /// The window of a new SA over `size` numbers (brought into 64..=8192).
    #[must_use]
    pub fn new(size: u32, esn: bool) -> Self {
        let size = size.clamp(Self::SIZE_MIN, Self::SIZE_MAX);
        // Everything before the first packet counts as received: nothing of it was lost.
        let bits = if size <= INLINE_BITS {
            Bits::Inline([u64::MAX; 2])
        } else {
            Bits::Boxed(vec![u64::MAX; (size.next_power_of_two() / 64) as usize].into())
        };
        Self {
            top: 0,
            size,
            esn,
            bits,
        }
    }

    /// One shard's view of a window that several share.
    #[must_use]
    pub fn shared(window: Arc<SharedWindow>, esn: bool) -> Self {
        Self {
            top: 0,
            size: window.size(),
            esn,
            bits: Bits::Shared(window),
        }
    }

    /// Has other shards look through the same window: the one that is returned, as this one is from now
    /// on. It knows what this one has received, and covers [`SLACK`](Self::SLACK) numbers more: what
    /// arrived in order is opened in another by shards that do not wait for each other.
    #[must_use]
    pub fn share(&mut self) -> Arc<SharedWindow> {
        if let Bits::Shared(window) = &self.bits {
            return Arc::clone(window);
        }
        let ring = self.bits.words().len() as u64 * WORD_BITS;
        let oldest = (self.top + 1).saturating_sub(ring);
        let received = |number| number < oldest || self.is_set(number);
        let window = Arc::new(SharedWindow::with(
            self.size + Self::SLACK,
            self.top,
            received,
        ));
        self.bits = Bits::Shared(Arc::clone(&window));
        window
    }

    /// Another shard's view of a window that this one has shared.
    #[must_use]
    pub fn another_view(&mut self) -> Self {
        let bits = Bits::Shared(self.share());
        Self { bits, ..*self }
    }

    /// Ends that: what the shared window knows is this one's alone. Nobody else may use the shared
    /// window any more.
    pub fn take_back(&mut self) {
        let Bits::Shared(window) = &self.bits else {
            return;
        };
        let mut own = Self::new(self.size, self.esn);
        own.top = window.top();
        let oldest = (own.top + 1).saturating_sub(u64::from(own.size));
        for number in oldest..=own.top {
            if !window.received(number) {
                let (word, bit) = own.place(number);
                if let Some(word) = own.bits.words_mut().get_mut(word) {
                    *word &= !bit;
                }
            }
        }
        *self = own;
    }

    /// The highest number received, 0 before the first.
    #[inline]
    #[must_use]
    pub fn top(&self) -> u64 {
        match &self.bits {
            Bits::Shared(window) => window.top(),
            _ => self.top,
        }
    }

    /// How many numbers it covers when it is not shared.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    fn span(&self) -> u64 {
        let size = match &self.bits {
            Bits::Shared(window) => window.size(),
            _ => self.size,
        };
        u64::from(size) - 1
    }

    /// The whole sequence number to the 32 bits in a packet (RFC 4303 Appendix A2.1). Without
    /// extended numbers that is the number itself.
    ///
    /// # Errors
    /// [`Refused::TooOld`] for a number that would lie before the first.
    pub fn complete(&self, low: u32) -> Result<u64, Refused> {
        if !self.esn {
            return Ok(u64::from(low));
        }
        let top = self.top();
        let (top_high, top_low) = (top >> 32, top & 0xffff_ffff);
        let span = self.span();
        let low = u64::from(low);
        let high = if top_low >= span {
            // Case A: the window lies within one span of the low half.
            if low >= top_low - span {
                Some(top_high)
            } else {
                top_high.checked_add(1)
            }
        } else if low >= (top_low.wrapping_sub(span) & 0xffff_ffff) {
            // Case B: the window straddles two; the number is in the earlier one.
            top_high.checked_sub(1)
        } else {
            Some(top_high)
        };
        match high {
            Some(high) if high <= u64::from(u32::MAX) => Ok((high << 32) | low),
            _ => Err(Refused::TooOld),
        }
    }

    /// Whether a packet of this number may be new. Changes nothing: the packet is not yet
    /// authenticated.
    ///
    /// # Errors
    /// Why it cannot be new.
    pub fn check(&self, sequence: u64) -> Result<(), Refused> {
        if let Bits::Shared(window) = &self.bits {
            return window.check(sequence);
        }
        if sequence > self.top {
            return Ok(());
        }
        // RFC 4303 §3.3.3: the first packet has number 1.
        if sequence == 0 || self.top - sequence >= u64::from(self.size) {
            return Err(Refused::TooOld);
        }
        if self.is_set(sequence) {
            Err(Refused::Duplicate)
        } else {
            Ok(())
        }
    }

    /// Records the number of an authenticated packet, after one more [`check`](Self::check):
    /// another packet of the same batch may have had the same number. Returns how many numbers left
    /// the ring without ever having been received.
    ///
    /// # Errors
    /// Why it is not new; then nothing has changed.
    pub fn advance(&mut self, sequence: u64) -> Result<u64, Refused> {
        if let Bits::Shared(window) = &self.bits {
            return window.advance(sequence);
        }
        self.check(sequence)?;
        let mut lost = 0;
        if sequence > self.top {
            lost = self.clear_after_top(sequence);
            self.top = sequence;
        }
        let (word, bit) = self.place(sequence);
        if let Some(word) = self.bits.words_mut().get_mut(word) {
            *word |= bit;
        }
        Ok(lost)
    }

    /// Empties the bits of `top + 1..=sequence`, which still stand for numbers one turn of the ring
    /// older, and counts those never received.
    fn clear_after_top(&mut self, sequence: u64) -> u64 {
        let words = self.bits.words_mut();
        let ring = words.len() as u64 * WORD_BITS;
        let jump = sequence - self.top;
        if jump >= ring {
            let unseen: u64 = words.iter().map(|word| u64::from(word.count_zeros())).sum();
            words.fill(0);
            return unseen + (jump - ring);
        }
        let mut lost = 0;
        let mut done = self.top;
        while done < sequence {
            let next = done + 1;
            let first_bit = next % WORD_BITS;
            let count = (WORD_BITS - first_bit).min(sequence - done);
            let mask = (u64::MAX >> (WORD_BITS - count)) << first_bit;
            let index = word_index(next, words.len());
            if let Some(word) = words.get_mut(index) {
                lost += u64::from((!*word & mask).count_ones());
                *word &= !mask;
            }
            done += count;
        }
        lost
    }

    fn is_set(&self, sequence: u64) -> bool {
        let (word, bit) = self.place(sequence);
        self.bits
            .words()
            .get(word)
            .is_some_and(|word| word & bit != 0)
    }

    fn place(&self, sequence: u64) -> (usize, u64) {
        let words = self.bits.words().len();
        (word_index(sequence, words), 1 << (sequence % WORD_BITS))
    }
}

/// `words` is a power of two.
#[allow(clippy::cast_possible_truncation)]
const fn word_index(sequence: u64, words: usize) -> usize {
    (sequence / WORD_BITS) as usize & (words - 1)
}
