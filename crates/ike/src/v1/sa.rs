use core::net::IpAddr;
use std::sync::Arc;

use crypto::Secret;
use ipsec::{ConnectionPolicy, EspSpi, Identity, IkeSpi};
use wire::ikev1::NatNumbers;

use super::cipher::Cipher;
use super::exchange::{Exchange, State};
use super::fragment::Reassembly;
use super::iv::Iv;
use super::keymat::PhaseOneKeys;
use super::phase::Phase;
use super::repetition::PhaseOneMessages;
use super::seen::SeenIds;
use super::suite::Suite;
use super::vendor::Announced;
use super::{aggressive, main_mode, quick_mode, transaction};
use crate::trace::Stage;
use crate::{Action, ChildSa, Computed, Context, Initiation, Nat, Path, Role};

/// The keys of an IKE SA, ready for use.
pub(super) struct SaKeys {
    pub(super) suite: Suite,
    /// SKEYID_d, from which the keys of Child SAs come.
    pub(super) derivation: Secret,
    /// SKEYID_a, which authenticates messages after phase 1.
    pub(super) authentication: Secret,
    pub(super) cipher: Cipher,
    /// Of the next message of phase 1, and once that is done its last block of ciphertext.
    pub(super) chain: Iv,
}

impl SaKeys {
    pub(super) fn new(suite: Suite, keys: PhaseOneKeys, chain: Iv) -> Self {
        Self {
            suite,
            derivation: keys.derivation,
            authentication: keys.authentication,
            cipher: Cipher::new(suite.encryption, keys.encryption),
            chain,
        }
    }

    /// The first IV of an exchange after phase 1.
    pub(super) fn exchange_iv(&self, message_id: u32) -> Iv {
        Iv::of_exchange(self.suite.hash, &self.chain, message_id)
    }
}

/// One ISAKMP SA, in either role, from its first message to its end, with the Child SAs that were
/// negotiated under it.
pub struct IkeSa {
    pub(super) role: Role,
    /// Our cookie.
    pub(super) local_spi: IkeSpi,
    /// The peer's cookie.
    pub(super) peer_spi: IkeSpi,
    pub(super) path: Path,
    pub(super) nat: Nat,
    /// The payload numbers of NAT traversal, once both ends speak it.
    pub(super) traversal: Option<NatNumbers>,
    /// What the peer's vendor IDs say that it can do.
    pub(super) announced: Announced,
    /// The longest IP datagram that goes unfragmented, once both ends take fragments.
    pub(super) fragment_size: Option<u16>,
    pub(super) fragments: Option<Box<Reassembly>>,
    pub(super) fragment_id: u16,
    pub(super) phase: Phase,
    pub(super) keys: Option<Box<SaKeys>>,
    pub(super) phase_one: PhaseOneMessages,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) seen: SeenIds,
    /// As client: the addresses that we would like to have again.
    pub(super) wishes: Vec<IpAddr>,
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
            nat: Nat::default(),
            traversal: None,
            announced: Announced::default(),
            fragment_size: None,
            fragments: None,
            fragment_id: 0,
            phase,
            keys: None,
            phase_one: PhaseOneMessages::default(),
            exchanges: Vec::new(),
            seen: SeenIds::default(),
            wishes: Vec::new(),
            job_serial: 0,
        }
    }

    /// Starts an IKE SA as initiator: in main mode, or in aggressive mode where the connection wants
    /// that. `None` when the host has no SPI or the connection has no proposal for IKEv1.
    #[must_use]
    pub fn initiate(
        initiation: Initiation,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Option<Box<Self>> {
        if initiation.connection.v1.aggressive {
            aggressive::initiate(initiation, ctx, actions)
        } else {
            main_mode::initiate(initiation, ctx, actions)
        }
    }

    /// As client: asks for these virtual addresses instead of any, since Child SAs that are to be
    /// handed over have them.
    pub fn ask_for(&mut self, addresses: &[IpAddr]) {
        self.wishes = addresses.to_vec();
    }

    /// A name for the next computation.
    pub(super) fn next_serial(&mut self) -> u32 {
        self.job_serial = self.job_serial.wrapping_add(1);
        self.job_serial
    }

    /// CKY-I and CKY-R.
    pub(super) fn cookies(&self) -> (u64, u64) {
        match self.role {
            Role::Initiator => (self.local_spi.0, self.peer_spi.0),
            Role::Responder => (self.peer_spi.0, self.local_spi.0),
        }
    }

    /// A computation is done. Results of exchanges that are over are ignored.
    pub fn on_computed(
        &mut self,
        computed: Computed,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let serial = computed.id.serial;
        if self.phase_one_waits_for(serial) {
            self.on_phase_one_computed(computed.output, ctx, actions);
            return;
        }
        let Some(message_id) = self.take_waiting(serial) else {
            return;
        };
        if let Some(State::QuickMode(_)) = self.exchange(message_id).map(|found| &found.state) {
            quick_mode::on_computed(self, message_id, computed.output, ctx, actions);
        }
    }

    /// An authenticated message or ESP that is newer than any before came from another address: the
    /// peer's NAT mapping changed. Follows unless we are behind a NAT ourselves, when the change may
    /// be an attacker's (RFC 3947 §6).
    pub fn follow(&mut self, path: Path, actions: &mut Vec<Action>) {
        if path != self.path && self.nat.remote && !self.nat.local {
            self.path = path;
            actions.push(Action::PathChanged { path });
        }
    }

    /// The first authenticated packet came in on a Child SA whose outbound half was held back: the
    /// peer is ready.
    pub fn on_child_traffic(&mut self, child: EspSpi, actions: &mut Vec<Action>) {
        let superseded = quick_mode::is_superseded(self.children(), child);
        if let Some(known) = self.child_mut(child)
            && core::mem::take(&mut known.outbound_pending)
            && !superseded
        {
            actions.push(Action::OutboundSwitched { child });
        }
    }

    /// Our cookie, by which messages are routed.
    #[must_use]
    pub fn local_spi(&self) -> IkeSpi {
        self.local_spi
    }

    /// The peer's cookie; zero until its first message.
    #[must_use]
    pub fn peer_spi(&self) -> IkeSpi {
        self.peer_spi
    }

    /// Our role in phase 1.
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

    /// The algorithms, once negotiated and keys derived.
    #[must_use]
    pub fn suite(&self) -> Option<Suite> {
        self.keys.as_ref().map(|keys| keys.suite)
    }

    /// Both ends are authenticated, the user too where the connection asks for one, and nobody has
    /// deleted it.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.standing().is_some_and(|standing| standing.announced)
    }

    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Handshake(handshake) => handshake.stage,
            Phase::Established(_) => transaction::stage(self).unwrap_or(Stage::Established),
            Phase::Closed(_) => Stage::Closed,
        }
    }

    /// The peer speaks dead peer detection (RFC 3706 §5.1).
    #[must_use]
    pub fn peer_detects_dead_peers(&self) -> bool {
        self.announced.dead_peer_detection
    }

    /// A message of ours waits for the peer's answer.
    #[must_use]
    pub fn request_outstanding(&self) -> bool {
        self.phase_one.awaits_answer() || self.exchanges.iter().any(Exchange::awaits_answer)
    }

    /// The authenticated peer, also after the IKE SA was closed.
    #[must_use]
    pub fn peer(&self) -> Option<&Identity> {
        self.known().map(|standing| standing.proof.identity())
    }

    /// The connection that applies, once phase 1 is done and also after the IKE SA was closed.
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

    /// An exchange is given up: whoever began it frees what it holds.
    pub(super) fn give_up_exchange(
        &mut self,
        message_id: u32,
        why: super::exchange::GivenUp,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(exchange) = self.take_exchange(message_id) else {
            return;
        };
        match exchange.state {
            State::QuickMode(state) => quick_mode::on_given_up(self, *state, why, ctx, actions),
            State::Transaction(state) => transaction::on_given_up(self, &state, why, ctx, actions),
            State::Over => {}
        }
    }
}
