//! The keys of phase 1, and the hashes that prove who knows the secret (RFC 2409 §5).

use crypto::Secret;

use super::IkeSa;
use super::hashes::{End, phase_one_hash};
use super::iv::Iv;
use super::keymat::{Cookies, Nonces, PhaseOneKeys, skeyid};
use super::sa::SaKeys;
use crate::{CloseReason, Rejection, Role};

impl IkeSa {
    /// Derives the keys. `None` without a secret or a choice.
    pub(super) fn derive_keys(&mut self, shared: &Secret) -> Option<()> {
        let (initiator_cookie, responder_cookie) = self.cookies();
        let role = self.role;
        let handshake = self.handshake_mut()?;
        let suite = handshake.terms?.suite;
        let (initiator, responder) = match role {
            Role::Initiator => (&handshake.own, &handshake.peer),
            Role::Responder => (&handshake.peer, &handshake.own),
        };
        let nonces = Nonces {
            initiator: &initiator.nonce,
            responder: &responder.nonce,
        };
        let skeyid = skeyid(suite.hash, handshake.secret.as_ref()?.expose(), nonces);
        let cookies = Cookies {
            initiator: initiator_cookie,
            responder: responder_cookie,
        };
        let keys = PhaseOneKeys::derive(&suite, &skeyid, shared, cookies);
        let block_len = suite.encryption.block_len();
        let chain = Iv::of_phase_one(suite.hash, block_len, &initiator.public, &responder.public);
        handshake.skeyid = Some(skeyid);
        self.keys = Some(Box::new(SaKeys::new(suite, keys, chain)));
        Some(())
    }

    /// HASH_I or HASH_R of the end that is `ours` or the peer, over the body of its ID payload.
    pub(super) fn phase_one_hash(&self, ours: bool, identification: &[u8]) -> Option<Secret> {
        let handshake = self.handshake()?;
        let own = End {
            public: &handshake.own.public,
            cookie: self.local_spi.0,
        };
        let peer = End {
            public: &handshake.peer.public,
            cookie: self.peer_spi.0,
        };
        let (prover, other) = if ours { (own, peer) } else { (peer, own) };
        Some(phase_one_hash(
            handshake.terms?.suite.hash,
            handshake.skeyid.as_ref()?,
            prover,
            other,
            &handshake.offer,
            identification,
        ))
    }

    /// Decrypts a message of phase 1; the chain of IVs is left as it was.
    pub(super) fn open_phase_one(&self, ciphertext: &[u8]) -> Result<(Vec<u8>, Iv), Rejection> {
        let keys = self.keys.as_ref().ok_or(Rejection::UnexpectedExchange)?;
        let mut text = ciphertext.to_vec();
        let next = keys.cipher.decrypt(&keys.chain, &mut text)?;
        Ok((text, next))
    }

    /// Compares what the peer sent to prove its identity with what it should be. Whoever fails is
    /// not told: anybody may have sent it, and the right message may still come.
    pub(super) fn check_proof(
        &mut self,
        identification: &[u8],
        received: &[u8],
    ) -> Result<Secret, Rejection> {
        let expected = self.phase_one_hash(false, identification);
        let expected = expected.ok_or(Rejection::UnexpectedExchange)?;
        if crypto::equal(expected.expose(), received) {
            return Ok(expected);
        }
        self.suspect(CloseReason::AuthenticationFailed);
        Err(Rejection::HashMismatch)
    }
}
