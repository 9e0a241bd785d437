//! Authentication by certificate (RFC 7427) as a computation: it takes from tens of microseconds to
//! a millisecond, and needs to know what time it is.

use std::sync::Arc;

use crypto::{
    Credential, PeerCertificate, PeerSignature, Secret, TrustAnchors, UnixTime, Untrusted,
};
use ipsec::Identity;
use wire::ikev2::numbers::authentication;

use crate::{CloseReason, PeerAuthenticated};

/// Whom the peer says it is, and what that rests on.
pub(crate) struct Claim {
    pub(crate) identity: Identity,
    /// Whom we trust to certify it.
    pub(crate) anchors: Arc<TrustAnchors>,
    /// In DER, the peer's own first.
    pub(crate) certificates: Vec<Box<[u8]>>,
    pub(crate) method: u8,
    /// The data of its AUTH payload.
    pub(crate) data: Box<[u8]>,
    /// What it must have signed (RFC 7296 §2.15).
    pub(crate) octets: Vec<u8>,
}

/// What we have to sign.
pub(crate) struct Signing {
    pub(crate) credential: Arc<Credential>,
    /// The peer knows RFC 7427, and the hash of our signatures.
    pub(crate) identified: bool,
    pub(crate) octets: Vec<u8>,
}

/// What an AUTH payload of ours carries.
pub(crate) struct OwnProof {
    pub(crate) method: u8,
    pub(crate) data: Secret,
}

/// What a computation found out and made, of what it was asked for.
pub(crate) struct Proofs {
    pub(crate) peer: Option<PeerAuthenticated>,
    pub(crate) own: Option<OwnProof>,
}

/// A signature to be checked, one to be made, or both.
pub(crate) struct Authentication {
    pub(crate) claim: Option<Claim>,
    pub(crate) signing: Option<Signing>,
}

impl Authentication {
    /// Checks the peer first: nothing is signed for a stranger.
    pub(crate) fn run(self, now: UnixTime) -> Result<Proofs, CloseReason> {
        let peer = self.claim.map(|claim| claim.judge(now)).transpose()?;
        let own = self.signing.map(|signing| signing.sign()).transpose()?;
        Ok(Proofs { peer, own })
    }
}

impl Claim {
    fn judge(self, now: UnixTime) -> Result<PeerAuthenticated, CloseReason> {
        let signature = signature(self.method, &self.data)?;
        let (end_entity, others) = self
            .certificates
            .split_first()
            .ok_or(CloseReason::CertificateMissing)?;
        let peer = PeerCertificate { end_entity, others };
        let certificate = self.anchors.verify(peer, now).map_err(close_reason)?;
        if !self.identity.is_certified_by(certificate.names()) {
            return Err(CloseReason::CertificateIdentity);
        }
        PeerAuthenticated::verify_signature(self.identity, &certificate, signature, &self.octets)
            .ok_or(CloseReason::SignatureInvalid)
    }
}

/// The data of an AUTH payload as its method has it.
pub(crate) fn signature(method: u8, data: &[u8]) -> Result<PeerSignature<'_>, CloseReason> {
    match method {
        authentication::DIGITAL_SIGNATURE => Ok(PeerSignature::Identified(data)),
        authentication::ECDSA_SHA256_P256 => Ok(PeerSignature::EcdsaP256(data)),
        authentication::ECDSA_SHA384_P384 => Ok(PeerSignature::EcdsaP384(data)),
        // RSA with SHA-1 (method 1) is as good as none (RFC 8247 §3.1).
        authentication::RSA_SIGNATURE => Err(CloseReason::SignatureInvalid),
        _ => Err(CloseReason::AuthenticationMethod),
    }
}

impl Signing {
    fn sign(self) -> Result<OwnProof, CloseReason> {
        let signed = if self.identified {
            let data = self.credential.sign_identified(&self.octets);
            data.map(|data| (authentication::DIGITAL_SIGNATURE, data))
        } else {
            self.credential.sign_bare(&self.octets)
        };
        let (method, data) = signed.ok_or(CloseReason::SignatureUnsupported)?;
        Ok(OwnProof {
            method,
            data: Secret::new(data),
        })
    }
}

fn close_reason(why: Untrusted) -> CloseReason {
    match why {
        Untrusted::Malformed => CloseReason::CertificateUnreadable,
        Untrusted::NoPath => CloseReason::CertificateUntrusted,
        Untrusted::Expired => CloseReason::CertificateExpired,
        Untrusted::Revoked => CloseReason::CertificateRevoked,
        Untrusted::Unfit => CloseReason::CertificateUnfit,
    }
}
