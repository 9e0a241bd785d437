use std::sync::Arc;

use ipsec::{ConnectionPolicy, EspSpi, Identity, IkeSpi};
use timer::Instant;

use super::standing::Standing;
use super::task::{Answering, Command, Task};
use super::{ChildSa, Nat, Probe, Received};
use crate::{Action, ChildFailure, CloseReason, Computed, Context, Path, Rejection, RemovalReason};

/// Which end of IKE_SA_INIT, or of the last rekey of the IKE SA, we were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// We sent the first request.
    Initiator,
    /// We answered it.
    Responder,
}

/// How to set up an IKE SA as initiator.
pub struct Initiation {
    /// The connection.
    pub connection: Arc<ConnectionPolicy>,
    /// From where to where IKE_SA_INIT goes.
    pub path: Path,
    /// Index of the child whose Child SA IKE_AUTH sets up; `None` for the first.
    pub child: Option<u16>,
    /// Our identity, if other than the connection's.
    pub local_id: Option<Identity>,
}

/// One IKE SA, in either role, from its first message to its end.
pub struct IkeSa {
    pub(super) role: Role,
    pub(super) local_spi: IkeSpi,
    pub(super) peer_spi: IkeSpi,
    pub(super) path: Path,
    pub(super) nat: Nat,
    pub(super) standing: Option<Box<Standing>>,
    pub(super) task: Option<Box<Task>>,
    pub(super) answering: Option<Box<Answering>>,
    pub(super) queue: Vec<Command>,
    pub(super) next_request: u32,
    pub(super) expected_request: u32,
    pub(super) job_serial: u32,
}

impl IkeSa {
    /// Starts an IKE SA as initiator: reserves an SPI from the host and asks for a key pair.
    /// `None` when the host has no SPI.
    #[must_use]
    pub fn initiate(
        _initiation: Initiation,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) -> Option<Box<Self>> {
        None
    }

    /// A message (without the non-ESP marker) came in on `path` for the SPI that we chose.
    pub fn on_message(
        &mut self,
        _message: &[u8],
        _path: Path,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) -> Received {
        Received::Rejected(Rejection::Closed)
    }

    /// A computation is done. Results of exchanges that are over are ignored.
    pub fn on_computed(
        &mut self,
        _computed: Computed,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) {
    }

    /// Time passed: retransmits, gives up, rekeys, expires whatever is due at `ctx.now`.
    pub fn on_timer(&mut self, _ctx: &mut Context<'_>, _actions: &mut Vec<Action>) {}

    /// When [`on_timer`](Self::on_timer) has something to do; [`Instant::MAX`] for never. It may
    /// change with every call of another method.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        Instant::MAX
    }

    /// Sets up another Child SA of the connection.
    ///
    /// # Errors
    ///
    /// When there is no such policy or a limit is reached. Later failures come as
    /// [`Action::ChildFailed`].
    pub fn create_child(
        &mut self,
        _policy: u16,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        Err(ChildFailure::UnknownChild)
    }

    /// Replaces a Child SA by a new one, then deletes it (RFC 7296 §2.8). Nothing happens when its
    /// rekey is under way.
    ///
    /// # Errors
    ///
    /// When there is no such Child SA or a limit is reached.
    pub fn rekey_child(
        &mut self,
        _child: EspSpi,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        Err(ChildFailure::UnknownChild)
    }

    /// Deletes a Child SA with an INFORMATIONAL exchange. It is removed at the peer's answer.
    ///
    /// # Errors
    ///
    /// When there is no such Child SA or a limit is reached.
    pub fn delete_child(
        &mut self,
        _child: EspSpi,
        _reason: RemovalReason,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        Err(ChildFailure::UnknownChild)
    }

    /// Replaces the IKE SA by a new one that takes over its Child SAs. Nothing happens when that is
    /// under way already.
    pub fn rekey_ike(&mut self, _ctx: &mut Context<'_>, _actions: &mut Vec<Action>) {}

    /// Deletes the IKE SA with an INFORMATIONAL exchange; `Closed` follows at the answer or when
    /// the peer stays silent. A half-open one is closed at once.
    pub fn delete_ike(
        &mut self,
        _reason: CloseReason,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) {
    }

    /// Closes at once. If the window allows, one DELETE is sent that is never repeated (dead peer,
    /// shutdown); with `silently`, nothing is sent at all.
    pub fn close(
        &mut self,
        _reason: CloseReason,
        _silently: bool,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) {
    }

    /// Sends a liveness check (RFC 7296 §1.4, §2.4) unless a request is outstanding.
    pub fn probe(&mut self, _ctx: &mut Context<'_>, _actions: &mut Vec<Action>) -> Probe {
        Probe::NotEstablished
    }

    /// Sends the outstanding request again, bit-identically. `false` when there is none.
    pub fn retransmit_outstanding(&mut self, _actions: &mut Vec<Action>) -> bool {
        false
    }

    /// ESP whose integrity was verified and which is newer than any before came from another
    /// address: the peer's NAT mapping changed (RFC 7296 §2.23). Follows unless we are behind a NAT
    /// ourselves.
    pub fn follow(&mut self, _path: Path, _actions: &mut Vec<Action>) {}

    /// The first authenticated packet came in on a Child SA whose outbound half was held back: the
    /// peer is ready.
    pub fn on_child_traffic(&mut self, _child: EspSpi, _actions: &mut Vec<Action>) {}

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

    /// Both ends are authenticated and nobody has deleted it.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.standing
            .as_ref()
            .is_some_and(|standing| standing.closing.is_none())
    }

    /// A request of ours is outstanding.
    #[must_use]
    pub fn request_outstanding(&self) -> bool {
        matches!(self.task.as_deref(), Some(Task::Awaiting { .. }))
    }

    /// The authenticated peer.
    #[must_use]
    pub fn peer(&self) -> Option<&Identity> {
        self.standing
            .as_ref()
            .map(|standing| standing.proof.identity())
    }

    /// The connection that applies, once established.
    #[must_use]
    pub fn connection(&self) -> Option<&Arc<ConnectionPolicy>> {
        self.standing.as_ref().map(|standing| &standing.connection)
    }

    /// Its Child SAs.
    #[must_use]
    pub fn children(&self) -> &[ChildSa] {
        self.standing
            .as_ref()
            .map_or(&[], |standing| standing.children.as_slice())
    }
}
