use std::sync::Arc;

use crypto::Secret;
use ipsec::ahead::fetch_value;
use ipsec::{ConnectionPolicy, EspSpi, Identity, IkeSpi};
use wire::ikev2::{Header, Payload};

use super::keymat::{Directed, IkeKeys};
use super::open::MessageOpener;
use super::phase::Phase;
use super::seal::MessageSealer;
use super::suite::IkeSuite;
use super::task::{Answering, Asked, Command, Step, Task};
use super::window::LastResponse;
use crate::job::Output;
use crate::trace::Input;
use crate::{Action, ChildSa, Computed, Context, JobId, Nat, Path, Role, Side};

use super::create_child;

/// The keys of an IKE SA, ready for use.
pub(super) struct SaKeys {
    pub(super) suite: IkeSuite,
    /// SK_d.
    pub(super) derivation: Secret,
    /// SK_pi and SK_pr, until both ends are authenticated.
    pub(super) authentication: Option<Directed>,
    sealer: MessageSealer,
    opener: MessageOpener,
}

impl SaKeys {
    pub(super) fn new(suite: IkeSuite, keys: IkeKeys, role: Role) -> Self {
        let (own, peer) = keys.protection.split(role);
        Self {
            suite,
            derivation: keys.derivation,
            authentication: Some(keys.authentication),
            sealer: MessageSealer::new(suite.protection(), own),
            opener: MessageOpener::new(suite.protection(), peer),
        }
    }
}

/// One IKE SA, in either role, from its first message to its end.
pub struct IkeSa {
    pub(super) role: Role,
    pub(super) local_spi: IkeSpi,
    pub(super) peer_spi: IkeSpi,
    pub(super) path: Path,
    /// Where the request came from that is being answered.
    pub(super) reply_path: Option<Box<Path>>,
    pub(super) nat: Nat,
    pub(super) phase: Phase,
    pub(super) keys: Option<Box<SaKeys>>,
    /// The longest IP datagram that goes unfragmented, once both ends take fragments.
    pub(super) fragment_size: Option<u16>,
    pub(super) task: Option<Box<Task>>,
    pub(super) answering: Option<Box<Answering>>,
    pub(super) queue: Vec<Command>,
    pub(super) next_request: u32,
    pub(super) expected_request: u32,
    pub(super) last_response: Option<LastResponse>,
    job_serial: u32,
}

impl IkeSa {
    pub(super) fn new(
        role: Role,
        local_spi: IkeSpi,
        peer_spi: IkeSpi,
        path: Path,
        phase: Phase,
    ) -> Self {
        Self {
            role,
            local_spi,
            peer_spi,
            path,
            reply_path: None,
            nat: Nat::default(),
            phase,
            keys: None,
            fragment_size: None,
            task: None,
            answering: None,
            queue: Vec::new(),
            next_request: 0,
            expected_request: 0,
            last_response: None,
            job_serial: 0,
        }
    }

    /// Asks the processor for the memory that a message to the peer will need, before it is needed.
    pub fn fetch(&self) {
        fetch_value(&self.local_spi);
        fetch_value(&self.path);
        fetch_value(&self.phase);
        fetch_value(&self.task);
        fetch_value(&self.next_request);
    }

    /// The same for what [`fetch`](Self::fetch) makes reachable; so much later that it has come.
    pub fn fetch_further(&self) {
        if let Some(keys) = self.keys.as_deref() {
            fetch_value(&keys.suite);
            fetch_value(&keys.sealer);
            fetch_value(&keys.opener);
        }
        if let Some(standing) = self.standing() {
            fetch_value(&standing.rekey_at);
            fetch_value(&standing.children);
        }
    }

    /// The same once more: what the keys are made from, and the Child SAs.
    pub fn fetch_last(&self) {
        if let Some(keys) = self.keys.as_deref() {
            keys.sealer.fetch();
            keys.opener.fetch();
        }
        if let Some(child) = self.children().first() {
            fetch_value(&child.rekey_at);
        }
    }

    /// A name for the next computation of this side.
    fn next_job(&mut self, side: Side) -> JobId {
        self.job_serial = self.job_serial.wrapping_add(1);
        JobId {
            side,
            serial: self.job_serial,
        }
    }

    /// Our exchange waits for a computation from now on; the caller pushes the job with this name.
    pub(super) fn await_computation(&mut self, step: Step, ctx: &Context<'_>) -> JobId {
        let id = self.next_job(Side::Ours);
        self.task = Some(Box::new(Task::Computing {
            serial: id.serial,
            deadline: ctx.now + ctx.settings.computation_timeout,
            step,
        }));
        id
    }

    /// The peer's request waits for a computation from now on; the caller pushes the job with this
    /// name. Until it is answered, no other request of the peer is looked at.
    pub(super) fn await_answer(
        &mut self,
        message_id: u32,
        state: Asked,
        ctx: &Context<'_>,
    ) -> JobId {
        let id = self.next_job(Side::Theirs);
        self.answering = Some(Box::new(Answering {
            serial: id.serial,
            deadline: ctx.now + ctx.settings.computation_timeout,
            message_id,
            state,
        }));
        id
    }

    /// A computation is done. Results of exchanges that are over are ignored.
    pub fn on_computed(
        &mut self,
        computed: Computed,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let from = self.stage();
        match computed.id.side {
            Side::Ours => self.on_own_computed(computed, ctx, actions),
            Side::Theirs => {
                let waits = |answering: &mut Box<Answering>| answering.serial == computed.id.serial;
                if let Some(answering) = self.answering.take_if(waits) {
                    self.on_answer_computed(*answering, computed.output, ctx, actions);
                }
            }
        }
        self.next_command(ctx, actions);
        self.trace_turn(from, Input::Process, ctx, actions);
    }

    fn on_answer_computed(
        &mut self,
        answering: Answering,
        output: Output,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let id = answering.message_id;
        match answering.state {
            Asked::Auth(pending) => self.on_initiator_judged(*pending, output, ctx, actions),
            Asked::CreateChild(state) => {
                create_child::on_answer_computed(self, id, state, output, ctx, actions);
            }
        }
    }

    fn on_own_computed(
        &mut self,
        computed: Computed,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let waits = |task: &mut Box<Task>| matches!(**task, Task::Computing { serial, .. } if serial == computed.id.serial);
        let Some(task) = self.task.take_if(waits) else {
            return;
        };
        let Task::Computing { step, .. } = *task else {
            return;
        };
        match (step, &self.phase) {
            (Step::Handshake, Phase::Initiating(_)) => {
                self.on_handshake_computed(computed.output, ctx, actions);
            }
            (Step::Handshake, Phase::Responding(_)) => {
                self.on_init_answer_computed(computed.output, ctx, actions);
            }
            (Step::Handshake, _) => {}
            (Step::Sign, _) => self.on_auth_signed(computed.output, ctx, actions),
            (Step::Judge(kept), _) => {
                self.on_responder_judged(&kept, computed.output, ctx, actions);
            }
            (Step::Child(step), _) => {
                create_child::on_computed(self, step, computed.output, ctx, actions);
            }
        }
    }

    /// Protects a message: one datagram, or its fragments. Nothing without keys.
    pub(super) fn seal(&mut self, header: &Header, payloads: &[Payload<'_>]) -> Vec<Vec<u8>> {
        let path = self.path;
        let limit = self.fragment_size.map(|size| path.message_len_max(size));
        match &mut self.keys {
            Some(keys) => keys.sealer.seal(header, payloads, limit),
            None => Vec::new(),
        }
    }

    /// What opens the peer's messages.
    pub(super) fn opener(&mut self) -> Option<&mut MessageOpener> {
        self.keys.as_mut().map(|keys| &mut keys.opener)
    }

    /// ESP whose integrity was verified and which is newer than any before came from another
    /// address: the peer's NAT mapping changed. Follows unless we are behind a NAT ourselves, when
    /// the change may be an attacker's (RFC 7296 §2.23).
    pub fn follow(&mut self, path: Path, actions: &mut Vec<Action>) {
        if path != self.path && !self.nat.local {
            self.path = path;
            actions.push(Action::PathChanged { path });
        }
    }

    /// The first authenticated packet came in on a Child SA whose outbound half was held back: the
    /// peer is ready.
    pub fn on_child_traffic(&mut self, child: EspSpi, actions: &mut Vec<Action>) {
        if let Some(known) = self.child_mut(child)
            && known.outbound_pending
        {
            known.outbound_pending = false;
            actions.push(Action::OutboundSwitched { child });
        }
    }

    /// Our SPI, by which messages are routed.
    #[must_use]
    pub fn local_spi(&self) -> IkeSpi {
        self.local_spi
    }

    /// The peer's SPI; zero until its first message.
    #[must_use]
    pub fn peer_spi(&self) -> IkeSpi {
        self.peer_spi
    }

    /// Our role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The path now.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    /// NATs found.
    #[must_use]
    pub fn nat(&self) -> Nat {
        self.nat
    }

    /// The algorithms, once negotiated.
    #[must_use]
    pub fn suite(&self) -> Option<IkeSuite> {
        self.keys.as_ref().map(|keys| keys.suite)
    }

    /// Both ends are authenticated and nobody has deleted it.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.standing()
            .is_some_and(|standing| standing.closing.is_none())
    }

    /// A request of ours is outstanding.
    #[must_use]
    pub fn request_outstanding(&self) -> bool {
        matches!(self.task.as_deref(), Some(Task::Awaiting { .. }))
    }

    /// The authenticated peer, also after the IKE SA was closed.
    #[must_use]
    pub fn peer(&self) -> Option<&Identity> {
        self.known().map(|standing| standing.proof.identity())
    }

    /// The connection that applies, once established and also after the IKE SA was closed.
    #[must_use]
    pub fn connection(&self) -> Option<&Arc<ConnectionPolicy>> {
        self.known().map(|standing| &standing.connection)
    }

    /// Its Child SAs.
    #[must_use]
    pub fn children(&self) -> &[ChildSa] {
        self.standing()
            .map_or(&[], |standing| standing.children.as_slice())
    }
}
