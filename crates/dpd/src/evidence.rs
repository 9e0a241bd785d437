//! The record that every verdict keeps.

use core::fmt;
use core::time::Duration;

use timer::Instant;

use crate::breaker::DomainKey;
use crate::proof::Proof;
use reason::reasons;

/// Tries that one record keeps. A peer that stays suspect for long drops its oldest ones.
const TRIES_KEPT_MAX: usize = 48;

reasons! {
    /// What became of a try.
    TryOutcome {
        Pending = "pending",
            "It was sent and its time is not over.";
        Unanswered = "unanswered",
            "It could have been answered and was not.";
        NotSent = "not_sent",
            "The datagram never left, so the try was repeated.";
        NotListening = "not_listening",
            "Our receive path was not read since, so the try was repeated.";
        QueueDelay = "queue_delay",
            "Datagrams waited for us too long, so the try was repeated.";
        ReceiveDrops = "receive_drops",
            "Datagrams were dropped before we could read them, so the try was repeated.";
    }
}

reasons! {
    /// Why a peer was declared dead.
    VerdictReason {
        Probes = "probes",
            "No try of a whole probe was answered.";
        Retransmissions = "retransmissions",
            "No retransmission of another request was answered.";
        SuspectMax = "suspect_max",
            "The peer stayed suspect for the longest time that is allowed.";
    }
}

reasons! {
    /// Why we think that a silence may be our own fault.
    SuspicionCause {
        Breaker = "breaker",
            "Many peers of one fault domain fell silent together.";
        OwnService = "own_service",
            "Again and again a try could not have been answered.";
    }
}

/// One try of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// Its number within the probe, from 1. A repeated try keeps its number; a probe sent on
    /// suspicion has none and says 0.
    pub number: u8,
    /// When it was handed to the socket.
    pub sent_at: Instant,
    /// What became of it.
    pub outcome: TryOutcome,
}

/// Since when and why a peer was suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// When the suspicion began.
    pub since: Instant,
    /// Why.
    pub cause: SuspicionCause,
}

/// The verdict itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// When it fell.
    pub at: Instant,
    /// Why.
    pub reason: VerdictReason,
    /// How long datagrams were waiting for us then.
    pub queue_delay: Duration,
    /// The fault domain of this peer whose breaker was open then, if one was.
    pub breaker_open: Option<DomainKey>,
    /// How long the verdict had waited for its turn in the budget of teardowns.
    pub waited: Duration,
}

/// Which side of the path translates addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// We are behind one.
    pub local: bool,
    /// The peer is behind one.
    pub remote: bool,
}

/// What was known when a peer was asked, suspected and declared dead. Plain data: the control API
/// and the event stream carry it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The last proof of life, by kind.
    pub last_proof: Proof,
    /// When it came.
    pub last_proof_at: Instant,
    /// Every try since, in order of time; bounded.
    pub tries: Vec<Try>,
    /// Older tries that the bound has pushed out.
    pub tries_omitted: u32,
    /// Tries that were repeated because they could not have been answered.
    pub repeats: u16,
    /// Since when and why the peer was suspect, if it was.
    pub suspicion: Option<Suspicion>,
    /// Address translation on the path.
    pub nat: Nat,
    /// The verdict that is due, and since when, while it waits for the budget of teardowns.
    pub condemned: Option<(VerdictReason, Instant)>,
    /// The verdict; `None` while the peer is being probed.
    pub verdict: Option<Verdict>,
}

impl Evidence {
    pub(crate) fn new(last_proof: Proof, last_proof_at: Instant) -> Self {
        Self {
            last_proof,
            last_proof_at,
            tries: Vec::with_capacity(8),
            tries_omitted: 0,
            repeats: 0,
            suspicion: None,
            nat: Nat::default(),
            condemned: None,
            verdict: None,
        }
    }

    pub(crate) fn push_try(&mut self, number: u8, sent_at: Instant) {
        if self.tries.len() == TRIES_KEPT_MAX {
            self.tries.remove(0);
            self.tries_omitted = self.tries_omitted.saturating_add(1);
        }
        self.tries.push(Try {
            number,
            sent_at,
            outcome: TryOutcome::Pending,
        });
    }

    pub(crate) fn close_try(&mut self, outcome: TryOutcome) {
        if let Some(last) = self.tries.last_mut() {
            last.outcome = outcome;
        }
    }

    /// Time from the last sign of life to the verdict; `None` while there is none.
    #[must_use]
    pub fn detection(&self) -> Option<Duration> {
        Some(self.verdict.as_ref()?.at - self.last_proof_at)
    }
}

/// Shows seconds before the verdict (or since the epoch, while there is none).
struct Before(Instant, Option<Instant>);

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(verdict) => write!(f, "{:.3} s before", (verdict - self.0).as_secs_f64()),
            None => write!(f, "at {:?}", self.0),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.verdict.map(|verdict| verdict.at);
        match &self.verdict {
            Some(verdict) => {
                writeln!(f, "dead: {}", verdict.reason.sentence())?;
                writeln!(f, "queue delay then: {:?}", verdict.queue_delay)?;
                match verdict.breaker_open {
                    Some(domain) => writeln!(f, "breaker: open for {domain}")?,
                    None => writeln!(f, "breaker: closed")?,
                }
                if !verdict.waited.is_zero() {
                    writeln!(f, "waited for its turn: {:?}", verdict.waited)?;
                }
            }
            None => writeln!(f, "no verdict yet")?,
        }
        let heard = Before(self.last_proof_at, end);
        writeln!(f, "last proof: {heard}: {}", self.last_proof.sentence())?;
        let (local, remote) = (self.nat.local, self.nat.remote);
        writeln!(f, "address translation: local {local}, remote {remote}")?;
        if let Some(suspicion) = &self.suspicion {
            let since = Before(suspicion.since, end);
            writeln!(f, "suspect: {since}: {}", suspicion.cause.sentence())?;
        }
        if self.tries_omitted > 0 {
            writeln!(f, "{} older tries are not shown", self.tries_omitted)?;
        }
        for entry in &self.tries {
            let sent = Before(entry.sent_at, end);
            writeln!(
                f,
                "try {}: {sent}: {}",
                entry.number,
                entry.outcome.sentence()
            )?;
        }
        Ok(())
    }
}
