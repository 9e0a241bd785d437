//! What the HASH payloads cover (RFC 2409 §5, §5.5, §5.7).

use crypto::{PrfAlgorithm, Secret, prf};

/// What stands between the message ID and the payloads in the hash of a later exchange.
#[derive(Clone, Copy)]
pub(super) enum Cover<'a> {
    /// HASH(1) of quick mode, and the hash of informational and transaction exchanges: M-ID and the
    /// payloads.
    Payloads,
    /// HASH(2) of quick mode: M-ID, the initiator's nonce, the payloads.
    Answer {
        /// Ni_b of quick mode.
        initiator_nonce: &'a [u8],
    },
    /// HASH(3) of quick mode: a zero octet, M-ID, both nonces.
    Nonces {
        /// Ni_b of quick mode.
        initiator: &'a [u8],
        /// Nr_b of quick mode.
        responder: &'a [u8],
    },
}

/// The hash of a message after phase 1. `payloads` are those after the HASH payload, with their
/// generic headers and without padding.
pub(super) fn exchange_hash(
    hash: PrfAlgorithm,
    skeyid_a: &Secret,
    message_id: u32,
    cover: Cover<'_>,
    payloads: &[u8],
) -> Secret {
    let id = message_id.to_be_bytes();
    let key = skeyid_a.expose();
    match cover {
        Cover::Payloads => prf(hash, key, &[&id, payloads]),
        Cover::Answer { initiator_nonce } => prf(hash, key, &[&id, initiator_nonce, payloads]),
        Cover::Nonces {
            initiator,
            responder,
        } => prf(hash, key, &[&[0], &id, initiator, responder]),
    }
}

/// One end of a phase 1, as HASH_I and HASH_R see it.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    /// Its public value.
    pub(super) public: &'a [u8],
    /// Its cookie.
    pub(super) cookie: u64,
}

/// HASH_I or HASH_R: proves that `prover` knows SKEYID. `offer` is the body of the initiator's SA
/// payload, `identification` that of the prover's ID payload, both exactly as sent.
pub(super) fn phase_one_hash(
    hash: PrfAlgorithm,
    skeyid: &Secret,
    prover: End<'_>,
    other: End<'_>,
    offer: &[u8],
    identification: &[u8],
) -> Secret {
    prf(
        hash,
        skeyid.expose(),
        &[
            prover.public,
            other.public,
            &prover.cookie.to_be_bytes(),
            &other.cookie.to_be_bytes(),
            offer,
            identification,
        ],
    )
}
