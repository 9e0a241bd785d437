//! The exchanges after phase 1: each has a message ID, a chain of IVs and a hash of its own, and many
//! may be under way at once (RFC 2409 §5.5).

use core::time::Duration;

use timer::Instant;
use wire::ikev1::{ExchangeType, Payload, Payloads};

use super::hashes::Cover;
use super::iv::Iv;
use super::transmission::{Digest, Transmission};
use super::{IkeSa, quick_mode, tracing, transaction};
use crate::trace::{LivenessMessage, Way};
use crate::{Action, Context, JobId, Path, Rejection, Side};

/// How long an exchange that is over is kept, to answer when its last message comes again.
const LINGER: Duration = Duration::from_secs(60);

/// Exchanges that one peer can keep under way at most.
const EXCHANGES_MAX: usize = 32;

/// A message after phase 1: decrypted, read, and (except where [`Incoming::hash`] is still to be
/// compared) authenticated.
pub(super) struct Incoming<'m> {
    pub(super) exchange: ExchangeType,
    pub(super) message_id: u32,
    /// All of it, the HASH payload first.
    pub(super) payloads: &'m Payloads<'m>,
    /// The value of the HASH payload.
    pub(super) hash: &'m [u8],
    /// The octets after the HASH payload, padding excluded.
    pub(super) hashed: &'m [u8],
    /// Where it came from.
    pub(super) path: Path,
    /// The IV of the next message of its exchange, once this one is authenticated.
    pub(super) next_iv: Iv,
    pub(super) digest: Digest,
}

/// An exchange under way, or just over.
pub(super) struct Exchange {
    pub(super) kind: ExchangeType,
    pub(super) message_id: u32,
    /// Which end began it.
    pub(super) side: Side,
    pub(super) state: State,
    /// Of the next message, whichever end sends it.
    iv: Iv,
    /// The message of the peer that was handled last.
    received: Option<Digest>,
    sent: Option<Transmission>,
    /// The computation that it waits for, and when that is taken for lost.
    job: Option<(u32, Instant)>,
    /// When it is forgotten, or given up if it is not over.
    until: Instant,
}

/// What an exchange does next.
pub(super) enum State {
    QuickMode(Box<quick_mode::State>),
    Transaction(Box<transaction::State>),
    /// Nothing. It is kept to answer repetitions.
    Over,
}

/// Why an exchange was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GivenUp {
    /// The peer does not answer.
    Unanswered,
    /// A computation did not come back.
    Exhausted,
    /// The IKE SA is closed.
    Closed,
}

impl IkeSa {
    /// Begins an exchange of ours and returns its message ID. `None` when there are too many.
    pub(super) fn begin_exchange(
        &mut self,
        kind: ExchangeType,
        state: State,
        ctx: &mut Context<'_>,
    ) -> Option<u32> {
        let message_id = self.unused_message_id(ctx);
        let iv = self.keys.as_ref()?.exchange_iv(message_id);
        self.enter(Exchange::new(kind, message_id, Side::Ours, iv, state, ctx))
            .ok()?;
        Some(message_id)
    }

    /// Enters an exchange that the peer began with an authenticated message.
    ///
    /// # Errors
    /// When there are too many, or the ID was used before.
    pub(super) fn admit_exchange(
        &mut self,
        incoming: &Incoming<'_>,
        state: State,
        ctx: &Context<'_>,
    ) -> Result<(), Rejection> {
        let mut exchange = Exchange::new(
            incoming.exchange,
            incoming.message_id,
            Side::Theirs,
            incoming.next_iv,
            state,
            ctx,
        );
        exchange.received = Some(incoming.digest);
        self.enter(exchange)
    }

    fn enter(&mut self, exchange: Exchange) -> Result<(), Rejection> {
        if self.exchanges.len() >= EXCHANGES_MAX {
            return Err(Rejection::ExchangeLimit);
        }
        self.exchanges.push(exchange);
        Ok(())
    }

    /// A message ID that no exchange has: random and not zero (RFC 2408 §3.1).
    pub(super) fn unused_message_id(&self, ctx: &mut Context<'_>) -> u32 {
        loop {
            let id = ctx.entropy.next_u32();
            if id != 0 && self.exchange(id).is_none() {
                return id;
            }
        }
    }

    pub(super) fn exchange(&self, message_id: u32) -> Option<&Exchange> {
        self.exchanges
            .iter()
            .find(|exchange| exchange.message_id == message_id)
    }

    pub(super) fn exchange_mut(&mut self, message_id: u32) -> Option<&mut Exchange> {
        self.exchanges
            .iter_mut()
            .find(|exchange| exchange.message_id == message_id)
    }

    /// A further message of a known exchange is authentic: moves its chain of IVs on. What we sent
    /// before has arrived and answers nothing, so it is forgotten: two ends that answered
    /// repetitions with it would keep each other busy.
    pub(super) fn advance(&mut self, incoming: &Incoming<'_>) {
        if let Some(exchange) = self.exchange_mut(incoming.message_id) {
            exchange.iv = incoming.next_iv;
            exchange.received = Some(incoming.digest);
            exchange.sent = None;
        }
    }

    /// Sends the next message of an exchange: HASH as `cover` says, then `payloads`.
    /// `awaits_answer` says whether it is sent again until the peer answers.
    pub(super) fn send_in(
        &mut self,
        message_id: u32,
        cover: Cover<'_>,
        payloads: &[Payload<'_>],
        awaits_answer: bool,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(exchange) = self.exchange(message_id) else {
            return;
        };
        let (kind, iv) = (exchange.kind, exchange.iv);
        let Some((datagrams, next)) = self.seal(kind, message_id, &iv, cover, payloads) else {
            return;
        };
        let (path, now) = (self.path, ctx.now);
        let sent = if awaits_answer {
            Transmission::awaiting_answer(datagrams, path, now, ctx.settings, actions)
        } else {
            Transmission::answering(datagrams, path, actions)
        };
        if let Some(exchange) = self.exchange_mut(message_id) {
            exchange.iv = next;
            exchange.sent = Some(sent);
        }
    }

    /// Sends an informational message, which is an exchange by itself (RFC 2409 §5.7) and never
    /// repeated.
    pub(super) fn send_informational(
        &mut self,
        payloads: &[Payload<'_>],
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        self.send_notice(payloads, None, ctx, actions);
    }

    /// As [`send_informational`](Self::send_informational), and tells what it means for liveness.
    pub(super) fn send_notice(
        &mut self,
        payloads: &[Payload<'_>],
        told: Option<LivenessMessage>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let kind = ExchangeType::INFORMATIONAL;
        let message_id = self.unused_message_id(ctx);
        let Some(iv) = self.keys.as_ref().map(|keys| keys.exchange_iv(message_id)) else {
            return;
        };
        let sealed = self.seal(kind, message_id, &iv, Cover::Payloads, payloads);
        if let Some((datagrams, _)) = sealed {
            tracing::begun(message_id, ctx, actions);
            if let Some(what) = told {
                tracing::liveness(Way::Sent, what, ctx, actions);
            }
            super::transmission::send_all(self.path, &datagrams, actions);
            tracing::forgotten(message_id, ctx, actions);
        }
    }

    /// The exchange waits for a computation from now on; the caller pushes the job with this name.
    pub(super) fn await_computation(&mut self, message_id: u32, ctx: &Context<'_>) -> JobId {
        let serial = self.next_serial();
        let deadline = ctx.now + ctx.settings.computation_timeout;
        let mut side = Side::Ours;
        if let Some(exchange) = self.exchange_mut(message_id) {
            exchange.job = Some((serial, deadline));
            side = exchange.side;
        }
        JobId { side, serial }
    }

    /// The exchange that waits for this computation; it waits no longer.
    pub(super) fn take_waiting(&mut self, serial: u32) -> Option<u32> {
        let waits = |exchange: &&mut Exchange| exchange.job.is_some_and(|job| job.0 == serial);
        let exchange = self.exchanges.iter_mut().find(waits)?;
        exchange.job = None;
        Some(exchange.message_id)
    }

    /// The exchange is over; it stays for a while, to answer repetitions.
    pub(super) fn finish_exchange(&mut self, message_id: u32, ctx: &Context<'_>) {
        if let Some(exchange) = self.exchange_mut(message_id) {
            exchange.state = State::Over;
            exchange.job = None;
            exchange.settle();
            exchange.until = ctx.now + LINGER;
        }
    }

    /// Forgets the transactions that we began: the peer has moved on without answering.
    pub(super) fn drop_transactions(&mut self) {
        self.exchanges
            .retain(|exchange| !matches!(exchange.state, State::Transaction(_)));
        self.exchanges.shrink_to_fit();
    }

    /// Takes an exchange out.
    pub(super) fn take_exchange(&mut self, message_id: u32) -> Option<Exchange> {
        let at = self
            .exchanges
            .iter()
            .position(|exchange| exchange.message_id == message_id)?;
        let exchange = self.exchanges.swap_remove(at);
        // An IKE SA at rest has none, and room for some would cost more than all the rest.
        self.exchanges.shrink_to_fit();
        Some(exchange)
    }

    /// Forgets an exchange at once.
    pub(super) fn drop_exchange(&mut self, message_id: u32) {
        self.take_exchange(message_id);
    }
}

impl Exchange {
    fn new(
        kind: ExchangeType,
        message_id: u32,
        side: Side,
        iv: Iv,
        state: State,
        ctx: &Context<'_>,
    ) -> Self {
        Self {
            kind,
            message_id,
            side,
            state,
            iv,
            received: None,
            sent: None,
            job: None,
            // What we wait for ourselves ends with the last retransmission; this is for the peer.
            until: ctx.now + ctx.settings.half_open_timeout.max(LINGER),
        }
    }

    /// Of the next message.
    pub(super) fn iv(&self) -> Iv {
        self.iv
    }

    /// Whether this message was the last to be handled.
    pub(super) fn has_handled(&self, digest: &Digest) -> bool {
        self.received.as_ref() == Some(digest)
    }

    /// It waits for a computation.
    pub(super) fn is_computing(&self) -> bool {
        self.job.is_some()
    }

    /// It waits for the peer and sends again until it answers.
    pub(super) fn awaits_answer(&self) -> bool {
        self.sent
            .as_ref()
            .is_some_and(|sent| sent.due() != Instant::MAX)
    }

    pub(super) fn sent_mut(&mut self) -> Option<&mut Transmission> {
        self.sent.as_mut()
    }

    pub(super) fn sent(&self) -> Option<&Transmission> {
        self.sent.as_ref()
    }

    /// When something is to be done about it.
    pub(super) fn deadline(&self) -> Instant {
        let resend = self.sent.as_ref().map_or(Instant::MAX, Transmission::due);
        let lost = self.job.map_or(Instant::MAX, |(_, deadline)| deadline);
        self.until.min(resend).min(lost)
    }

    /// Why it is to be given up at `now`, if it is.
    pub(super) fn overdue(&self, now: Instant) -> Option<GivenUp> {
        if self.job.is_some_and(|(_, deadline)| deadline <= now) {
            return Some(GivenUp::Exhausted);
        }
        (self.until <= now).then_some(GivenUp::Unanswered)
    }

    fn settle(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.settle();
        }
    }
}
