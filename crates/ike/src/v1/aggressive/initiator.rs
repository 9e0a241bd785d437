use crypto::{KeyPair, Secret};
use ipsec::IkeSpi;
use wire::ikev1::{Header, Payload, Payloads, encode_body, isakmp_spi};

use super::{Opening, hash_of};
use crate::trace::{Input, Stage};
use crate::v1::IkeSa;
use crate::v1::handshake::{Awaits, Claim, Handshake, Mode, Share};
use crate::v1::identification::{initial_contact, own_body, payload};
use crate::v1::offer::{self, Offer};
use crate::v1::phase::Phase;
use crate::v1::traversal::Hashes;
use crate::v1::vendor;
use crate::{
    Action, CloseReason, Context, Initiation, Job, Path, PeerAuthenticated, Received, Rejection,
    Role,
};

/// Octets of our nonce (RFC 2409 §5: 8 to 256). A responder that answers with no more octets than it
/// got needs room for its hash and for what it has to announce.
const NONCE_LEN: usize = 96;

/// Asks for the key pair of message 1. `None` when the host has no SPI or the connection has no
/// proposal for IKEv1.
pub(in crate::v1) fn initiate(
    initiation: Initiation,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Option<Box<IkeSa>> {
    let connection = initiation.connection;
    let method = offer::preferred_group(&connection)?;
    let local_spi = ctx.host.allocate_ike_spi()?;
    let mut handshake = Handshake::new(Mode::Aggressive, Awaits::Choice, connection.clone());
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
    let id = sa.await_phase_one(ctx);
    actions.push(Action::Compute(Job::generate(id, method, ctx.entropy)));
    Some(sa)
}

impl IkeSa {
    /// Our key pair is there: message 1.
    pub(super) fn send_aggressive_offer(
        &mut self,
        pair: KeyPair,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let path = self.path;
        let mut nonce = [0; NONCE_LEN];
        ctx.entropy.fill(&mut nonce);
        let Some(handshake) = self.handshake_mut() else {
            return;
        };
        let connection = handshake.connection.clone();
        // RFC 2409 §5.1: the group cannot be negotiated, since the public value comes along.
        let offer = Offer::new(&connection, Some(pair.method()));
        let proposal = Payload::Sa(offer.sa());
        let mut body = Vec::new();
        encode_body(&proposal, &mut body);
        handshake.offer = body.into_boxed_slice();
        let public: Box<[u8]> = pair.public_value().into();
        handshake.own = Share {
            public: public.clone(),
            nonce: nonce.into(),
        };
        handshake.pair = Some(pair);
        handshake.awaits = Awaits::Choice;
        let id = own_body(&handshake.own_identity(path));
        let vendors = vendor::offered(&connection);
        let mut payloads = vec![
            proposal,
            Payload::KeyExchange(&public),
            Payload::Nonce(&nonce),
            payload(&id),
        ];
        payloads.extend(vendors.iter().map(|body| Payload::VendorId(body)));
        self.turn(Input::WantIkeSa, Stage::Aggressive(1), ctx, actions);
        self.send_phase_one(&payloads, ctx, actions);
    }

    /// Message 2: all that the responder has to say. Its hash is looked at once the keys are there.
    pub(super) fn on_aggressive_answer(
        &mut self,
        header: &Header,
        payloads: &Payloads<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        if header.responder_cookie == 0 {
            return Err(Rejection::UnknownSpi);
        }
        let own_path = self.path;
        let opening = Opening::read(payloads)?;
        let hash = hash_of(payloads).ok_or(Rejection::Malformed)?;
        let handshake = self.handshake_mut().ok_or(Rejection::UnexpectedExchange)?;
        let method = handshake.pair.as_ref().map(KeyPair::method);
        let Some(terms) = offer::accept(&handshake.connection, method, opening.sa) else {
            handshake.hint = Some(CloseReason::PeerMisbehaved);
            return Err(Rejection::ChoiceNotOffered);
        };
        if opening.public.len() != terms.suite.key_exchange.public_len() {
            return Err(Rejection::Malformed);
        }
        let expected = &handshake.connection.remote_id;
        let identity = opening.claimed.identity;
        let Some(identity) = identity.filter(|identity| expected.matches(identity)) else {
            handshake.hint = Some(CloseReason::AuthenticationFailed);
            return Err(Rejection::IdentityUnwanted);
        };
        let own_id = handshake.own_identity(own_path);
        handshake.secret = offer::secret(
            &handshake.connection,
            own_path,
            (&own_id, &identity),
            ctx.policy,
        );
        let Some(pair) = handshake.pair.take().filter(|_| handshake.secret.is_some()) else {
            self.terminate(CloseReason::NoSharedSecret, ctx, actions);
            return Ok(Received::Unauthenticated);
        };
        handshake.terms = Some(terms);
        handshake.peer = Share {
            public: opening.public.into(),
            nonce: opening.nonce.into(),
        };
        handshake.claim = Some(Claim {
            identity,
            identification: opening.claimed.body.into(),
            hash: hash.into(),
        });
        let (fragmentation, size) = (
            handshake.connection.fragmentation,
            handshake.connection.fragment_size,
        );
        self.peer_spi = IkeSpi(header.responder_cookie);
        self.hear_vendors(payloads, fragmentation, size);
        self.judge_path(payloads, path);
        self.turn_received(2, payloads, ctx, actions);
        let id = self.await_phase_one(ctx);
        actions.push(Action::Compute(Job::agree(id, pair, opening.public)));
        Ok(Received::Unauthenticated)
    }

    /// The shared secret is there: judges the responder's hash and sends message 3.
    pub(super) fn send_aggressive_proof(
        &mut self,
        shared: &Secret,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let identity_path = self.path;
        let derived = self.derive_keys(shared);
        let claim = self
            .handshake_mut()
            .and_then(|handshake| handshake.claim.take());
        let (Some(()), Some(claim)) = (derived, claim) else {
            self.terminate(CloseReason::NoSharedSecret, ctx, actions);
            return;
        };
        let proof = self
            .check_proof(&claim.identification, &claim.hash)
            .ok()
            .and_then(|expected| {
                PeerAuthenticated::verify(claim.identity, expected.expose(), &claim.hash)
            });
        let Some(proof) = proof else {
            // The responder has shown that it does not know the secret, and the key pair is used up.
            self.terminate(CloseReason::AuthenticationFailed, ctx, actions);
            return;
        };
        self.float(ctx, actions);
        let (cookies, path) = (self.cookies(), self.path);
        let Some(handshake) = self.handshake() else {
            return;
        };
        let Some(terms) = handshake.terms else { return };
        let mut hashes = Hashes::new(terms.suite.hash, cookies, path);
        if handshake.connection.force_encap {
            hashes.force();
        }
        let contact = handshake.initial_contact;
        let body = own_body(&handshake.own_identity(identity_path));
        let Some(hash) = self.phase_one_hash(true, &body) else {
            return;
        };
        let spi = isakmp_spi(cookies.0, cookies.1);
        let mut payloads = vec![Payload::Hash(hash.expose())];
        if let Some(numbers) = self.traversal {
            payloads.extend(hashes.payloads(numbers));
        }
        if contact {
            payloads.push(initial_contact(&spi));
        }
        self.turn_sent(3, ctx, actions);
        self.send_phase_one_sealed(&payloads, ctx, actions);
        self.complete(proof, false, ctx, actions);
    }
}
