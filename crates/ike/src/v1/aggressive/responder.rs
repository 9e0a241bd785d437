use crypto::{PrfAlgorithm, Secret};
use ipsec::{Identity, IkeSpi, PreSharedKey};
use wire::ikev1::{HEADER_LEN, Payload, Payloads, Sa, encode_payloads};

use super::{Opening, hash_of};
use crate::v1::IkeSa;
use crate::v1::handshake::{Awaits, Claim, Mode, NONCE_LEN, Share};
use crate::v1::identification::{own_body, payload, says_initial_contact};
use crate::v1::iv::Iv;
use crate::v1::main_mode::Accepted;
use crate::v1::traversal::Hashes;
use crate::v1::vendor;
use crate::{Action, CloseReason, Context, Job, Path, PeerAuthenticated, Received, Rejection};

/// The least length of our nonces.
const NONCE_LEN_MIN: usize = 16;

/// Our nonce is as long as the peer's, within reason: message 2 must not be longer than message 1.
fn nonce_len(peer: &[u8]) -> usize {
    peer.len().clamp(NONCE_LEN_MIN, NONCE_LEN)
}

/// Octets of message 2 without anything that may be left out.
pub(in crate::v1) fn answer_len(
    opening: &Opening<'_, '_>,
    answer: &Sa<'_>,
    hash: PrfAlgorithm,
    own: &Identity,
) -> usize {
    let zeros = [0; NONCE_LEN];
    let digest = vec![0; hash.output_len()];
    let body = own_body(own);
    let mut chain = Vec::new();
    let payloads = [
        Payload::Sa(answer.clone()),
        Payload::KeyExchange(opening.public),
        Payload::Nonce(zeros.get(..nonce_len(opening.nonce)).unwrap_or(&zeros)),
        payload(&body),
        Payload::Hash(&digest),
    ];
    encode_payloads(&payloads, &mut chain);
    HEADER_LEN + chain.len()
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
    let mut nonce = vec![0; nonce_len(opening.nonce)];
    ctx.entropy.fill(&mut nonce);
    // What may be left out of message 2 is decided now, while message 1 is at hand.
    let own_id = sa
        .handshake()
        .map(|handshake| handshake.own_identity(accepted.path));
    let own_id = own_id.unwrap_or_else(|| accepted.path.local.ip().to_canonical().into());
    let hash = accepted.terms.suite.hash;
    let fixed = answer_len(&opening, &accepted.answer, hash, &own_id);
    let mut room = accepted.bytes.len().saturating_sub(fixed);
    let detection = 2 * (4 + hash.output_len());
    let mut vendors = Vec::new();
    let mut traversal = None;
    for body in vendor::answered(&accepted.connection, &sa.announced) {
        let speaks_of_nat = vendor::is_traversal(&body);
        let len = 4 + body.len() + if speaks_of_nat { detection } else { 0 };
        if len <= room {
            room -= len;
            traversal = traversal.or(sa.traversal.filter(|_| speaks_of_nat));
            vendors.push(body);
        }
    }
    sa.traversal = traversal;
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
        let mut rest = Vec::new();
        encode_payloads(&[Payload::Sa(accepted.answer.clone())], &mut rest);
        handshake.answer = Some((rest.into(), vendors));
    }
    sa.turn_received(1, ctx, actions);
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
        let Some((answer, vendors)) = handshake.answer.take() else {
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
                data: &answer,
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
        self.turn_received(3, ctx, actions);
        self.move_to(path, actions);
        let contact = says_initial_contact(payloads);
        self.complete(proof, contact, ctx, actions);
        Ok(Received::FreshRequest { liveness: false })
    }
}
