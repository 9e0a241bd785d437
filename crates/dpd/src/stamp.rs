//! When the peer was last heard, by what, and what has happened since, in one word: the receive path
//! pays one store.

use core::fmt;

use timer::Instant;

use crate::proof::Proof;

/// The time in steps of 256 ns, rounded down, above eight bits of meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

/// Traffic was sent since.
const SENT: u64 = 1;
/// The peer's life has been questioned since.
const QUESTIONED: u64 = 2;
const PROOF_SHIFT: u32 = 2;
const TIME: u64 = !0xff;

impl Stamp {
    /// A proof at `now`. It answers every question and forgets all traffic before it.
    pub(crate) const fn new(now: Instant, proof: Proof) -> Self {
        Self(now.as_nanos() & TIME | (proof as u64) << PROOF_SHIFT)
    }

    pub(crate) const fn at(self) -> Instant {
        Instant::from_nanos(self.0 & TIME)
    }

    pub(crate) const fn proof(self) -> Proof {
        Proof::from_index((self.0 >> PROOF_SHIFT) as u8 & 0x3f)
    }

    pub(crate) const fn mark_sent(&mut self) {
        self.0 |= SENT;
    }

    pub(crate) const fn sent_since(self) -> bool {
        self.0 & SENT != 0
    }

    pub(crate) const fn question(&mut self) {
        self.0 |= QUESTIONED;
    }

    pub(crate) const fn questioned(self) -> bool {
        self.0 & QUESTIONED != 0
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp")
            .field("at", &self.at())
            .field("proof", &self.proof())
            .field("sent_since", &self.sent_since())
            .field("questioned", &self.questioned())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_proof_clears_the_question_and_the_traffic() {
        let mut stamp = Stamp::new(Instant::from_secs(7), Proof::Esp);
        stamp.mark_sent();
        stamp.question();
        assert!(stamp.sent_since() && stamp.questioned());
        assert_eq!(stamp.proof(), Proof::Esp);
        let late = Instant::from_secs(7) - stamp.at();
        assert!(late.as_nanos() < 256);
        stamp = Stamp::new(Instant::from_secs(8), Proof::Hello);
        assert!(!stamp.sent_since() && !stamp.questioned());
        assert_eq!(stamp.proof(), Proof::Hello);
    }
}
