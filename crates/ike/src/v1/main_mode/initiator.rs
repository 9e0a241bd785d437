use crypto::{KeyPair, Secret};
use ipsec::IkeSpi;
use wire::ikev1::{Header, Payload, Payloads, encode_body, isakmp_spi};

use super::{Opened, share_of};
use crate::trace::{Input, Stage};
use crate::v1::IkeSa;
use crate::v1::handshake::{Awaits, Handshake, Mode, NONCE_LEN, Share};
use crate::v1::identification::{initial_contact, own_body, payload, says_initial_contact};
use crate::v1::offer::{self, Offer};
use crate::v1::phase::Phase;
use crate::v1::traversal::Hashes;
use crate::v1::vendor::{self, Announced};
use crate::{
    Action, CloseReason, Context, Initiation, Job, Path, PeerAuthenticated, Received, Rejection,
    Role,
};

/// Sends message 1. `None` when the host has no SPI or the connection has no proposal for IKEv1.
pub(in crate::v1) fn initiate(
    initiation: Initiation,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Option<Box<IkeSa>> {
    let connection = initiation.connection;
    let offer = Offer::new(&connection, None);
    if offer.is_empty() {
        return None;
    }
    let proposal = Payload::Sa(offer.sa());
    let local_spi = ctx.host.allocate_ike_spi()?;
    let mut body = Vec::new();
    encode_body(&proposal, &mut body);
    let mut handshake = Handshake::new(Mode::Main, Awaits::Choice, connection.clone());
    handshake.offer = body.into_boxed_slice();
    handshake.child = initiation.child;
    handshake.local_id = initiation.local_id;
    handshake.initial_contact = initiation.initial_contact && connection.send_initial_contact;
    let mut sa = Box::new(IkeSa::new(
        Role::Initiator,
        local_spi,
        IkeSpi::ZERO,
        initiation.path,
        Phase::Handshake(Box::new(handshake)),
    ));
    let vendors = vendor::offered(&connection);
    let mut payloads = vec![proposal];
    payloads.extend(vendors.iter().map(|body| Payload::VendorId(body)));
    sa.turn(Input::WantIkeSa, Stage::Main(1), ctx, actions);
    sa.send_phase_one(&payloads, ctx, actions);
    Some(sa)
}

impl IkeSa {
    /// Message 2, which nothing protects: the responder's choice.
    pub(super) fn on_choice(
        &mut self,
        header: &Header,
        payloads: &Payloads<'_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        if header.responder_cookie == 0 {
            return Err(Rejection::UnknownSpi);
        }
        let path = self.path;
        let handshake = self.handshake_mut().ok_or(Rejection::UnexpectedExchange)?;
        let answer = payloads.iter().find_map(|payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        });
        let answer = answer.ok_or(Rejection::Malformed)?;
        let Some(terms) = offer::accept(&handshake.connection, None, answer) else {
            handshake.hint = Some(CloseReason::PeerMisbehaved);
            return Err(Rejection::ChoiceNotOffered);
        };
        let connection = handshake.connection.clone();
        let (local, remote) = (
            path.local.ip().to_canonical(),
            path.remote.ip().to_canonical(),
        );
        let secret = ctx.policy.secret_by_address(&connection, local, remote);
        handshake.secret = secret.cloned();
        handshake.terms = Some(terms);
        if handshake.secret.is_none() {
            self.terminate(CloseReason::NoSharedSecret, ctx, actions);
            return Ok(Received::Unauthenticated);
        }
        self.peer_spi = IkeSpi(header.responder_cookie);
        self.hear_vendors(payloads, connection.fragmentation, connection.fragment_size);
        self.turn_received(2, payloads, ctx, actions);
        let id = self.await_phase_one(ctx);
        let method = terms.suite.key_exchange;
        actions.push(Action::Compute(Job::generate(id, method, ctx.entropy)));
        Ok(Received::Unauthenticated)
    }

    /// Takes from the vendor IDs of a peer what both ends can do.
    pub(in crate::v1) fn hear_vendors(
        &mut self,
        payloads: &Payloads<'_>,
        fragmentation: bool,
        fragment_size: u16,
    ) {
        let mut announced: Announced = self.announced;
        announced.hear(payloads);
        self.announced = announced;
        self.traversal = announced.traversal.map(vendor::Traversal::numbers);
        if announced.fragmentation && fragmentation {
            self.fragment_size = Some(fragment_size);
        }
    }

    /// Our key pair is there: message 3.
    pub(super) fn send_initiator_share(
        &mut self,
        pair: KeyPair,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let mut nonce = [0; NONCE_LEN];
        ctx.entropy.fill(&mut nonce);
        let Some(handshake) = self.handshake_mut() else {
            return;
        };
        handshake.own = Share {
            public: pair.public_value().into(),
            nonce: nonce.into(),
        };
        handshake.pair = Some(pair);
        handshake.awaits = Awaits::KeyExchange;
        self.turn_sent(3, ctx, actions);
        self.send_share(ctx, actions);
    }

    /// KE, nonce and, if both ends speak of NATs, NAT-D: message 3 or 4.
    pub(super) fn send_share(&mut self, ctx: &Context<'_>, actions: &mut Vec<Action>) {
        let (cookies, path) = (self.cookies(), self.path);
        let Some((handshake, hash)) = self
            .handshake()
            .and_then(|handshake| Some((handshake, handshake.terms?.suite.hash)))
        else {
            return;
        };
        let mut hashes = Hashes::new(hash, cookies, path);
        if handshake.connection.force_encap {
            hashes.force();
        }
        let (public, nonce) = (handshake.own.public.clone(), handshake.own.nonce.clone());
        let mut payloads = vec![Payload::KeyExchange(&public), Payload::Nonce(&nonce)];
        if let Some(numbers) = self.traversal {
            payloads.extend(hashes.payloads(numbers));
        }
        self.send_phase_one(&payloads, ctx, actions);
    }

    /// Message 4: the responder's share. Nothing protects it, but what is wrong in it shows in
    /// message 6.
    pub(super) fn on_responder_share(
        &mut self,
        payloads: &Payloads<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        self.take_share(payloads)?;
        self.judge_path(payloads, path);
        let pair = self
            .handshake_mut()
            .and_then(|handshake| handshake.pair.take());
        let pair = pair.ok_or(Rejection::UnexpectedExchange)?;
        self.turn_received(4, payloads, ctx, actions);
        let id = self.await_phase_one(ctx);
        let peer = self
            .handshake()
            .map(|handshake| handshake.peer.public.clone());
        let job = Job::agree(id, pair, &peer.unwrap_or_default());
        actions.push(Action::Compute(job));
        Ok(Received::Unauthenticated)
    }

    /// Remembers the peer's public value and nonce.
    pub(super) fn take_share(&mut self, payloads: &Payloads<'_>) -> Result<(), Rejection> {
        let handshake = self.handshake_mut().ok_or(Rejection::UnexpectedExchange)?;
        let terms = handshake.terms.ok_or(Rejection::UnexpectedExchange)?;
        let (public, nonce) = share_of(payloads, terms.suite.key_exchange.public_len())?;
        handshake.peer = Share {
            public: public.into(),
            nonce: nonce.into(),
        };
        Ok(())
    }

    /// Looks for NATs on the path that a message with NAT-D took.
    pub(in crate::v1) fn judge_path(&mut self, payloads: &Payloads<'_>, path: Path) {
        let Some((forced, hash)) = self.handshake().and_then(|handshake| {
            Some((
                handshake.connection.force_encap,
                handshake.terms?.suite.hash,
            ))
        }) else {
            return;
        };
        if self.traversal.is_none() {
            return;
        }
        let found = Hashes::new(hash, self.cookies(), path).judge(payloads);
        self.nat = found.unwrap_or_default();
        if forced && found.is_some() {
            self.nat.local = true;
        }
    }

    /// The shared secret is there: message 5.
    pub(super) fn send_initiator_proof(
        &mut self,
        shared: &Secret,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if self.derive_keys(shared).is_none() {
            self.terminate(CloseReason::NoSharedSecret, ctx, actions);
            return;
        }
        let identity_path = self.path;
        self.float(ctx, actions);
        let (initiator, responder) = self.cookies();
        let Some(handshake) = self.handshake_mut() else {
            return;
        };
        handshake.awaits = Awaits::Proof;
        let contact = handshake.initial_contact;
        let body = own_body(&handshake.own_identity(identity_path));
        let Some(hash) = self.phase_one_hash(true, &body) else {
            return;
        };
        let spi = isakmp_spi(initiator, responder);
        let mut payloads = vec![payload(&body), Payload::Hash(hash.expose())];
        if contact {
            payloads.push(initial_contact(&spi));
        }
        self.turn_sent(5, ctx, actions);
        self.send_phase_one_sealed(&payloads, ctx, actions);
    }

    /// Message 6: the responder proves who it is.
    pub(super) fn on_responder_proof(
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
        self.turn_received(6, &opened.payloads, ctx, actions);
        let expects = self
            .handshake()
            .map(|handshake| handshake.connection.remote_id.clone());
        let identity = opened.claimed.identity.clone();
        let wanted =
            identity.filter(|identity| expects.is_some_and(|pattern| pattern.matches(identity)));
        let proof = wanted.and_then(|identity| {
            PeerAuthenticated::verify(identity, expected.expose(), opened.hash)
        });
        let Some(proof) = proof else {
            self.reject_peer(ctx, actions);
            return Ok(Received::FreshResponse { liveness: false });
        };
        self.follow(path, actions);
        let contact = says_initial_contact(&opened.payloads);
        self.complete(proof, contact, ctx, actions);
        Ok(Received::FreshResponse { liveness: false })
    }
}
