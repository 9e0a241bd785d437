//! Phase 1 under way: what both modes share.

use core::time::Duration;
use std::sync::Arc;

use crypto::{KeyPair, Secret};
use ipsec::{ConnectionPolicy, Identity, PreSharedKey};
use timer::Instant;
use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{
    ExchangeType, Message, Notification, NotifyType, Payload, Payloads, encode_message, isakmp_spi,
};

use super::exchange::Incoming;
use super::hashes::{End, phase_one_hash};
use super::iv::Iv;
use super::keymat::{Cookies, Nonces, PhaseOneKeys, skeyid};
use super::offer::Terms;
use super::phase::Phase;
use super::sa::SaKeys;
use super::standing::Standing;
use super::transmission::{Digest, Transmission, digest};
use super::{IkeSa, aggressive, main_mode, tracing, transaction};
use crate::job::Output;
use crate::path::ENCAPSULATED_PORT;
use crate::trace::{Input, Stage};
use crate::{
    Action, CloseReason, Context, HalfOpenKey, JobId, Path, PeerAuthenticated, Received, Refusal,
    Rejection, Role, Side, Trace,
};

/// Octets of our nonces (RFC 2409 §5: 8 to 256).
pub(super) const NONCE_LEN: usize = 32;

/// How long the last messages of phase 1 are kept for repetitions once it is done.
const LINGER: Duration = Duration::from_secs(60);

/// The two modes of phase 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Main mode (Identity Protection exchange, RFC 2408 §4.5).
    Main,
    /// Aggressive mode (RFC 2408 §4.7).
    Aggressive,
}

impl Mode {
    pub(super) fn exchange(self) -> ExchangeType {
        match self {
            Self::Main => ExchangeType::IDENTITY_PROTECTION,
            Self::Aggressive => ExchangeType::AGGRESSIVE,
        }
    }

    /// The stage after the message with this number.
    pub(super) fn stage(self, messages: u8) -> Stage {
        match self {
            Self::Main => Stage::Main(messages),
            Self::Aggressive => Stage::Aggressive(messages),
        }
    }
}

/// What a handshake needs next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaits {
    /// As initiator: the message with the responder's choice.
    Choice,
    /// A computation, until it is taken for lost.
    Computation {
        /// Its serial number.
        serial: u32,
        /// When nobody waits for it any more.
        deadline: Instant,
    },
    /// Main mode: the message with the peer's public value.
    KeyExchange,
    /// The message with the peer's hash.
    Proof,
}

/// A public value and a nonce.
#[derive(Default)]
pub(super) struct Share {
    pub(super) public: Box<[u8]>,
    pub(super) nonce: Box<[u8]>,
}

/// A phase 1 that is not done.
pub(super) struct Handshake {
    pub(super) mode: Mode,
    pub(super) awaits: Awaits,
    /// For whoever watches.
    pub(super) stage: Stage,
    /// The connection; as responder in main mode the first that agrees, until the peer has said who
    /// it is.
    pub(super) connection: Arc<ConnectionPolicy>,
    /// As responder: the name under which the front door counts it.
    pub(super) half_open: Option<HalfOpenKey>,
    /// As responder: when the peer must have gone on.
    pub(super) deadline: Instant,
    /// As initiator: the child whose Child SA comes first.
    pub(super) child: Option<u16>,
    /// Our identity, if other than the connection's.
    pub(super) local_id: Option<Identity>,
    /// As initiator: INITIAL-CONTACT is to be said.
    pub(super) initial_contact: bool,
    /// The body of the initiator's SA payload: the hashes cover it.
    pub(super) offer: Box<[u8]>,
    pub(super) terms: Option<Terms>,
    pub(super) pair: Option<KeyPair>,
    pub(super) own: Share,
    pub(super) peer: Share,
    /// The secret that went into the keys.
    pub(super) secret: Option<PreSharedKey>,
    pub(super) skeyid: Option<Secret>,
    /// Aggressive mode: the peer's ID payload, and in the answer to us its hash.
    pub(super) claim: Option<Claim>,
    /// As responder in aggressive mode: what message 2 will say.
    pub(super) answer: Option<Answer>,
    /// What a message that nothing protects, or one that made no sense, says about why this will
    /// fail. Believed only once it has failed.
    pub(super) hint: Option<CloseReason>,
}

/// What of message 2 of aggressive mode is decided when message 1 comes.
pub(super) struct Answer {
    /// The body of the SA payload.
    pub(super) choice: Box<[u8]>,
    /// The bodies of the vendor IDs.
    pub(super) vendors: Vec<Vec<u8>>,
}

/// Who a peer says that it is, not proved yet.
pub(super) struct Claim {
    pub(super) identity: Identity,
    /// The body of its ID payload.
    pub(super) identification: Box<[u8]>,
    /// The value of its HASH payload.
    pub(super) hash: Box<[u8]>,
}

impl Handshake {
    pub(super) fn new(mode: Mode, awaits: Awaits, connection: Arc<ConnectionPolicy>) -> Self {
        Self {
            mode,
            awaits,
            stage: Stage::Idle,
            connection,
            half_open: None,
            deadline: Instant::MAX,
            child: None,
            local_id: None,
            initial_contact: false,
            offer: Box::default(),
            terms: None,
            pair: None,
            own: Share::default(),
            peer: Share::default(),
            secret: None,
            skeyid: None,
            claim: None,
            answer: None,
            hint: None,
        }
    }

    /// What we call ourselves on `path`.
    pub(super) fn own_identity(&self, path: Path) -> Identity {
        self.local_id
            .clone()
            .or_else(|| self.connection.local_id.clone())
            .unwrap_or_else(|| path.local.ip().to_canonical().into())
    }
}

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
        self.phase_one.received.push(digest(message));
    }

    /// A message of main or aggressive mode.
    pub(super) fn on_phase_one(
        &mut self,
        bytes: &[u8],
        message: &Message<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        if message.header.message_id != 0 {
            return Err(Rejection::UnexpectedExchange);
        }
        let digest = digest(bytes);
        if self.phase_one.received.contains(&digest) {
            self.repeat_phase_one(&digest, ctx, actions);
            return Ok(Received::Retransmission);
        }
        let handshake = self.handshake().ok_or(Rejection::UnexpectedExchange)?;
        if message.header.exchange != handshake.mode.exchange() {
            return Err(Rejection::UnexpectedExchange);
        }
        if matches!(handshake.awaits, Awaits::Computation { .. }) {
            return Err(Rejection::Busy);
        }
        let mode = handshake.mode;
        if self.path.learn(path) {
            actions.push(Action::PathChanged { path: self.path });
        }
        let received = match mode {
            Mode::Main => main_mode::on_message(self, message, path, ctx, actions),
            Mode::Aggressive => aggressive::on_message(self, message, path, ctx, actions),
        }?;
        self.phase_one.received.push(digest);
        Ok(received)
    }

    /// RFC 2408 §5.1 leaves repetition to both ends. Ours: the initiator's clock drives phase 1, so
    /// only who answers answers again; an initiator does so once its last message has made it
    /// believe that all is done.
    fn repeat_phase_one(&mut self, digest: &Digest, ctx: &Context<'_>, actions: &mut Vec<Action>) {
        let answers = self.role == Role::Responder || self.handshake().is_none();
        let path = self.path;
        if answers
            && self.phase_one.received.last() == Some(digest)
            && let Some(sent) = &mut self.phase_one.sent
        {
            sent.repeat(path, ctx.now, actions);
        }
    }

    /// Phase 1 waits for a computation from now on; the caller pushes the job with this name. What
    /// was sent last has been answered.
    pub(super) fn await_phase_one(&mut self, ctx: &Context<'_>) -> JobId {
        let serial = self.next_serial();
        let deadline = ctx.now + ctx.settings.computation_timeout;
        self.phase_one.sent = None;
        if let Some(handshake) = self.handshake_mut() {
            handshake.awaits = Awaits::Computation { serial, deadline };
        }
        let side = match self.role {
            Role::Initiator => Side::Ours,
            Role::Responder => Side::Theirs,
        };
        JobId { side, serial }
    }

    pub(super) fn phase_one_waits_for(&self, job: u32) -> bool {
        self.handshake().is_some_and(|handshake| {
            matches!(handshake.awaits, Awaits::Computation { serial, .. } if serial == job)
        })
    }

    pub(super) fn on_phase_one_computed(
        &mut self,
        output: Output,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        match self.handshake().map(|handshake| handshake.mode) {
            Some(Mode::Main) => main_mode::on_computed(self, output, ctx, actions),
            Some(Mode::Aggressive) => aggressive::on_computed(self, output, ctx, actions),
            None => {}
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

    /// Derives the keys. `None` without a secret or a choice.
    pub(super) fn derive_keys(&mut self, shared: &Secret) -> Option<()> {
        let (initiator_cookie, responder_cookie) = self.cookies();
        let role = self.role;
        let handshake = self.handshake_mut()?;
        let suite = handshake.terms?.suite;
        let (initiator, responder) = match role {
            Role::Initiator => (&handshake.own, &handshake.peer),
            Role::Responder => (&handshake.peer, &handshake.own),
        };
        let nonces = Nonces {
            initiator: &initiator.nonce,
            responder: &responder.nonce,
        };
        let skeyid = skeyid(suite.hash, handshake.secret.as_ref()?.expose(), nonces);
        let cookies = Cookies {
            initiator: initiator_cookie,
            responder: responder_cookie,
        };
        let keys = PhaseOneKeys::derive(&suite, &skeyid, shared, cookies);
        let block_len = suite.encryption.block_len();
        let chain = Iv::of_phase_one(suite.hash, block_len, &initiator.public, &responder.public);
        handshake.skeyid = Some(skeyid);
        self.keys = Some(Box::new(SaKeys::new(suite, keys, chain)));
        Some(())
    }

    /// HASH_I or HASH_R of the end that is `ours` or the peer, over the body of its ID payload.
    pub(super) fn phase_one_hash(&self, ours: bool, identification: &[u8]) -> Option<Secret> {
        let handshake = self.handshake()?;
        let own = End {
            public: &handshake.own.public,
            cookie: self.local_spi.0,
        };
        let peer = End {
            public: &handshake.peer.public,
            cookie: self.peer_spi.0,
        };
        let (prover, other) = if ours { (own, peer) } else { (peer, own) };
        Some(phase_one_hash(
            handshake.terms?.suite.hash,
            handshake.skeyid.as_ref()?,
            prover,
            other,
            &handshake.offer,
            identification,
        ))
    }

    /// Decrypts a message of phase 1; the chain of IVs is left as it was.
    pub(super) fn open_phase_one(&self, ciphertext: &[u8]) -> Result<(Vec<u8>, Iv), Rejection> {
        let keys = self.keys.as_ref().ok_or(Rejection::UnexpectedExchange)?;
        let mut text = ciphertext.to_vec();
        let next = keys.cipher.decrypt(&keys.chain, &mut text)?;
        Ok((text, next))
    }

    /// Compares what the peer sent to prove its identity with what it should be. Whoever fails is
    /// not told: anybody may have sent it, and the right message may still come.
    pub(super) fn check_proof(
        &mut self,
        identification: &[u8],
        received: &[u8],
    ) -> Result<Secret, Rejection> {
        let expected = self.phase_one_hash(false, identification);
        let expected = expected.ok_or(Rejection::UnexpectedExchange)?;
        if crypto::equal(expected.expose(), received) {
            return Ok(expected);
        }
        self.suspect(CloseReason::AuthenticationFailed);
        Err(Rejection::HashMismatch)
    }

    /// Why this will probably fail; the last suspicion counts.
    pub(super) fn suspect(&mut self, reason: CloseReason) {
        if let Some(handshake) = self.handshake_mut() {
            handshake.hint = Some(reason);
        }
    }

    /// The peer knows the secret but is not whom we want: it is told so, and that is the end.
    pub(super) fn reject_peer(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let (initiator, responder) = self.cookies();
        let refusal = Payload::Notification(Notification {
            doi: doi::IPSEC,
            protocol: protocol::ISAKMP,
            spi: &isakmp_spi(initiator, responder),
            notify_type: NotifyType::INVALID_ID_INFORMATION,
            data: &[],
        });
        self.send_informational(&[refusal], ctx, actions);
        actions.push(Action::Refused(Refusal::AuthenticationFailed));
        self.terminate(CloseReason::AuthenticationFailed, ctx, actions);
    }

    /// RFC 3947 §4: once a NAT is found, the initiator sends everything from port 4500 to 4500.
    pub(super) fn float(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        if self.path.encapsulated || !self.nat.any() {
            return;
        }
        let Some(local) = ctx
            .host
            .encapsulating_socket(self.path.fvrf, self.path.local.ip())
        else {
            return;
        };
        self.path.local = local;
        self.path.remote.set_port(ENCAPSULATED_PORT);
        self.path.encapsulated = true;
        actions.push(Action::PathChanged { path: self.path });
    }

    /// Both ends are authenticated.
    pub(super) fn complete(
        &mut self,
        proof: PeerAuthenticated,
        initial_contact: bool,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        self.turn(Input::Complete, Stage::Established, ctx, actions);
        let Phase::Handshake(handshake) = core::mem::replace(&mut self.phase, Phase::Closed(None))
        else {
            return;
        };
        let mut standing = Standing::new(
            proof,
            Arc::clone(&handshake.connection),
            handshake.own_identity(self.path),
            handshake.child,
            handshake.terms.and_then(|terms| terms.lifetime),
            ctx,
        );
        // Clients of one group share its name and its secret: until the user is known, the IKE SA counts
        // as half-open, and nothing is said about the contacts of others.
        standing.half_open = handshake.half_open;
        standing.initial_contact_heard = initial_contact;
        standing.initial_contact_held = initial_contact;
        self.fragment_size = self
            .fragment_size
            .map(|_| standing.connection.fragment_size);
        self.phase = Phase::Established(Box::new(standing));
        self.phase_one.forget_at = Some(ctx.now + LINGER);
        // Whoever sent the last message sends it again when the one before it comes again. The other
        // end is silent, or repetitions would bring each other back for ever.
        let last = match handshake.mode {
            Mode::Main => Role::Responder,
            Mode::Aggressive => Role::Initiator,
        };
        if self.role != last {
            self.phase_one.sent = None;
        }
        transaction::begin(self, ctx, actions);
    }

    /// An authenticated message after phase 1 shows that the peer has had our last one.
    pub(super) fn confirm_phase_one(&mut self) {
        if self.handshake().is_none()
            && let Some(sent) = &mut self.phase_one.sent
        {
            sent.settle();
        }
    }

    /// An informational message in the clear: anybody can send it.
    pub(super) fn on_unprotected(
        &mut self,
        payloads: &Payloads<'_>,
    ) -> Result<Received, Rejection> {
        if self.handshake().is_none() {
            return Err(Rejection::Unprotected);
        }
        if let Some(error) = error_of(payloads) {
            self.suspect(reason_of(error));
        }
        Ok(Received::Unauthenticated)
    }

    /// An authenticated informational message while phase 1 is not done for us: the peer, which
    /// knows the secret, refuses something else.
    pub(super) fn on_early_informational(
        &mut self,
        incoming: &Incoming<'_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        let error = error_of(incoming.payloads).ok_or(Rejection::UnexpectedExchange)?;
        self.terminate(reason_of(error), ctx, actions);
        Ok(Received::FreshRequest { liveness: false })
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

    /// Tells whoever watches that phase 1 went on.
    pub(super) fn turn(
        &mut self,
        input: Input,
        to: Stage,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(handshake) = self.handshake_mut() {
            let from = core::mem::replace(&mut handshake.stage, to);
            ctx.trace(actions, || Trace::Turned {
                exchange: None,
                input,
                from,
                to,
            });
        }
    }

    /// The message of phase 1 with this number came and is understood.
    pub(super) fn turn_received(
        &mut self,
        number: u8,
        payloads: &Payloads<'_>,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(mode) = self.handshake().map(|handshake| handshake.mode) else {
            return;
        };
        self.turn(Input::Message, mode.stage(number), ctx, actions);
        tracing::payloads(0, payloads, ctx, actions);
        self.turn(Input::Process, mode.stage(number), ctx, actions);
    }

    /// The message of phase 1 with this number is sent.
    pub(super) fn turn_sent(&mut self, number: u8, ctx: &Context<'_>, actions: &mut Vec<Action>) {
        if let Some(mode) = self.handshake().map(|handshake| handshake.mode) {
            self.turn(Input::Complete, mode.stage(number), ctx, actions);
        }
    }
}

/// The first error among the notifies of a message.
fn error_of(payloads: &Payloads<'_>) -> Option<NotifyType> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Notification(notification) if notification.notify_type.is_error() => {
            Some(notification.notify_type)
        }
        _ => None,
    })
}

fn reason_of(error: NotifyType) -> CloseReason {
    match error {
        NotifyType::NO_PROPOSAL_CHOSEN => CloseReason::NoProposalChosen,
        NotifyType::INVALID_KEY_INFORMATION => CloseReason::InvalidKe,
        NotifyType::AUTHENTICATION_FAILED
        | NotifyType::INVALID_HASH_INFORMATION
        | NotifyType::INVALID_ID_INFORMATION => CloseReason::PeerRejectedAuthentication,
        _ => CloseReason::PeerRefused,
    }
}
