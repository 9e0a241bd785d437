use std::sync::Arc;

use crypto::{Credential, TrustAnchors};
use ipsec::Identity;
use wire::ikev2::Identification;
use wire::ikev2::numbers::authentication;

use super::Handshake;
use super::certificates::{self, understands};
use crate::CloseReason;
use crate::identity::{from_wire, identification_body, received_body};
use crate::signed::{Claim, OwnProof, Signing, signature};
use crate::v2::auth::{SignedOctets, shared_key_mic};
use crate::v2::contents::Contents;
use crate::v2::sa::SaKeys;
use crate::v2::{PeerAuthenticated, Role};

/// Stands in for the secret of a peer that has none, so that an unknown peer costs as much time as
/// one with a wrong secret.
const NO_SECRET: &[u8] = b"no secret is shared with this peer";

/// What AUTH of both ends rests on.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) keys: &'a SaKeys,
    pub(super) handshake: &'a Handshake,
}

impl Ground<'_> {
    /// The AUTH data with which we, as `role`, prove to be `identity`.
    pub(super) fn own(self, role: Role, identity: &Identity, secret: &[u8]) -> Option<OwnProof> {
        let body = identification_body(identity);
        let signed = self.signed(role, &body)?;
        Some(OwnProof {
            method: authentication::SHARED_KEY,
            data: shared_key_mic(self.keys.suite.prf, secret, &signed),
        })
    }

    /// What we, as `role`, have to sign to prove to be `identity`.
    pub(super) fn signing(
        self,
        role: Role,
        identity: &Identity,
        credential: &Arc<Credential>,
    ) -> Option<Signing> {
        let body = identification_body(identity);
        let from_peer = match role {
            Role::Initiator => &self.handshake.response,
            Role::Responder => &self.handshake.request,
        };
        Some(Signing {
            identified: understands(from_peer, Some(credential.hash())),
            credential: Arc::clone(credential),
            octets: self.signed(role, &body)?.octets(self.keys.suite.prf),
        })
    }

    /// Judges what the peer, as `role`, sent to prove its identity with a shared secret. Without a
    /// secret nobody passes, at the same cost.
    pub(super) fn of_peer(
        self,
        role: Role,
        claimed: &Identification<'_>,
        sent: (u8, &[u8]),
        secret: Option<&[u8]>,
    ) -> Option<PeerAuthenticated> {
        let body = received_body(claimed);
        let signed = self.signed(role, &body)?;
        let secret_or_none = secret.unwrap_or(NO_SECRET);
        let expected = shared_key_mic(self.keys.suite.prf, secret_or_none, &signed);
        let identity = from_wire(claimed).ok()?;
        let (method, received) = sent;
        if method != authentication::SHARED_KEY {
            return None;
        }
        let proof = PeerAuthenticated::verify(identity, expected.expose(), received);
        proof.filter(|_| secret.is_some())
    }

    /// What has to be judged of the proof by certificate that the peer, as `role`, sent. What is wrong
    /// at first sight costs no signature.
    pub(super) fn claim(
        self,
        role: Role,
        claimed: &Identification<'_>,
        contents: &Contents<'_, '_>,
        anchors: &Arc<TrustAnchors>,
    ) -> Result<Claim, CloseReason> {
        let failed = CloseReason::AuthenticationFailed;
        let (method, data) = contents.authentication.ok_or(failed)?;
        signature(method, data)?;
        let body = received_body(claimed);
        let signed = self.signed(role, &body).ok_or(failed)?;
        Ok(Claim {
            identity: from_wire(claimed).map_err(|_| failed)?,
            anchors: Arc::clone(anchors),
            certificates: certificates::received(contents)?,
            method,
            data: data.into(),
            octets: signed.octets(self.keys.suite.prf),
        })
    }

    fn signed<'s>(&'s self, role: Role, identification: &'s [u8]) -> Option<SignedOctets<'s>> {
        let handshake = self.handshake;
        let (message, peer_nonce) = match role {
            Role::Initiator => (&handshake.request, &handshake.responder_nonce),
            Role::Responder => (&handshake.response, &handshake.initiator_nonce),
        };
        Some(SignedOctets {
            message,
            peer_nonce,
            key: self.keys.authentication.as_ref()?.of(role),
            identification,
        })
    }
}
