/// The sequence numbers of an outbound SA: each is given out once, and none after the last
/// (RFC 4303 §3.3.3: the counter never wraps while the SA lives).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceNumbers {
    next: u64,
    last: u64,
}

impl SequenceNumbers {
    /// The numbers of a new SA, from 1. With `esn` they are 64 bits wide, else 32.
    #[must_use]
    pub const fn new(esn: bool) -> Self {
        let last = if esn { u64::MAX - 1 } else { u32::MAX as u64 };
        Self { next: 1, last }
    }

    /// The next number, or `None` for ever once they are used up.
    pub const fn take(&mut self) -> Option<u64> {
        if self.next > self.last {
            return None;
        }
        let number = self.next;
        self.next += 1;
        Some(number)
    }

    /// Passes over `count` numbers. Whoever restores an SA from a record that may be stale skips as
    /// many as could have been used since: a number that is left out harms nobody, one used twice
    /// breaks the cipher.
    pub const fn skip(&mut self, count: u64) {
        let next = self.next.saturating_add(count);
        self.next = if next > self.last {
            self.last + 1
        } else {
            next
        };
    }

    /// The number that [`take`](Self::take) would give next; one past the last when used up.
    #[must_use]
    pub const fn peek(&self) -> u64 {
        self.next
    }

    /// Whether fifteen sixteenths are used: time for a rekey, with as much left as a rekey and its
    /// retransmissions can take.
    #[must_use]
    pub const fn near_exhaustion(&self) -> bool {
        self.next > self.last - self.last / 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bits_stop_before_the_wrap() {
        let mut numbers = SequenceNumbers::new(false);
        assert_eq!(numbers.take(), Some(1));
        numbers.skip(u64::from(u32::MAX) - 3);
        assert!(numbers.near_exhaustion());
        assert_eq!(numbers.take(), Some(u64::from(u32::MAX) - 1));
        assert_eq!(numbers.take(), Some(u64::from(u32::MAX)));
        assert_eq!(numbers.take(), None);
        assert_eq!(numbers.take(), None);
    }

    #[test]
    fn sixty_four_bits_pass_the_low_word() {
        let mut numbers = SequenceNumbers::new(true);
        numbers.skip(u64::from(u32::MAX) - 1);
        assert_eq!(numbers.take(), Some(u64::from(u32::MAX)));
        assert_eq!(numbers.take(), Some(1 << 32));
        assert!(!numbers.near_exhaustion());
    }

    #[test]
    fn skipping_past_the_end_ends() {
        for esn in [false, true] {
            let mut numbers = SequenceNumbers::new(esn);
            numbers.skip(u64::MAX);
            assert_eq!(numbers.take(), None);
            numbers.skip(u64::MAX);
            assert_eq!(numbers.take(), None);
        }
    }
}
