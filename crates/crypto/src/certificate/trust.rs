use core::fmt;
use core::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, ExtendedKeyUsageValidator,
    KeyPurposeId, KeyPurposeIdIter, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::names::Facts;
use super::signature::{self, BadSignature, PeerSignature};
use super::{CertificateNames, UnixTime, algorithms};
use crate::sha1;

/// What the operator wants to know of revocation, as in swanctl.conf.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Revocation {
    /// A certificate is refused when a list that we have names it.
    #[default]
    Relaxed,
    /// A certificate is refused unless a list that is not too old says that it is good.
    Strict,
}

/// Whom we believe: certificates of authorities, and lists of what they have revoked.
pub struct TrustAnchors {
    anchors: Vec<TrustAnchor<'static>>,
    key_hashes: Vec<[u8; 20]>,
    revoked: Vec<CertRevocationList<'static>>,
    revocation: Revocation,
}

/// Why a file is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrustAnchorError {
    /// There is no certificate in it.
    NoCertificate,
    /// A certificate in it cannot be read.
    BadCertificate,
    /// There is no revocation list in it.
    NoList,
    /// A revocation list in it cannot be read.
    BadList,
}

impl fmt::Display for TrustAnchorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "there is no certificate in PEM form in it",
            Self::BadCertificate => "it holds a certificate that cannot be read",
            Self::NoList => "there is no revocation list in PEM form in it",
            Self::BadList => "it holds a revocation list that cannot be read",
        })
    }
}

impl std::error::Error for TrustAnchorError {}

/// Why a peer's certificate is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Untrusted {
    /// A certificate could not be read.
    Malformed,
    /// No path of sound signatures leads to an authority that we trust.
    NoPath,
    /// A certificate on the path is not valid yet, or no more.
    Expired,
    /// A certificate on the path is revoked, or must be known not to be and is not.
    Revoked,
    /// The certificate is not for authentication: an authority's, or its key usage forbids it.
    Unfit,
}

/// What a peer sent: its own certificate, and others that may lead to an authority.
#[derive(Clone, Copy)]
pub struct PeerCertificate<'a> {
    /// Its own, in DER.
    pub end_entity: &'a [u8],
    /// Others in DER, in any order.
    pub others: &'a [Box<[u8]>],
}

/// A certificate whose path leads to an authority that we trust.
pub struct VerifiedCertificate<'a> {
    der: CertificateDer<'a>,
    names: CertificateNames,
}

impl TrustAnchors {
    /// No authority yet.
    #[must_use]
    pub fn new(revocation: Revocation) -> Self {
        Self {
            anchors: Vec::new(),
            key_hashes: Vec::new(),
            revoked: Vec::new(),
            revocation,
        }
    }

    /// Believes the authorities whose certificates stand in `pem`.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn add_certificates(&mut self, pem: &[u8]) -> Result<(), TrustAnchorError> {
        let mut any = false;
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| TrustAnchorError::BadCertificate)?;
            let anchor = webpki::anchor_from_trusted_cert(&der)
                .map_err(|_| TrustAnchorError::BadCertificate)?;
            let key = webpki::spki_for_anchor(&anchor);
            self.key_hashes.push(sha1(&[key.as_ref()]));
            self.anchors.push(anchor.to_owned());
            any = true;
        }
        any.then_some(()).ok_or(TrustAnchorError::NoCertificate)
    }

    /// Believes the revocation lists in `pem`, if an authority on the path has signed them.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn add_revocation_lists(&mut self, pem: &[u8]) -> Result<(), TrustAnchorError> {
        let mut any = false;
        for der in CertificateRevocationListDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| TrustAnchorError::BadList)?;
            let list = OwnedCertRevocationList::from_der(&der);
            let list = list.map_err(|_| TrustAnchorError::BadList)?;
            self.revoked.push(list.into());
            any = true;
        }
        any.then_some(()).ok_or(TrustAnchorError::NoList)
    }

    /// SHA-1 of each authority's public key, with which a Certificate Request names it (RFC 7296
    /// §3.7).
    #[must_use]
    pub fn key_hashes(&self) -> &[[u8; 20]] {
        &self.key_hashes
    }

    /// Finds a path from the peer's certificate to an authority and checks every certificate on it at
    /// the time `now`. Takes from 50 µs (one signature) to a few milliseconds: the library bounds the
    /// number of signatures, names and paths that it looks at.
    ///
    /// # Errors
    /// Why the peer is not believed.
    pub fn verify<'a>(
        &self,
        peer: PeerCertificate<'a>,
        now: UnixTime,
    ) -> Result<VerifiedCertificate<'a>, Untrusted> {
        let der = CertificateDer::from(peer.end_entity);
        let others: Vec<_> = peer
            .others
            .iter()
            .map(|der| CertificateDer::from(&**der))
            .collect();
        self.verify_path(&der, &others, now)?;
        let facts = Facts::read(&der).ok_or(Untrusted::Malformed)?;
        if !facts.may_sign {
            return Err(Untrusted::Unfit);
        }
        Ok(VerifiedCertificate {
            der,
            names: facts.names,
        })
    }

    fn verify_path(
        &self,
        der: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Untrusted> {
        let end_entity = EndEntityCert::try_from(der).map_err(reason)?;
        let lists: Vec<_> = self.revoked.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            let (status, expiration) = match self.revocation {
                Revocation::Relaxed => (UnknownStatusPolicy::Allow, ExpirationPolicy::Ignore),
                Revocation::Strict => (UnknownStatusPolicy::Deny, ExpirationPolicy::Enforce),
            };
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(status)
                .with_expiration_policy(expiration)
                .build()
        });
        if revocation.is_none() && self.revocation == Revocation::Strict {
            return Err(Untrusted::Revoked);
        }
        let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.0));
        end_entity
            .verify_for_usage(
                algorithms(),
                &self.anchors,
                others,
                now,
                IpsecUsage,
                revocation,
                None,
            )
            .map(|_| ())
            .map_err(reason)
    }
}

impl VerifiedCertificate<'_> {
    /// Whom it speaks for.
    #[must_use]
    pub fn names(&self) -> &CertificateNames {
        &self.names
    }

    /// Checks what the peer signed with the key of the certificate.
    ///
    /// # Errors
    /// When the signature is wrong or of a kind that is not accepted.
    pub fn verify(&self, signature: PeerSignature<'_>, message: &[u8]) -> Result<(), BadSignature> {
        let certificate = EndEntityCert::try_from(&self.der).map_err(|_| BadSignature)?;
        signature::verify(&certificate, signature, message)
    }
}

fn reason(error: Error) -> Untrusted {
    match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => Untrusted::Expired,
        Error::CertRevoked
        | Error::UnknownRevocationStatus
        | Error::CrlExpired { .. }
        | Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner => Untrusted::Revoked,
        Error::BadDer
        | Error::BadDerTime
        | Error::TrailingData(_)
        | Error::InvalidSerialNumber
        | Error::InvalidCertValidity
        | Error::MalformedExtensions
        | Error::UnsupportedCertVersion => Untrusted::Malformed,
        Error::CaUsedAsEndEntity
        | Error::RequiredEkuNotFoundContext(_)
        | Error::EmptyEkuExtension => Untrusted::Unfit,
        _ => Untrusted::NoPath,
    }
}

/// RFC 4945 §5.1.3.12 names id-kp-ipsecIKE and anyExtendedKeyUsage. Certificates in the field carry
/// the older purposes of IPsec, iKEIntermediate, or those of TLS, and peers everywhere accept them:
/// the operator's trust anchors say who may come. A certificate without the extension is for
/// everything.
struct IpsecUsage;

/// Content octets of object identifiers.
const PURPOSES: [&[u8]; 8] = [
    // id-kp-ipsecIKE, ipsecEndSystem, ipsecTunnel, ipsecUser.
    &[0x2b, 6, 1, 5, 5, 7, 3, 17],
    &[0x2b, 6, 1, 5, 5, 7, 3, 5],
    &[0x2b, 6, 1, 5, 5, 7, 3, 6],
    &[0x2b, 6, 1, 5, 5, 7, 3, 7],
    // iKEIntermediate.
    &[0x2b, 6, 1, 5, 5, 8, 2, 2],
    // anyExtendedKeyUsage.
    &[0x55, 0x1d, 0x25, 0],
    // id-kp-serverAuth, id-kp-clientAuth.
    &[0x2b, 6, 1, 5, 5, 7, 3, 1],
    &[0x2b, 6, 1, 5, 5, 7, 3, 2],
];

impl ExtendedKeyUsageValidator for IpsecUsage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut restricted = false;
        for purpose in purposes {
            restricted = true;
            let purpose = purpose?;
            if PURPOSES
                .iter()
                .any(|known| KeyPurposeId::new(known) == purpose)
            {
                return Ok(());
            }
        }
        // The same error as that of an extension that names nothing.
        if restricted {
            Err(Error::EmptyEkuExtension)
        } else {
            Ok(())
        }
    }
}
