//! Phase 1 under way: what both modes share.

use std::sync::Arc;

use crypto::{KeyPair, Secret};
use ipsec::{ConnectionPolicy, Identity, PreSharedKey};
use timer::Instant;
use wire::ikev1::{ExchangeType, Message};

use super::offer::Terms;
use super::phase::Phase;
use super::standing::Standing;
use super::transmission::digest;
use super::{IkeSa, aggressive, main_mode, transaction};
use crate::job::Output;
use crate::path::ENCAPSULATED_PORT;
use crate::trace::{Input, Stage};
use crate::{
    Action, CloseReason, Context, HalfOpenKey, JobId, Path, PeerAuthenticated, Received, Rejection,
    Role, Side,
};

/// Octets of our nonces (RFC 2409 §5: 8 to 256).
pub(super) const NONCE_LEN: usize = 32;

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

impl IkeSa {
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
        if self.phase_one.has_handled(&digest) {
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
        self.phase_one.note(digest);
        Ok(received)
    }

    /// Phase 1 waits for a computation from now on; the caller pushes the job with this name. What
    /// was sent last has been answered.
    pub(super) fn await_phase_one(&mut self, ctx: &Context<'_>) -> JobId {
        let serial = self.next_serial();
        let deadline = ctx.now + ctx.settings.computation_timeout;
        self.phase_one.answered();
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
        self.phase_one.keep_from(ctx.now);
        // Whoever sent the last message sends it again when the one before it comes again. The other
        // end is silent, or repetitions would bring each other back for ever.
        let last = match handshake.mode {
            Mode::Main => Role::Responder,
            Mode::Aggressive => Role::Initiator,
        };
        if self.role != last {
            self.phase_one.answered();
        }
        transaction::begin(self, ctx, actions);
    }
}
