use std::sync::Arc;

use crypto::Secret;
use ipsec::{ConnectionPolicy, Identity, IkeSpi, IkeVersion};
use wire::ikev1::{HEADER_LEN, Payload, Payloads, Sa, encode_payloads};

use super::Opened;
use crate::v1::IkeSa;
use crate::v1::handshake::{Awaits, Handshake, Mode, NONCE_LEN, Share};
use crate::v1::identification::{own_body, payload, says_initial_contact};
use crate::v1::offer::{self, Terms};
use crate::v1::phase::Phase;
use crate::v1::vendor;
use crate::{
    Action, CloseReason, Context, HalfOpenKey, Job, Path, PeerAuthenticated, Received, Rejection,
    Role,
};

/// An initiator whose address is not proved has this part of the usual time.
const UNPROVED_SHARE: u32 = 3;

/// A first message that the front door let in.
pub(in crate::v1) struct Accepted<'m, 'a> {
    pub(in crate::v1) bytes: &'m [u8],
    pub(in crate::v1) payloads: &'m Payloads<'a>,
    /// The body of its SA payload.
    pub(in crate::v1) offer: &'a [u8],
    pub(in crate::v1) path: Path,
    pub(in crate::v1) key: HalfOpenKey,
    pub(in crate::v1) connection: Arc<ConnectionPolicy>,
    pub(in crate::v1) terms: Terms,
    /// The chosen transform, as it came.
    pub(in crate::v1) answer: Sa<'a>,
}

impl Accepted<'_, '_> {
    /// A half-open IKE SA that has heard the vendor IDs of the message.
    pub(in crate::v1) fn open(
        &self,
        mode: Mode,
        local_spi: IkeSpi,
        ctx: &Context<'_>,
    ) -> Box<IkeSa> {
        let mut handshake = Handshake::new(mode, Awaits::KeyExchange, Arc::clone(&self.connection));
        handshake.half_open = Some(self.key);
        handshake.deadline = ctx.now + ctx.settings.half_open_timeout / UNPROVED_SHARE;
        handshake.offer = self.offer.into();
        handshake.terms = Some(self.terms);
        let mut sa = Box::new(IkeSa::new(
            Role::Responder,
            local_spi,
            self.key.initiator_spi,
            self.path,
            Phase::Handshake(Box::new(handshake)),
        ));
        sa.hear_vendors(
            self.payloads,
            self.connection.fragmentation,
            self.connection.fragment_size,
        );
        sa.note_phase_one(self.bytes);
        sa
    }

    /// The vendor IDs of an answer that holds `payloads` already and must not be longer than what
    /// it answers: the address of the peer is not proved.
    pub(in crate::v1) fn vendors(&self, sa: &IkeSa, payloads: &[Payload<'_>]) -> Vec<Vec<u8>> {
        let mut chain = Vec::new();
        encode_payloads(payloads, &mut chain);
        let room = self.bytes.len().saturating_sub(HEADER_LEN + chain.len());
        let mut vendors = vendor::answered(&self.connection, &sa.announced);
        vendor::trim(&mut vendors, room);
        vendors
    }
}

/// Answers message 1.
pub(in crate::v1) fn respond(
    accepted: &Accepted<'_, '_>,
    local_spi: IkeSpi,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Box<IkeSa> {
    let mut sa = accepted.open(Mode::Main, local_spi, ctx);
    let mut payloads = vec![Payload::Sa(accepted.answer.clone())];
    let vendors = accepted.vendors(&sa, &payloads);
    payloads.extend(vendors.iter().map(|body| Payload::VendorId(body)));
    sa.turn_received(1, accepted.payloads, ctx, actions);
    sa.turn_sent(2, ctx, actions);
    sa.send_phase_one(&payloads, ctx, actions);
    sa
}

impl IkeSa {
    /// Message 3: the initiator's share. Our cookie has come back, so its address is no forgery.
    pub(super) fn on_initiator_share(
        &mut self,
        payloads: &Payloads<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        self.take_share(payloads)?;
        let (local, remote) = (
            self.path.local.ip().to_canonical(),
            self.path.remote.ip().to_canonical(),
        );
        let handshake = self.handshake_mut().ok_or(Rejection::UnexpectedExchange)?;
        let key = handshake.half_open;
        let secret = ctx
            .policy
            .secret_by_address(&handshake.connection, local, remote);
        handshake.secret = secret.cloned();
        handshake.deadline = ctx.now + ctx.settings.half_open_timeout;
        let Some(terms) = handshake.terms.filter(|_| handshake.secret.is_some()) else {
            self.terminate(CloseReason::NoSharedSecret, ctx, actions);
            return Err(Rejection::NoSharedSecret);
        };
        actions.extend(key.map(Action::AddressProved));
        self.judge_path(payloads, path);
        self.turn_received(3, payloads, ctx, actions);
        let id = self.await_phase_one(ctx);
        let peer = self
            .handshake()
            .map(|handshake| handshake.peer.public.clone());
        let job = Job::generate_and_agree(
            id,
            terms.suite.key_exchange,
            &peer.unwrap_or_default(),
            ctx.entropy,
        );
        actions.push(Action::Compute(job));
        Ok(Received::Unauthenticated)
    }

    /// Our share and the shared secret are there: message 4.
    pub(super) fn send_responder_share(
        &mut self,
        public: Box<[u8]>,
        shared: &Secret,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let mut nonce = [0; NONCE_LEN];
        ctx.entropy.fill(&mut nonce);
        let Some(handshake) = self.handshake_mut() else {
            return;
        };
        handshake.own = Share {
            public,
            nonce: nonce.into(),
        };
        handshake.awaits = Awaits::Proof;
        if self.derive_keys(shared).is_none() {
            self.terminate(CloseReason::NoSharedSecret, ctx, actions);
            return;
        }
        self.turn_sent(4, ctx, actions);
        self.send_share(ctx, actions);
    }

    /// Message 5: the initiator proves who it is. Answers with message 6.
    pub(super) fn on_initiator_proof(
        &mut self,
        opened: &Opened<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        let expected = self.check_proof(opened.claimed.body, opened.hash)?;
        if let Some(keys) = &mut self.keys {
            keys.chain = opened.next_iv;
        }
        self.turn_received(5, &opened.payloads, ctx, actions);
        let identity = opened.claimed.identity.clone();
        let connection = identity
            .as_ref()
            .and_then(|identity| self.connection_of(identity, ctx));
        let proof = identity.and_then(|identity| {
            PeerAuthenticated::verify(identity, expected.expose(), opened.hash)
        });
        let (Some(connection), Some(proof)) = (connection, proof) else {
            self.reject_peer(ctx, actions);
            return Ok(Received::FreshRequest { liveness: false });
        };
        let identity_path = self.path;
        self.move_to(path, actions);
        if let Some(handshake) = self.handshake_mut() {
            handshake.connection = connection;
        }
        let own = self
            .handshake()
            .map(|handshake| handshake.own_identity(identity_path));
        let body = own.as_ref().map(own_body).unwrap_or_default();
        let Some(hash) = self.phase_one_hash(true, &body) else {
            return Err(Rejection::UnexpectedExchange);
        };
        let answer = [payload(&body), Payload::Hash(hash.expose())];
        self.send_phase_one_sealed(&answer, ctx, actions);
        let contact = says_initial_contact(&opened.payloads);
        self.complete(proof, contact, ctx, actions);
        Ok(Received::FreshRequest { liveness: false })
    }

    /// An initiator may come from another port once NATs have been looked for (RFC 3947 §4).
    pub(in crate::v1) fn move_to(&mut self, path: Path, actions: &mut Vec<Action>) {
        if path != self.path && self.traversal.is_some() {
            self.path = path;
            actions.push(Action::PathChanged { path });
        }
    }

    /// The connection of an identified initiator. Its algorithms were chosen and its secret was used
    /// before it could say who it is: both must be ones that this connection would have had.
    fn connection_of(
        &self,
        identity: &Identity,
        ctx: &Context<'_>,
    ) -> Option<Arc<ConnectionPolicy>> {
        let handshake = self.handshake()?;
        let (local, remote) = (
            self.path.local.ip().to_canonical(),
            self.path.remote.ip().to_canonical(),
        );
        let connection = ctx.policy.connections.of_peer(
            IkeVersion::V1,
            self.path.fvrf,
            (local, remote),
            None,
            identity,
        )?;
        let suite = handshake.terms?.suite;
        let method = offer::method(connection, Role::Responder);
        let allowed = offer::suites(&connection.proposals, method).any(|own| own == suite);
        let own = ctx.policy.secret_by_address(connection, local, remote)?;
        let used = handshake.secret.as_ref()?;
        (allowed && crypto::equal(own.expose(), used.expose())).then(|| Arc::clone(connection))
    }
}
