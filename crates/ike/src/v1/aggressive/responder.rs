use crypto::{PrfAlgorithm, Secret};
use ipsec::{Identity, IkeSpi, PreSharedKey};
use wire::ikev1::{HEADER_LEN, Payload, Payloads, Sa, encode_body, encode_payloads};

use super::{Opening, hash_of};
use crate::v1::IkeSa;
use crate::v1::handshake::{Answer, Awaits, Claim, Mode, Share};
use crate::v1::identification::{own_body, payload, says_initial_contact};
use crate::v1::iv::Iv;
use crate::v1::main_mode::Accepted;
use crate::v1::traversal::Hashes;
use crate::v1::vendor;
use crate::{
    Action, CloseReason, Context, Job, Path, PeerAuthenticated, Received, Rejection, Trace,
};

/// Octets of our nonce: message 2 must not be longer than message 1, and what it can announce is worth
/// more than a nonce beyond the strength of the keys.
const NONCE_LEN: usize = 16;

/// What a watching operator is told when NAT traversal has to be left out.
const NO_ROOM: &str = "message 1 is so short that the answer has no room for NAT traversal: let the \
                       peer offer more transforms";

/// Octets of a generic payload header.
const GENERIC_LEN: usize = 4;

/// Octets of message 2 without anything that may be left out.
pub(in crate::v1) fn answer_len(
    opening: &Opening<'_, '_>,
    answer: &Sa<'_>,
    hash: PrfAlgorithm,
    own: &Identity,
) -> usize {
    let digest = vec![0; hash.output_len()];
    let body = own_body(own);
    let mut chain = Vec::new();
    let payloads = [
        Payload::Sa(answer.clone()),
        Payload::KeyExchange(opening.public),
        Payload::Nonce(&[0; NONCE_LEN]),
        payload(&body),
        Payload::Hash(&digest),
    ];
    encode_payloads(&payloads, &mut chain);
    HEADER_LEN + chain.len()
}

/// What message 2 announces.
struct Announcements {
    vendors: Vec<Vec<u8>>,
    /// NAT-D goes along.
    detection: bool,
}

/// What there is room for. NAT traversal comes first: without it a peer behind a NAT gets nowhere.
fn announcements(
    accepted: &Accepted<'_, '_>,
    sa: &IkeSa,
    hash: PrfAlgorithm,
    mut room: usize,
) -> Announcements {
    let mut offered = vendor::answered(&accepted.connection, &sa.announced);
    offered.sort_by_key(|body| !vendor::is_traversal(body));
    let mut announcements = Announcements {
        vendors: Vec::with_capacity(offered.len()),
        detection: false,
    };
    for body in offered {
        let traversal = vendor::is_traversal(&body);
        let detection = if traversal {
            2 * (GENERIC_LEN + hash.output_len())
        } else {
            0
        };
        if let Some(left) = room.checked_sub(GENERIC_LEN + body.len() + detection) {
            room = left;
            announcements.detection |= traversal;
            announcements.vendors.push(body);
        }
    }
    announcements
}

/// Takes message 1 and asks for the key exchange of the answer.
pub(in crate::v1) fn respond(
    accepted: &Accepted<'_, '_>,
    opening: Opening<'_, '_>,
    identity: Identity,
    secret: PreSharedKey,
    local_spi: IkeSpi,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Box<IkeSa> {
    let mut sa = accepted.open(Mode::Aggressive, local_spi, ctx);
    let mut nonce = [0; NONCE_LEN];
    ctx.entropy.fill(&mut nonce);
    // What may be left out of message 2 is decided now, while message 1 is at hand.
    let own_id = sa
        .handshake()
        .map(|handshake| handshake.own_identity(accepted.path));
    let own_id = own_id.unwrap_or_else(|| accepted.path.local.ip().to_canonical().into());
    let hash = accepted.terms.suite.hash;
    let fixed = answer_len(&opening, &accepted.answer, hash, &own_id);
    let room = accepted.bytes.len().saturating_sub(fixed);
    let announced = announcements(accepted, &sa, hash, room);
    if !announced.detection && sa.traversal.take().is_some() {
        ctx.trace(actions, || Trace::Remark(NO_ROOM));
    }
    if let Some(handshake) = sa.handshake_mut() {
        handshake.secret = Some(secret);
        handshake.own.nonce = nonce.into();
        handshake.peer = Share {
            public: opening.public.into(),
            nonce: opening.nonce.into(),
        };
        handshake.claim = Some(Claim {
            identity,
            identification: opening.claimed.body.into(),
            hash: Box::default(),
        });
        let mut choice = Vec::new();
        encode_body(&Payload::Sa(accepted.answer.clone()), &mut choice);
        handshake.answer = Some(Answer {
            choice: choice.into(),
            vendors: announced.vendors,
        });
    }
    sa.turn_received(1, accepted.payloads, ctx, actions);
    let id = sa.await_phase_one(ctx);
    actions.push(Action::Compute(Job::generate_and_agree(
        id,
        accepted.terms.suite.key_exchange,
        opening.public,
        ctx.entropy,
    )));
    sa
}

impl IkeSa {
    /// The key exchange is done: message 2.
    pub(super) fn send_aggressive_answer(
        &mut self,
        public: Box<[u8]>,
        shared: &Secret,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (cookies, path) = (self.cookies(), self.path);
        let Some(handshake) = self.handshake_mut() else {
            return;
        };
        handshake.own.public = public.clone();
        handshake.awaits = Awaits::Proof;
        let Some(Answer { choice, vendors }) = handshake.answer.take() else {
            return;
        };
        let Some(terms) = handshake.terms else { return };
        let nonce = handshake.own.nonce.clone();
        let body = own_body(&handshake.own_identity(path));
        let force = handshake.connection.force_encap;
        let hash = self
            .derive_keys(shared)
            .and_then(|()| self.phase_one_hash(true, &body));
        let Some(hash) = hash else {
            self.terminate(CloseReason::NoSharedSecret, ctx, actions);
            return;
        };
        let mut hashes = Hashes::new(terms.suite.hash, cookies, path);
        if force {
            hashes.force();
        }
        let mut payloads = vec![
            Payload::Unknown {
                kind: wire::ikev1::PayloadType::SA,
                data: &choice,
            },
            Payload::KeyExchange(&public),
            Payload::Nonce(&nonce),
            payload(&body),
            Payload::Hash(hash.expose()),
        ];
        payloads.extend(vendors.iter().map(|body| Payload::VendorId(body)));
        if let Some(numbers) = self.traversal {
            payloads.extend(hashes.payloads(numbers));
        }
        self.turn_sent(2, ctx, actions);
        self.send_phase_one(&payloads, ctx, actions);
    }

    /// Message 3: the initiator proves who it is, encrypted (`next_iv` follows its ciphertext) or
    /// not.
    pub(super) fn on_aggressive_proof(
        &mut self,
        payloads: &Payloads<'_>,
        next_iv: Option<Iv>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        let Some(hash) = hash_of(payloads) else {
            self.suspect(CloseReason::AuthenticationFailed);
            return Err(Rejection::Undecipherable);
        };
        let claim = self
            .handshake()
            .and_then(|handshake| handshake.claim.as_ref());
        let claim = claim.ok_or(Rejection::UnexpectedExchange)?;
        let (identity, body) = (claim.identity.clone(), claim.identification.clone());
        let expected = self.check_proof(&body, hash)?;
        let proof = PeerAuthenticated::verify(identity, expected.expose(), hash);
        let proof = proof.ok_or(Rejection::HashMismatch)?;
        if let (Some(keys), Some(next_iv)) = (&mut self.keys, next_iv) {
            keys.chain = next_iv;
        }
        self.judge_path(payloads, path);
        self.turn_received(3, payloads, ctx, actions);
        self.move_to(path, actions);
        let contact = says_initial_contact(payloads);
        self.complete(proof, contact, ctx, actions);
        Ok(Received::FreshRequest { liveness: false })
    }
}
