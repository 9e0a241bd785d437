//! What a shard counts about liveness. Plain numbers that only grow; metrics reads them.

use crate::evidence::{TryOutcome, VerdictReason};
use crate::proof::{NotProof, Proof};

/// The counters of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Proofs of life, by [`Proof::index`].
    pub proofs: [u64; Proof::COUNT],
    /// Events that prove nothing, by [`NotProof::index`].
    pub not_proofs: [u64; NotProof::COUNT],
    /// Probes begun.
    pub probes: u64,
    /// Tries asked for, first ones and repeated ones included.
    pub tries: u64,
    /// Tries by what became of them, by [`TryOutcome::index`]; those answered are not among them.
    pub outcomes: [u64; TryOutcome::COUNT],
    /// Probes that were not needed because the peer was heard in time.
    pub probes_saved: u64,
    /// Tries that had to wait for the budget.
    pub tries_deferred: u64,
    /// Tries that could not have been answered and were not sent again, because this shard had repeated
    /// too many already: their time was only prolonged.
    pub repeats_forgone: u64,
    /// Probes that an unauthenticated hint provoked.
    pub hints_followed: u64,
    /// Unauthenticated hints beyond the budget.
    pub hints_ignored: u64,
    /// Peers that became suspect.
    pub suspicions: u64,
    /// Peers that proved their life after they had missed a try, or while they were suspect.
    pub recoveries: u64,
    /// Verdicts that had to wait for the budget.
    pub verdicts_deferred: u64,
    /// Verdicts, by [`VerdictReason::index`].
    pub verdicts: [u64; VerdictReason::COUNT],
}

impl Counters {
    /// Counts `count` proofs of a kind; the receive paths do so once per batch.
    pub fn proof(&mut self, proof: Proof, count: u64) {
        self.proofs[proof.index()] += count;
    }

    /// Counts `count` events that prove nothing.
    pub fn not_proof(&mut self, event: NotProof, count: u64) {
        self.not_proofs[event.index()] += count;
    }
}
