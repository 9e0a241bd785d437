//! Keys of an IKE SA (RFC 2409 §5, appendix B).

use crypto::{PrfAlgorithm, Secret, prf};

use super::suite::Suite;

/// The two nonces of phase 1, data only.
#[derive(Clone, Copy)]
pub(super) struct Nonces<'a> {
    pub(super) initiator: &'a [u8],
    pub(super) responder: &'a [u8],
}

/// The two cookies.
#[derive(Clone, Copy)]
pub(super) struct Cookies {
    pub(super) initiator: u64,
    pub(super) responder: u64,
}

/// What follows from SKEYID.
pub(super) struct PhaseOneKeys {
    /// SKEYID_d, from which the keys of Child SAs come.
    pub(super) derivation: Secret,
    /// SKEYID_a, which authenticates messages.
    pub(super) authentication: Secret,
    /// The cipher key that comes from SKEYID_e.
    pub(super) encryption: Secret,
}

/// SKEYID with a pre-shared key.
pub(super) fn skeyid(hash: PrfAlgorithm, secret: &[u8], nonces: Nonces<'_>) -> Secret {
    prf(hash, secret, &[nonces.initiator, nonces.responder])
}

impl PhaseOneKeys {
    /// SKEYID_d, SKEYID_a and, cut or stretched to the cipher's key, SKEYID_e.
    pub(super) fn derive(
        suite: &Suite,
        skeyid: &Secret,
        shared: &Secret,
        cookies: Cookies,
    ) -> Self {
        let initiator = cookies.initiator.to_be_bytes();
        let responder = cookies.responder.to_be_bytes();
        let next = |before: &[u8], number: u8| {
            let parts = [before, shared.expose(), &initiator, &responder, &[number]];
            prf(suite.hash, skeyid.expose(), &parts)
        };
        let derivation = next(&[], 0);
        let authentication = next(derivation.expose(), 1);
        let skeyid_e = next(authentication.expose(), 2);
        Self {
            derivation,
            authentication,
            encryption: cipher_key(suite.hash, &skeyid_e, suite.encryption.key_len()),
        }
    }
}

/// RFC 2409 appendix B: the first octets of SKEYID_e, or when it is too short those of
/// K1 | K2 | …, where K1 = prf(SKEYID_e, 0) and each further one is of the one before.
pub(super) fn cipher_key(hash: PrfAlgorithm, skeyid_e: &Secret, len: usize) -> Secret {
    if let Some(key) = skeyid_e.expose().get(..len) {
        return Secret::copy_of(key);
    }
    let mut key = Secret::zeroed(len);
    let mut block = prf(hash, skeyid_e.expose(), &[&[0]]);
    for chunk in key.expose_mut().chunks_mut(hash.output_len()) {
        for (to, from) in chunk.iter_mut().zip(block.expose()) {
            *to = *from;
        }
        block = prf(hash, skeyid_e.expose(), &[block.expose()]);
    }
    key
}

#[cfg(test)]
#[path = "keymat_tests.rs"]
mod tests;
