use std::sync::Arc;

use core::net::{IpAddr, SocketAddr};

use crypto::{OpeningKey, ProtectionSuite, SealingKey};
use ipsec::{ConnectionPolicy, EspSpi, Identity, IkeSpi, Selectors};

use crate::v2::IkeSa;
use crate::{
    ChildFailure, CloseReason, Job, Lease, Path, PeerAuthenticated, Refusal, RemovalReason, Trace,
};

/// What an IKE SA asks of its owner. Actions are to be carried out in the order in which they were
/// pushed.
pub enum Action {
    /// Send a message (without the non-ESP marker).
    Send {
        /// From where to where.
        path: Path,
        /// The message, from the IKE header on.
        message: Vec<u8>,
    },
    /// Run a computation off the shard and hand its result to `on_computed`.
    Compute(Job),
    /// Both ends are authenticated.
    Established(Box<Established>),
    /// The peer said INITIAL_CONTACT: other IKE SAs with this identity are stale and should be
    /// dropped without notice (RFC 7296 §2.4).
    PeerInitialContact {
        /// The authenticated identity of the peer.
        identity: Identity,
    },
    /// A Child SA exists; its inbound half must be ready before any message that follows is sent.
    ChildInstalled(Box<ChildInstalled>),
    /// Outbound traffic moves to this Child SA, because the peer is ready for it.
    OutboundSwitched {
        /// The inbound SPI of the Child SA.
        child: EspSpi,
    },
    /// A Child SA is gone. Its inbound SPI is free again.
    ChildRemoved {
        /// The inbound SPI of the Child SA.
        child: EspSpi,
        /// Why.
        reason: RemovalReason,
    },
    /// A Child SA that we asked for did not come to be.
    ChildFailed {
        /// Index in the connection's children.
        policy: u16,
        /// The inbound SPI of the Child SA that was to be rekeyed.
        replaces: Option<EspSpi>,
        /// Why.
        reason: ChildFailure,
    },
    /// The IKE SA was rekeyed: its Child SAs belong to the successor now, without further
    /// `ChildInstalled`. The owner must route the successor's SPI from now on, keep both until
    /// `Closed`, and use the successor for every command.
    Rekeyed {
        /// The new IKE SA.
        successor: Box<IkeSa>,
    },
    /// Both ends rekeyed the IKE SA at once, and this one lost (RFC 7296 §2.8.2). The owner routes
    /// its SPI until `Closed`; it holds nothing and will hold nothing.
    Redundant {
        /// The IKE SA that lost.
        sa: Box<IkeSa>,
    },
    /// The IKE SA should be authenticated anew: the owner initiates a new one for the same
    /// connection and then deletes this one with [`CloseReason::Reauthenticated`].
    ReauthenticationDue,
    /// IKEv2: a request went unanswered to its last retransmission. RFC 7296 §2.4: the peer is gone, and the IKE SA is
    /// to be closed with [`CloseReason::Unresponsive`]; but whether the silence is the peer's is for the owner to judge, so
    /// the request is sent on, with the longest gap, and this comes with each time until it is answered or the IKE SA closed.
    /// IKEv1: a quick mode of ours went unanswered and the IKE SA holds no Child SA; it comes once, and the quick mode is over.
    Unanswered,
    /// IKEv1: the peer has deleted the IKE SA and not its Child SAs, which do not depend on it. The
    /// owner hands them over to another IKE SA with the peer, old or new, or closes this one with
    /// [`CloseReason::PeerDeleted`]; soon it closes by itself.
    DeletedByPeer,
    /// An authenticated message came on another path, or the initiator moved to the encapsulating
    /// port. Messages and ESP go there from now on.
    PathChanged {
        /// The new path.
        path: Path,
    },
    /// The peer of a half-open responder of IKEv1 has returned our cookie, so that its address is
    /// no forgery: tell the front door.
    AddressProved(HalfOpenKey),
    /// A half-open responder is established or closed: tell the front door.
    HalfOpenEnded(HalfOpenKey),
    /// A request was answered with an error notify.
    Refused(Refusal),
    /// For whoever watches this IKE SA; only pushed with [`Context::tracing`](crate::Context).
    Trace(Box<Trace>),
    /// The IKE SA is closed. The owner drops it and frees its SPI. It has given back its leases and
    /// pushed `ChildRemoved` for all that were left.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Names a half-open IKE SA of a responder: the peer's address and its SPI.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HalfOpenKey {
    /// Where its first message came from.
    pub remote: SocketAddr,
    /// The initiator's SPI.
    pub initiator_spi: IkeSpi,
}

/// What is known once an IKE SA is established.
pub struct Established {
    /// Who the peer is.
    pub peer: Identity,
    /// Who we said that we are.
    pub local: Identity,
    /// The connection that applies.
    pub connection: Arc<ConnectionPolicy>,
    /// The path at that time.
    pub path: Path,
    /// As responder: virtual addresses that we gave to the peer.
    pub leases: Vec<Lease>,
    /// As initiator: virtual addresses that the peer gave to us.
    pub addresses: Vec<IpAddr>,
    /// As initiator: DNS servers that the peer told us.
    pub dns: Vec<IpAddr>,
    /// A NAT stands before us: keepalives are needed (RFC 3948 §4).
    pub local_behind_nat: bool,
    /// A NAT stands before the peer.
    pub peer_behind_nat: bool,
}

/// A new Child SA. It can only be built with the proof that the peer is authenticated.
pub struct ChildInstalled {
    /// Our SPI, which names the Child SA.
    pub inbound: EspSpi,
    /// The peer's SPI.
    pub outbound: EspSpi,
    /// The algorithms of both keys.
    pub suite: ProtectionSuite,
    /// Key of what we receive.
    pub inbound_key: OpeningKey,
    /// Key of what we send.
    pub outbound_key: SealingKey,
    /// 64-bit sequence numbers.
    pub esn: bool,
    /// ESP goes in UDP on the path of the IKE SA (RFC 3948).
    pub encapsulated: bool,
    /// Where the peer is.
    pub path: Path,
    /// What may pass.
    pub selectors: Selectors,
    /// The connection that applies.
    pub connection: Arc<ConnectionPolicy>,
    /// Index in the connection's children.
    pub policy: u16,
    /// The inbound SPI of the Child SA that this one replaces.
    pub replaces: Option<EspSpi>,
    /// Octets that it may carry by what the ends agreed (IKEv1); its policy may want less.
    pub octets_max: Option<u64>,
    /// Whether outbound traffic may use it at once. Otherwise `OutboundSwitched` follows; the
    /// owner may also switch at the first authenticated packet that arrives on it.
    pub outbound_ready: bool,
    proof: PeerAuthenticated,
}

/// The terms of a new Child SA, before it is bound to an authenticated peer.
pub(crate) struct ChildTerms {
    pub(crate) inbound: EspSpi,
    pub(crate) outbound: EspSpi,
    pub(crate) suite: ProtectionSuite,
    pub(crate) inbound_key: OpeningKey,
    pub(crate) outbound_key: SealingKey,
    pub(crate) esn: bool,
    pub(crate) encapsulated: bool,
    pub(crate) path: Path,
    pub(crate) selectors: Selectors,
    pub(crate) connection: Arc<ConnectionPolicy>,
    pub(crate) policy: u16,
    pub(crate) replaces: Option<EspSpi>,
    pub(crate) octets_max: Option<u64>,
    pub(crate) outbound_ready: bool,
}

impl ChildInstalled {
    pub(crate) fn new(terms: ChildTerms, proof: &PeerAuthenticated) -> Self {
        Self {
            inbound: terms.inbound,
            outbound: terms.outbound,
            suite: terms.suite,
            inbound_key: terms.inbound_key,
            outbound_key: terms.outbound_key,
            esn: terms.esn,
            encapsulated: terms.encapsulated,
            path: terms.path,
            selectors: terms.selectors,
            connection: terms.connection,
            policy: terms.policy,
            replaces: terms.replaces,
            octets_max: terms.octets_max,
            outbound_ready: terms.outbound_ready,
            proof: proof.clone(),
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Identity {
        self.proof.identity()
    }
}
