//! The sequence numbers of R-U-THERE and its acknowledgement (RFC 3706 §6.2), both sides.

use core::time::Duration;

use timer::Instant;

use crate::proof::NotProof;

/// How far a peer's sequence may run ahead of the last and still be its next one: messages get lost.
const AHEAD_MAX: u32 = 64;
/// The least time between two answers to repeated numbers, per SA.
const DUPLICATE_ANSWER_GAP: Duration = Duration::from_millis(500);

/// What a verified and fresh R-U-THERE is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceVerdict {
    /// `Ok` if it proves that the peer lives.
    pub proof: Result<(), NotProof>,
    /// Whether to acknowledge it.
    pub answer: bool,
}

/// The sequence of the peer's R-U-THERE messages, as we see it.
#[derive(Clone, Debug, Default)]
pub struct PeerSequence {
    last: Option<u32>,
    /// Where the sequence would stand if the jump seen last was in earnest.
    jumped_to: Option<u32>,
    duplicate_answered_at: Option<Instant>,
}

impl PeerSequence {
    /// No message seen yet: the first one sets the sequence, since its start is random.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a verified R-U-THERE with this sequence.
    pub fn heard(&mut self, sequence: u32, now: Instant) -> SequenceVerdict {
        let ahead = match self.last {
            None => 1,
            Some(last) => sequence.wrapping_sub(last),
        };
        match ahead {
            1..=AHEAD_MAX => {
                self.last = Some(sequence);
                self.jumped_to = None;
                SequenceVerdict {
                    proof: Ok(()),
                    answer: true,
                }
            }
            // The number is not above the last: the peer repeats itself, or somebody does for it.
            0 | 0x8000_0000.. => SequenceVerdict {
                proof: Err(NotProof::DuplicateSequence),
                answer: self.may_answer_duplicate(now),
            },
            _ => {
                self.jump(sequence);
                SequenceVerdict {
                    proof: Err(NotProof::JumpedSequence),
                    answer: true,
                }
            }
        }
    }

    /// One jump may be a forgery or an accident; a second that continues it is the peer's new count.
    fn jump(&mut self, sequence: u32) {
        let consistent = self
            .jumped_to
            .is_some_and(|before| (1..=AHEAD_MAX).contains(&sequence.wrapping_sub(before)));
        if consistent {
            self.last = Some(sequence);
            self.jumped_to = None;
        } else {
            self.jumped_to = Some(sequence);
        }
    }

    fn may_answer_duplicate(&mut self, now: Instant) -> bool {
        let allowed = self
            .duplicate_answered_at
            .is_none_or(|before| now - before >= DUPLICATE_ANSWER_GAP);
        if allowed {
            self.duplicate_answered_at = Some(now);
        }
        allowed
    }
}

/// The sequence of our own R-U-THERE messages. Every try takes the next number, and any number of
/// the current probe is an answer to it: peers in the field answer a number at most three times, or
/// repeat an old one.
#[derive(Clone, Debug)]
pub struct OwnSequence {
    next: u32,
    outstanding: u32,
}

impl OwnSequence {
    /// Starts at random with the high bit clear (RFC 3706 §6.2).
    #[must_use]
    pub const fn new(random: u32) -> Self {
        Self {
            next: random & 0x7fff_ffff,
            outstanding: 0,
        }
    }

    /// The number for the next try; `first` if it opens a probe, which forgets the tries before.
    pub fn next_try(&mut self, first: bool) -> u32 {
        if first {
            self.outstanding = 0;
        }
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        self.outstanding += 1;
        sequence
    }

    /// Judges a verified R-U-THERE-ACK: which try of the current probe it answers, from 1. It ends
    /// the probe, so a second acknowledgement of it proves nothing.
    ///
    /// # Errors
    /// [`NotProof::UnknownAcknowledgement`] if no such number is outstanding.
    pub fn acknowledged(&mut self, sequence: u32) -> Result<u32, NotProof> {
        let first = self.next.wrapping_sub(self.outstanding);
        let index = sequence.wrapping_sub(first);
        if index >= self.outstanding {
            return Err(NotProof::UnknownAcknowledgement);
        }
        self.outstanding = 0;
        Ok(index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(1);

    fn proof() -> SequenceVerdict {
        SequenceVerdict {
            proof: Ok(()),
            answer: true,
        }
    }

    fn no_proof(event: NotProof, answer: bool) -> SequenceVerdict {
        SequenceVerdict {
            proof: Err(event),
            answer,
        }
    }

    #[test]
    fn above_the_last_and_at_most_64_beyond_is_proof() {
        let mut peer = PeerSequence::new();
        for sequence in [0x7fff_fff0, 0x7fff_fff1, 0x7fff_fff1 + 64] {
            assert_eq!(peer.heard(sequence, NOW), proof());
        }
    }

    #[test]
    fn the_sequence_wraps() {
        let mut peer = PeerSequence::new();
        assert_eq!(peer.heard(u32::MAX, NOW), proof());
        assert_eq!(peer.heard(0, NOW), proof());
        assert_eq!(
            peer.heard(u32::MAX, NOW).proof,
            Err(NotProof::DuplicateSequence)
        );
    }

    #[test]
    fn a_jump_is_answered_and_proves_nothing_until_the_second_continues_it() {
        let mut peer = PeerSequence::new();
        assert_eq!(peer.heard(100, NOW), proof());
        let jump = no_proof(NotProof::JumpedSequence, true);
        assert_eq!(peer.heard(165, NOW), jump);
        assert_eq!(peer.heard(9_000, NOW), jump, "not consistent with 165");
        assert_eq!(peer.heard(101, NOW), proof(), "the old count still holds");
        assert_eq!(peer.heard(5_000, NOW), jump);
        assert_eq!(peer.heard(5_001, NOW), jump, "the second resynchronises");
        assert_eq!(peer.heard(5_002, NOW), proof());
    }

    #[test]
    fn a_duplicate_proves_nothing_and_is_answered_now_and_then() {
        let mut peer = PeerSequence::new();
        peer.heard(10, NOW);
        let event = NotProof::DuplicateSequence;
        assert_eq!(peer.heard(10, NOW), no_proof(event, true));
        assert_eq!(peer.heard(10, NOW), no_proof(event, false));
        assert_eq!(peer.heard(9, NOW), no_proof(event, false));
        let later = NOW + DUPLICATE_ANSWER_GAP;
        assert_eq!(peer.heard(10, later), no_proof(event, true));
    }

    #[test]
    fn our_sequence_starts_below_the_high_bit_and_counts_every_try() {
        let mut own = OwnSequence::new(u32::MAX);
        assert_eq!(own.next_try(true), 0x7fff_ffff);
        assert_eq!(own.next_try(false), 0x8000_0000);
    }

    #[test]
    fn any_outstanding_number_of_this_probe_is_an_answer_and_no_other() {
        let mut own = OwnSequence::new(9);
        let unknown = Err(NotProof::UnknownAcknowledgement);
        assert_eq!(own.acknowledged(9), unknown, "nothing was sent");
        assert_eq!(own.next_try(true), 9);
        assert_eq!(own.next_try(false), 10);
        assert_eq!(own.next_try(false), 11);
        assert_eq!(own.acknowledged(12), unknown);
        assert_eq!(own.acknowledged(8), unknown);
        assert_eq!(own.acknowledged(10), Ok(2));
        assert_eq!(own.acknowledged(10), unknown, "a repeated acknowledgement");
        assert_eq!(own.next_try(true), 12);
        assert_eq!(own.acknowledged(11), unknown, "of the probe before");
        assert_eq!(own.acknowledged(12), Ok(1));
    }
}
