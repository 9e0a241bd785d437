use std::sync::Arc;

use crypto::{PeerSignature, VerifiedCertificate};
use ipsec::Identity;

/// Proof that the peer of an IKE SA has authenticated. Only the comparison of an AUTH payload
/// (IKEv2) or of a HASH_I or HASH_R (IKEv1, RFC 2409 §5), or the check of a signature with a
/// certificate that we trust, can make one, and no Child SA can be built without it.
#[derive(Clone)]
pub struct PeerAuthenticated {
    identity: Arc<Identity>,
}

impl PeerAuthenticated {
    /// Compares the AUTH data, or the hash, that the peer sent with what its identity and secret would yield.
    pub(crate) fn verify(identity: Identity, expected: &[u8], received: &[u8]) -> Option<Self> {
        crypto::equal(expected, received).then(|| Self {
            identity: Arc::new(identity),
        })
    }

    /// Checks what the peer signed with the key of a certificate, which speaks for its identity.
    pub(crate) fn verify_signature(
        identity: Identity,
        certificate: &VerifiedCertificate<'_>,
        signature: PeerSignature<'_>,
        octets: &[u8],
    ) -> Option<Self> {
        let certified = identity.is_certified_by(certificate.names());
        (certified && certificate.verify(signature, octets).is_ok()).then(|| Self {
            identity: Arc::new(identity),
        })
    }

    /// The proof for a user that the peer named and whose password was right
    /// (draft-beaulieu-ike-xauth-02): many users may share the identity of phase 1.
    pub(crate) fn as_user(&self, user: Identity) -> Self {
        Self {
            identity: Arc::new(user),
        }
    }

    /// Who the peer is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}
