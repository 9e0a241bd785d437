//! Key derivation (RFC 7296 §2.13, §2.14, §2.17, §2.18).

use crypto::{OpeningKey, PrfAlgorithm, SealingKey, Secret, prf, prf_plus};

use super::Role;
use super::suite::{EspSuite, IkeSuite};

/// The two nonces of an exchange, data only.
#[derive(Clone, Copy)]
pub(crate) struct Nonces<'a> {
    /// Of the initiator of the exchange.
    pub(crate) initiator: &'a [u8],
    /// Of the responder of the exchange.
    pub(crate) responder: &'a [u8],
}

/// The keys of an IKE SA (RFC 7296 §2.14).
pub(crate) struct IkeKeys {
    /// SK_d, from which the keys of Child SAs and of a successor come.
    pub(crate) derivation: Secret,
    /// SK_pi and SK_pr.
    pub(crate) authentication: Directed,
    /// SK_ei with SK_ai, and SK_er with SK_ar, each in the order that a key is built from.
    pub(crate) protection: Directed,
}

/// A secret for each role.
pub(crate) struct Directed {
    initiator: Secret,
    responder: Secret,
}

impl Directed {
    /// What `role`, our role, sends with, and what it receives with.
    pub(crate) fn split(self, role: Role) -> (Secret, Secret) {
        match role {
            Role::Initiator => (self.initiator, self.responder),
            Role::Responder => (self.responder, self.initiator),
        }
    }

    /// The secret of what `role` sends.
    pub(crate) fn of(&self, role: Role) -> &Secret {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }
}

/// SKEYSEED of a new IKE SA (RFC 7296 §2.14).
pub(crate) fn skeyseed(algorithm: PrfAlgorithm, nonces: Nonces<'_>, shared: &Secret) -> Secret {
    let key = Secret::new([nonces.initiator, nonces.responder].concat());
    prf(algorithm, key.expose(), &[shared.expose()])
}

/// SKEYSEED of the successor of an IKE SA: the PRF is the old one's (RFC 7296 §2.18).
pub(crate) fn skeyseed_of_successor(
    old_algorithm: PrfAlgorithm,
    old_derivation: &Secret,
    nonces: Nonces<'_>,
    shared: &Secret,
) -> Secret {
    let parts = [shared.expose(), nonces.initiator, nonces.responder];
    prf(old_algorithm, old_derivation.expose(), &parts)
}

impl IkeKeys {
    /// SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr (RFC 7296 §2.14) with the PRF of the
    /// IKE SA itself. SPIs are those of the IKE SA that gets the keys.
    pub(crate) fn expand(
        suite: &IkeSuite,
        skeyseed: &Secret,
        nonces: Nonces<'_>,
        initiator_spi: u64,
        responder_spi: u64,
    ) -> Self {
        let prf_len = suite.prf.output_len();
        // RFC 7296 §2.14: no SK_a for a cipher that protects integrity itself.
        let integrity_len = suite.integrity.map_or(0, |i| i.key_len());
        let cipher_len = suite.encryption.key_len() + suite.encryption.salt_len();
        let mut stream = Secret::zeroed(3 * prf_len + 2 * integrity_len + 2 * cipher_len);
        let (spi_i, spi_r) = (initiator_spi.to_be_bytes(), responder_spi.to_be_bytes());
        let seed = [nonces.initiator, nonces.responder, &spi_i, &spi_r];
        prf_plus(suite.prf, skeyseed.expose(), &seed, stream.expose_mut());

        let mut rest = stream.expose();
        let mut take = |len| {
            let (taken, left) = rest.split_at(len);
            rest = left;
            taken
        };
        let derivation = Secret::copy_of(take(prf_len));
        let (integrity_i, integrity_r) = (take(integrity_len), take(integrity_len));
        let (cipher_i, cipher_r) = (take(cipher_len), take(cipher_len));
        let protection = Directed {
            initiator: Secret::new([cipher_i, integrity_i].concat()),
            responder: Secret::new([cipher_r, integrity_r].concat()),
        };
        let authentication = Directed {
            initiator: Secret::copy_of(take(prf_len)),
            responder: Secret::copy_of(take(prf_len)),
        };
        Self {
            derivation,
            authentication,
            protection,
        }
    }
}

/// The keys of a Child SA pair (RFC 7296 §2.17). `shared` is that of the exchange's own key
/// exchange, if it had one; `role` is our role in the exchange that created the Child SA.
pub(crate) fn child_keys(
    algorithm: PrfAlgorithm,
    derivation: &Secret,
    shared: Option<&Secret>,
    nonces: Nonces<'_>,
    suite: &EspSuite,
    role: Role,
) -> (SealingKey, OpeningKey) {
    let keymat = child_keymat(algorithm, derivation, shared, nonces, suite);
    directed_keys(suite.protection(), &keymat, role)
}

/// RFC 7296 §2.17: first what the initiator of the exchange sends, then what the responder sends.
fn child_keymat(
    algorithm: PrfAlgorithm,
    derivation: &Secret,
    shared: Option<&Secret>,
    nonces: Nonces<'_>,
    suite: &EspSuite,
) -> Directed {
    let len = suite.protection().key_material_len();
    let mut keymat = Secret::zeroed(2 * len);
    let mut seed: Vec<&[u8]> = Vec::with_capacity(3);
    seed.extend(shared.map(Secret::expose));
    seed.extend([nonces.initiator, nonces.responder]);
    prf_plus(algorithm, derivation.expose(), &seed, keymat.expose_mut());
    let (initiator, responder) = keymat.expose().split_at(len);
    Directed {
        initiator: Secret::copy_of(initiator),
        responder: Secret::copy_of(responder),
    }
}

fn directed_keys(
    suite: crypto::ProtectionSuite,
    material: &Directed,
    role: Role,
) -> (SealingKey, OpeningKey) {
    (
        SealingKey::new(suite, material.of(role).expose()),
        OpeningKey::new(suite, material.of(role.other()).expose()),
    )
}

#[cfg(test)]
#[path = "keymat_tests.rs"]
mod tests;
