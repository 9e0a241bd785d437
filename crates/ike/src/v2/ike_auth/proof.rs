use crypto::Secret;
use ipsec::Identity;
use wire::ikev2::Identification;
use wire::ikev2::numbers::authentication;

use super::Handshake;
use crate::identity::{from_wire, identification_body, received_body};
use crate::v2::auth::{SignedOctets, shared_key_mic};
use crate::v2::sa::SaKeys;
use crate::v2::{PeerAuthenticated, Role};

/// Stands in for the secret of a peer that has none, so that an unknown peer costs as much time as
/// one with a wrong secret.
const NO_SECRET: &[u8] = b"no secret is shared with this peer";

/// The AUTH data with which we, as `role`, prove to be `identity`.
pub(super) fn own(
    keys: &SaKeys,
    handshake: &Handshake,
    role: Role,
    identity: &Identity,
    secret: &[u8],
) -> Option<Secret> {
    let body = identification_body(identity);
    data(keys, handshake, role, &body, secret)
}

/// Judges what the peer, as `role`, sent to prove its identity. Without a secret nobody passes, at
/// the same cost.
pub(super) fn of_peer(
    keys: &SaKeys,
    handshake: &Handshake,
    role: Role,
    claimed: &Identification<'_>,
    sent: (u8, &[u8]),
    secret: Option<&[u8]>,
) -> Option<PeerAuthenticated> {
    let body = received_body(claimed);
    let expected = data(keys, handshake, role, &body, secret.unwrap_or(NO_SECRET))?;
    let identity = from_wire(claimed).ok()?;
    let (method, received) = sent;
    if method != authentication::SHARED_KEY {
        return None;
    }
    let proof = PeerAuthenticated::verify(identity, expected.expose(), received);
    proof.filter(|_| secret.is_some())
}

fn data(
    keys: &SaKeys,
    handshake: &Handshake,
    role: Role,
    identification: &[u8],
    secret: &[u8],
) -> Option<Secret> {
    let (message, peer_nonce) = match role {
        Role::Initiator => (&handshake.request, &handshake.responder_nonce),
        Role::Responder => (&handshake.response, &handshake.initiator_nonce),
    };
    let signed = SignedOctets {
        message,
        peer_nonce,
        key: keys.authentication.as_ref()?.of(role),
        identification,
    };
    Some(shared_key_mic(keys.suite.prf, secret, &signed))
}
