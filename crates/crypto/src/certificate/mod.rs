//! Certificates (RFC 5280, RFC 4945): whose they are, whom we trust, and what a certified key signs.
//!
//! Paths are built and checked by `webpki`, names are read by `x509-cert`; nothing here judges a
//! certificate by code of its own beyond the key usage of an end entity.

mod credential;
mod distinguished_name;
mod names;
mod signature;
mod trust;

pub use credential::{Credential, CredentialError};
pub use distinguished_name::{Attribute, DistinguishedName, NotADistinguishedName};
pub use names::{AlternativeName, CertificateNames, Validity};
pub use signature::{BadSignature, PeerSignature, SignatureHash};
pub use trust::{
    PeerCertificate, Revocation, TrustAnchorError, TrustAnchors, Untrusted, VerifiedCertificate,
};

/// Seconds since 1970-01-01T00:00:00Z, by which validity is judged. Rooms have no clock: whoever runs
/// a computation passes it in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnixTime(pub u64);

/// What only changes when the library does: the algorithms that a certificate may be signed with.
fn algorithms() -> &'static [&'static dyn rustls_pki_types::SignatureVerificationAlgorithm] {
    webpki::ALL_VERIFICATION_ALGS
}
