//! One IKE SA of either version, for an owner that need not care which.

use core::net::IpAddr;
use std::sync::Arc;

use ipsec::ahead::fetch_value;
use ipsec::{ConnectionPolicy, EspSpi, Identity, IkeSpi, IkeVersion};
use timer::Instant;

use crate::trace::Stage;
use crate::{
    Action, ChildFailure, ChildSa, CloseReason, Computed, Context, FrontDoor, InitVerdict,
    Initiation, Nat, Negotiated, Path, Probe, Received, Rejection, RemovalReason, Role, v1, v2,
};

/// An IKE SA, in either role and of either version, from its first message to its end.
pub enum IkeSa {
    /// IKEv1 (RFC 2409).
    V1(Box<v1::IkeSa>),
    /// IKEv2 (RFC 7296).
    V2(Box<v2::IkeSa>),
}

/// By which message a peer is asked whether it lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LivenessCheck {
    /// An empty INFORMATIONAL request of IKEv2, which every peer answers.
    Informational,
    /// R-U-THERE (RFC 3706): both ends sent its vendor ID.
    RUThere,
    /// The older keepalive of IOS, because the connection wants it and the peer knows nothing
    /// better.
    IosKeepalive,
    /// None: the peer would not answer.
    Unknown,
}

impl From<Box<v1::IkeSa>> for IkeSa {
    fn from(sa: Box<v1::IkeSa>) -> Self {
        Self::V1(sa)
    }
}

impl From<Box<v2::IkeSa>> for IkeSa {
    fn from(sa: Box<v2::IkeSa>) -> Self {
        Self::V2(sa)
    }
}

/// Memory asked for ahead, where there are many IKE SAs and each is cold.
impl IkeSa {
    /// Asks for what a liveness check needs first.
    pub fn fetch(&self) {
        match self {
            Self::V1(sa) => fetch_value(&**sa),
            Self::V2(sa) => sa.fetch(),
        }
    }

    /// Asks for what it needs next.
    pub fn fetch_further(&self) {
        if let Self::V2(sa) = self {
            sa.fetch_further();
        }
    }

    /// Asks for what it needs last.
    pub fn fetch_last(&self) {
        if let Self::V2(sa) = self {
            sa.fetch_last();
        }
    }
}

/// What goes in.
impl IkeSa {
    /// Sends the first message of a new IKE SA. `None` when no SPI is free, or the connection does
    /// not go together with the version.
    pub fn initiate(
        version: IkeVersion,
        initiation: Initiation,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Option<Self> {
        match version {
            IkeVersion::V1 => v1::IkeSa::initiate(initiation, ctx, actions).map(Self::V1),
            IkeVersion::V2 => v2::IkeSa::initiate(initiation, ctx, actions).map(Self::V2),
        }
    }

    /// A message (without the non-ESP marker) came in on `path` for the SPI that we chose.
    pub fn on_message(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Received {
        match self {
            Self::V1(sa) => sa.on_message(bytes, path, ctx, actions),
            Self::V2(sa) => sa.on_message(bytes, path, ctx, actions),
        }
    }

    /// The time is [`next_deadline`](Self::next_deadline) or later.
    pub fn on_timer(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        match self {
            Self::V1(sa) => sa.on_timer(ctx, actions),
            Self::V2(sa) => sa.on_timer(ctx, actions),
        }
    }

    /// A computation is done. Results of exchanges that are over are ignored.
    pub fn on_computed(
        &mut self,
        computed: Computed,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        match self {
            Self::V1(sa) => sa.on_computed(computed, ctx, actions),
            Self::V2(sa) => sa.on_computed(computed, ctx, actions),
        }
    }

    /// ESP whose integrity was verified and which is newer than any before came from another
    /// address.
    pub fn follow(&mut self, path: Path, actions: &mut Vec<Action>) {
        match self {
            Self::V1(sa) => sa.follow(path, actions),
            Self::V2(sa) => sa.follow(path, actions),
        }
    }

    /// The first authenticated packet came in on a Child SA whose outbound half was held back.
    pub fn on_child_traffic(&mut self, child: EspSpi, actions: &mut Vec<Action>) {
        match self {
            Self::V1(sa) => sa.on_child_traffic(child, actions),
            Self::V2(sa) => sa.on_child_traffic(child, actions),
        }
    }
}

/// What the owner may ask for.
impl IkeSa {
    /// Asks the peer whether it lives. `sequence` is that of the R-U-THERE; IKEv2 has none.
    pub fn probe(
        &mut self,
        sequence: u32,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Probe {
        match self {
            Self::V1(sa) => sa.probe(sequence, ctx, actions),
            Self::V2(sa) => sa.probe(ctx, actions),
        }
    }

    /// Acknowledges an R-U-THERE ([`Received::RUThere`]). IKEv2 has none and answers by itself.
    pub fn acknowledge(&mut self, sequence: u32, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        if let Self::V1(sa) = self {
            sa.acknowledge(sequence, ctx, actions);
        }
    }

    /// Sends the outstanding request again, bit-identically. `false` when there is none.
    pub fn retransmit_outstanding(&mut self, actions: &mut Vec<Action>) -> bool {
        match self {
            Self::V1(sa) => sa.retransmit_outstanding(actions),
            Self::V2(sa) => sa.retransmit_outstanding(actions),
        }
    }

    /// Sets up another Child SA of the connection.
    ///
    /// # Errors
    /// When there is no such policy or a limit is reached. Later failures come as
    /// [`Action::ChildFailed`].
    pub fn create_child(
        &mut self,
        policy: u16,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        match self {
            Self::V1(sa) => sa.create_child(policy, ctx, actions),
            Self::V2(sa) => sa.create_child(policy, ctx, actions),
        }
    }

    /// Replaces a Child SA by a new one, then deletes it.
    ///
    /// # Errors
    /// When there is no such Child SA or a limit is reached.
    pub fn rekey_child(
        &mut self,
        child: EspSpi,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        match self {
            Self::V1(sa) => sa.rekey_child(child, ctx, actions),
            Self::V2(sa) => sa.rekey_child(child, ctx, actions),
        }
    }

    /// Deletes a Child SA, with notice to the peer.
    ///
    /// # Errors
    /// When there is no such Child SA or a limit is reached.
    pub fn delete_child(
        &mut self,
        child: EspSpi,
        reason: RemovalReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        match self {
            Self::V1(sa) => sa.delete_child(child, reason, ctx, actions),
            Self::V2(sa) => sa.delete_child(child, reason, ctx, actions),
        }
    }

    /// Replaces the IKE SA by a new one that takes over its Child SAs. IKEv1 does so by a new phase
    /// 1, which the owner initiates at [`Action::ReauthenticationDue`].
    pub fn rekey_ike(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        match self {
            Self::V1(sa) => sa.rekey_ike(ctx, actions),
            Self::V2(sa) => sa.rekey_ike(ctx, actions),
        }
    }

    /// Deletes the IKE SA, with notice to the peer; `Closed` follows.
    pub fn delete_ike(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        match self {
            Self::V1(sa) => sa.delete_ike(reason, ctx, actions),
            Self::V2(sa) => sa.delete_ike(reason, ctx, actions),
        }
    }

    /// Closes at once. Unless `silently`, one DELETE is sent that is never repeated.
    pub fn close(
        &mut self,
        reason: CloseReason,
        silently: bool,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        match self {
            Self::V1(sa) => sa.close(reason, silently, ctx, actions),
            Self::V2(sa) => sa.close(reason, silently, ctx, actions),
        }
    }

    /// IKEv1, as client: asks for these virtual addresses instead of any. IKEv2 has those of the IKE SA
    /// before it without asking.
    pub fn ask_for(&mut self, addresses: &[IpAddr]) {
        if let Self::V1(sa) = self {
            sa.ask_for(addresses);
        }
    }

    /// IKEv1: its Child SAs belong to `heir` from now on, another IKE SA with the same peer. IKEv2
    /// hands them over by itself ([`Action::Rekeyed`]), so nothing moves.
    pub fn hand_over(&mut self, heir: &mut Self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        if let (Self::V1(sa), Self::V1(heir)) = (self, heir) {
            sa.hand_over(heir, ctx, actions);
        }
    }
}

/// What can be seen.
impl IkeSa {
    /// The version that it speaks.
    #[must_use]
    pub fn version(&self) -> IkeVersion {
        match self {
            Self::V1(_) => IkeVersion::V1,
            Self::V2(_) => IkeVersion::V2,
        }
    }

    /// How the peer is to be asked whether it lives, once the IKE SA is established.
    #[must_use]
    pub fn liveness_check(&self) -> LivenessCheck {
        match self {
            Self::V1(sa) if sa.peer_detects_dead_peers() => LivenessCheck::RUThere,
            Self::V1(sa) => {
                let wanted = sa
                    .connection()
                    .is_some_and(|connection| connection.v1.ios_keepalive);
                if wanted {
                    LivenessCheck::IosKeepalive
                } else {
                    LivenessCheck::Unknown
                }
            }
            Self::V2(_) => LivenessCheck::Informational,
        }
    }

    /// On what both ends agreed; `None` before there are keys.
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        match self {
            Self::V1(sa) => sa.negotiated(),
            Self::V2(sa) => sa.negotiated(),
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::V1(sa) => sa.stage(),
            Self::V2(sa) => sa.stage(),
        }
    }

    /// Our SPI, by which messages are routed; IKEv1: our cookie.
    #[must_use]
    pub fn local_spi(&self) -> IkeSpi {
        match self {
            Self::V1(sa) => sa.local_spi(),
            Self::V2(sa) => sa.local_spi(),
        }
    }

    /// The peer's SPI; zero until its first message.
    #[must_use]
    pub fn peer_spi(&self) -> IkeSpi {
        match self {
            Self::V1(sa) => sa.peer_spi(),
            Self::V2(sa) => sa.peer_spi(),
        }
    }

    /// Our role.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::V1(sa) => sa.role(),
            Self::V2(sa) => sa.role(),
        }
    }

    /// The path now.
    #[must_use]
    pub fn path(&self) -> Path {
        match self {
            Self::V1(sa) => sa.path(),
            Self::V2(sa) => sa.path(),
        }
    }

    /// NATs found.
    #[must_use]
    pub fn nat(&self) -> Nat {
        match self {
            Self::V1(sa) => sa.nat(),
            Self::V2(sa) => sa.nat(),
        }
    }

    /// Both ends are authenticated and nobody has deleted it.
    #[must_use]
    pub fn is_established(&self) -> bool {
        match self {
            Self::V1(sa) => sa.is_established(),
            Self::V2(sa) => sa.is_established(),
        }
    }

    /// The authenticated peer, also after the IKE SA was closed.
    #[must_use]
    pub fn peer(&self) -> Option<&Identity> {
        match self {
            Self::V1(sa) => sa.peer(),
            Self::V2(sa) => sa.peer(),
        }
    }

    /// The connection that applies, once established and also after the IKE SA was closed.
    #[must_use]
    pub fn connection(&self) -> Option<&Arc<ConnectionPolicy>> {
        match self {
            Self::V1(sa) => sa.connection(),
            Self::V2(sa) => sa.connection(),
        }
    }

    /// Its Child SAs.
    #[must_use]
    pub fn children(&self) -> &[ChildSa] {
        match self {
            Self::V1(sa) => sa.children(),
            Self::V2(sa) => sa.children(),
        }
    }

    /// When [`on_timer`](Self::on_timer) has something to do; [`Instant::MAX`] for never.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        match self {
            Self::V1(sa) => sa.next_deadline(),
            Self::V2(sa) => sa.next_deadline(),
        }
    }

    /// How often the outstanding request was sent again because its time was over.
    #[must_use]
    pub fn retransmissions(&self) -> u8 {
        match self {
            Self::V1(sa) => sa.retransmissions(),
            Self::V2(sa) => sa.retransmissions(),
        }
    }
}

/// What became of the first message of an IKE SA of either version.
pub enum FirstVerdict {
    /// A new half-open IKE SA; route its SPI to it from now on.
    HalfOpen(IkeSa),
    /// The message repeats one that made this half-open IKE SA: hand the message to it.
    Known(IkeSpi),
    /// No state was kept. A cookie or a refusal may have been pushed as an action.
    Rejected(Rejection),
}

impl<S> From<InitVerdict<S>> for FirstVerdict
where
    Box<S>: Into<IkeSa>,
{
    fn from(verdict: InitVerdict<S>) -> Self {
        match verdict {
            InitVerdict::HalfOpen(sa) => Self::HalfOpen(sa.into()),
            InitVerdict::Known(spi) => Self::Known(spi),
            InitVerdict::Rejected(reason) => Self::Rejected(reason),
        }
    }
}

impl FrontDoor {
    /// The first message of an IKE SA, for whichever version it is.
    pub fn on_first_message(
        &mut self,
        version: IkeVersion,
        message: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> FirstVerdict {
        match version {
            IkeVersion::V1 => self.on_v1_request(message, path, ctx, actions).into(),
            IkeVersion::V2 => self.on_request(message, path, ctx, actions).into(),
        }
    }
}
