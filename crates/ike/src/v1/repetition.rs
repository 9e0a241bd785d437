//! The messages of phase 1 on their way out, again and again (RFC 2408 §5.1).

use core::time::Duration;

use timer::Instant;
use wire::ikev1::{Payload, encode_message};

use super::IkeSa;
use super::handshake::Awaits;
use super::transmission::{Digest, Transmission, digest};
use crate::{Action, CloseReason, Context, Path, Role};

/// How long the last messages of phase 1 are kept for repetitions once it is done.
const LINGER: Duration = Duration::from_secs(60);

/// The messages of phase 1 as far as repetitions need them.
#[derive(Default)]
pub(super) struct PhaseOneMessages {
    received: Vec<Digest>,
    sent: Option<Transmission>,
    /// The peer has been sent something.
    spoken: bool,
    /// When all of it is forgotten.
    forget_at: Option<Instant>,
}

impl PhaseOneMessages {
    /// A message was handled and is not to be handled again.
    pub(super) fn note(&mut self, message: Digest) {
        self.received.push(message);
    }

    pub(super) fn has_handled(&self, message: &Digest) -> bool {
        self.received.contains(message)
    }

    /// What was sent last has been answered, and nothing will ask for it again.
    pub(super) fn answered(&mut self) {
        self.sent = None;
    }

    /// Phase 1 is done: from now on all of this is only kept for a while.
    pub(super) fn keep_from(&mut self, now: Instant) {
        self.forget_at = Some(now + LINGER);
    }

    pub(super) fn awaits_answer(&self) -> bool {
        self.due() != Instant::MAX
    }

    fn due(&self) -> Instant {
        self.sent.as_ref().map_or(Instant::MAX, Transmission::due)
    }

    pub(super) fn retransmissions(&self) -> u8 {
        self.sent
            .as_ref()
            .filter(|sent| sent.due() != Instant::MAX)
            .map_or(0, Transmission::retransmits)
    }

    pub(super) fn resend(&self, path: Path, actions: &mut Vec<Action>) -> bool {
        let waiting = self.sent.as_ref().filter(|_| self.awaits_answer());
        if let Some(sent) = waiting {
            sent.resend(path, actions);
        }
        waiting.is_some()
    }
}

impl IkeSa {
    /// The first message of a responder is handled.
    pub(super) fn note_phase_one(&mut self, message: &[u8]) {
        self.phase_one.note(digest(message));
    }

    /// RFC 2408 §5.1 leaves repetition to both ends. Ours: the initiator's clock drives phase 1, so
    /// only who answers answers again; an initiator does so once its last message has made it
    /// believe that all is done.
    pub(super) fn repeat_phase_one(
        &mut self,
        digest: &Digest,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let answers = self.role == Role::Responder || self.handshake().is_none();
        let path = self.path;
        if answers
            && self.phase_one.received.last() == Some(digest)
            && let Some(sent) = &mut self.phase_one.sent
        {
            sent.repeat(path, ctx.now, actions);
        }
    }

    /// Sends a message of phase 1 in the clear. The initiator sends it again until it is answered.
    pub(super) fn send_phase_one(
        &mut self,
        payloads: &[Payload<'_>],
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(exchange) = self.handshake().map(|handshake| handshake.mode.exchange()) else {
            return;
        };
        let message = encode_message(&self.header(exchange, 0, false), payloads);
        // Our first message tells the peer what we can do: until then it takes no pieces from us.
        let datagrams = if self.phase_one.spoken {
            self.datagrams_of(message)
        } else {
            vec![message]
        };
        self.transmit_phase_one(datagrams, ctx, actions);
    }

    /// As [`send_phase_one`](Self::send_phase_one), encrypted.
    pub(super) fn send_phase_one_sealed(
        &mut self,
        payloads: &[Payload<'_>],
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let exchange = self.handshake().map(|handshake| handshake.mode.exchange());
        let datagrams = exchange.and_then(|exchange| self.seal_phase_one(exchange, payloads));
        if let Some(datagrams) = datagrams {
            self.transmit_phase_one(datagrams, ctx, actions);
        }
    }

    fn transmit_phase_one(
        &mut self,
        datagrams: Vec<Vec<u8>>,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let path = self.path;
        self.phase_one.spoken = true;
        self.phase_one.sent = Some(match self.role {
            Role::Initiator => {
                Transmission::awaiting_answer(datagrams, path, ctx.now, ctx.settings, actions)
            }
            Role::Responder => Transmission::answering(datagrams, path, actions),
        });
    }

    /// An authenticated message after phase 1 shows that the peer has had our last one.
    pub(super) fn confirm_phase_one(&mut self) {
        if self.handshake().is_none()
            && let Some(sent) = &mut self.phase_one.sent
        {
            sent.settle();
        }
    }

    pub(super) fn phase_one_deadline(&self) -> Instant {
        let forget = self.phase_one.forget_at.unwrap_or(Instant::MAX);
        let waits = self
            .handshake()
            .map_or(Instant::MAX, |handshake| match handshake.awaits {
                Awaits::Computation { deadline, .. } => deadline.min(handshake.deadline),
                _ => handshake.deadline,
            });
        self.phase_one.due().min(forget).min(waits)
    }

    pub(super) fn phase_one_due(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        if self.phase_one.forget_at.is_some_and(|at| at <= ctx.now) {
            self.phase_one = PhaseOneMessages::default();
        }
        if let Some(handshake) = self.handshake() {
            let hint = handshake.hint;
            if handshake.deadline <= ctx.now {
                let reason = hint.unwrap_or(CloseReason::HalfOpenTimeout);
                self.terminate(reason, ctx, actions);
                return;
            }
            if let Awaits::Computation { deadline, .. } = handshake.awaits
                && deadline <= ctx.now
            {
                // A pool that is full drops jobs: nobody must wait for their results for ever.
                self.terminate(CloseReason::Exhausted, ctx, actions);
                return;
            }
        }
        self.retransmit_phase_one(ctx, actions);
    }

    fn retransmit_phase_one(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let path = self.path;
        let Some(sent) = self.phase_one.sent.as_mut() else {
            return;
        };
        if sent.due() > ctx.now || sent.retransmit(path, ctx.now, ctx.settings, actions) {
            return;
        }
        sent.settle();
        if let Some(handshake) = self.handshake() {
            let reason = handshake.hint.unwrap_or(CloseReason::Unresponsive);
            self.terminate(reason, ctx, actions);
        }
    }
}
