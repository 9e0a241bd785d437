//! IKEv1 says little about repetition (RFC 2408 §5.1): whoever waits for the other end sends again,
//! with growing gaps, and whoever gets the same message again answers from memory, not too often.

use core::time::Duration;

use timer::Instant;

use crate::{Action, Path, Settings};

/// The least time between two answers to repetitions of one message.
const REPEAT_GAP: Duration = Duration::from_millis(250);

/// Names a message that was received: SHA-1 over all of it.
pub(super) type Digest = [u8; 20];

pub(super) fn digest(message: &[u8]) -> Digest {
    crypto::sha1(&[message])
}

/// A message that we sent last in an exchange.
pub(super) struct Transmission {
    /// One message, or its fragments.
    datagrams: Vec<Vec<u8>>,
    /// Transmissions after the first that time made necessary.
    retransmits: u8,
    /// The next one; [`Instant::MAX`] when we wait for nothing.
    due: Instant,
    /// When it was last sent because the peer repeated itself.
    repeated_at: Option<Instant>,
}

impl Transmission {
    /// Sends a message to which the peer has to answer.
    pub(super) fn awaiting_answer(
        datagrams: Vec<Vec<u8>>,
        path: Path,
        now: Instant,
        settings: &Settings,
        actions: &mut Vec<Action>,
    ) -> Self {
        let due = now + settings.retransmit_first;
        Self::send(datagrams, path, due, actions)
    }

    /// Sends a message that is only sent again when the peer repeats the one before.
    pub(super) fn answering(
        datagrams: Vec<Vec<u8>>,
        path: Path,
        actions: &mut Vec<Action>,
    ) -> Self {
        Self::send(datagrams, path, Instant::MAX, actions)
    }

    fn send(datagrams: Vec<Vec<u8>>, path: Path, due: Instant, actions: &mut Vec<Action>) -> Self {
        send_all(path, &datagrams, actions);
        Self {
            datagrams,
            retransmits: 0,
            due,
            repeated_at: None,
        }
    }

    /// When it should be sent again; [`Instant::MAX`] for not at all.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// How often it was sent again because its time was over.
    pub(super) fn retransmits(&self) -> u8 {
        self.retransmits
    }

    /// The peer has answered: it is kept for repetitions only.
    pub(super) fn settle(&mut self) {
        self.due = Instant::MAX;
    }

    /// Sends it once more because its time is over, and sets the next, longer gap. `false` when it
    /// was sent often enough.
    pub(super) fn retransmit(
        &mut self,
        path: Path,
        now: Instant,
        settings: &Settings,
        actions: &mut Vec<Action>,
    ) -> bool {
        if self.retransmits >= settings.retransmits_max {
            return false;
        }
        send_all(path, &self.datagrams, actions);
        self.retransmits = self.retransmits.saturating_add(1);
        self.due = now + settings.retransmit_gap(self.retransmits);
        true
    }

    /// Sends it once more because the peer repeated what it answers, unless that was just done.
    pub(super) fn repeat(&mut self, path: Path, now: Instant, actions: &mut Vec<Action>) {
        if self
            .repeated_at
            .is_some_and(|before| now - before < REPEAT_GAP)
        {
            return;
        }
        self.repeated_at = Some(now);
        send_all(path, &self.datagrams, actions);
    }

    /// Sends it once more because its owner wants so.
    pub(super) fn resend(&self, path: Path, actions: &mut Vec<Action>) {
        send_all(path, &self.datagrams, actions);
    }
}

pub(super) fn send_all(path: Path, datagrams: &[Vec<u8>], actions: &mut Vec<Action>) {
    actions.extend(datagrams.iter().map(|message| Action::Send {
        path,
        message: message.clone(),
    }));
}
