//! CERT and CERTREQ payloads (RFC 7296 §3.6, §3.7) and what goes with them in IKE_SA_INIT (RFC 7427
//! §4).

use crypto::{Credential, SignatureHash, TrustAnchors};
use ipsec::{IkeVersion, PolicySnapshot};
use wire::ikev2::numbers::certificate;
use wire::ikev2::{Message, NotifyType, Payload};

use crate::v2::contents::{Contents, notify};
use crate::{CloseReason, Path};

/// Most certificates of one peer: nobody is authenticated yet.
const CERTIFICATES_MAX: usize = 8;
/// Most octets of them together.
pub(super) const OCTETS_MAX: usize = 16 * 1024;
/// Most authorities that one Certificate Request names.
const AUTHORITIES_MAX: usize = 16;
/// Most connections between two addresses whose authorities are named together.
const CONNECTIONS_MAX: usize = 64;

/// The peer's certificates in DER, its own first (RFC 7296 §3.6). What we would have to fetch (hash
/// and URL) is left alone.
///
/// # Errors
/// When there are none, or more than we look at.
pub(super) fn received(contents: &Contents<'_, '_>) -> Result<Vec<Box<[u8]>>, CloseReason> {
    let sent = contents.certificates(certificate::X509_SIGNATURE);
    let certificates: Vec<Box<[u8]>> = sent.take(CERTIFICATES_MAX + 1).map(Into::into).collect();
    let octets: usize = certificates.iter().map(|one| one.len()).sum();
    if certificates.is_empty() {
        Err(CloseReason::CertificateMissing)
    } else if certificates.len() > CERTIFICATES_MAX || octets > OCTETS_MAX {
        Err(CloseReason::CertificateUnreadable)
    } else {
        Ok(certificates)
    }
}

/// The payloads with our certificate and what leads from it to an authority.
pub(super) fn payloads(credential: &Credential) -> impl Iterator<Item = Payload<'_>> {
    credential.chain().map(|data| Payload::Certificate {
        encoding: certificate::X509_SIGNATURE,
        data,
    })
}

/// The data of a Certificate Request for what these authorities have certified.
pub(super) fn request_data(anchors: &TrustAnchors) -> Vec<u8> {
    let hashes = anchors.key_hashes().iter().take(AUTHORITIES_MAX);
    hashes.flatten().copied().collect()
}

/// A Certificate Request with this data.
pub(super) fn request(data: &[u8]) -> Payload<'_> {
    Payload::CertificateRequest {
        encoding: certificate::X509_SIGNATURE,
        data,
    }
}

/// The data of SIGNATURE_HASH_ALGORITHMS: what we can verify.
pub(in crate::v2) fn hash_numbers() -> Vec<u8> {
    let numbers = SignatureHash::ALL.map(|hash| hash.number().to_be_bytes());
    numbers.into_iter().flatten().collect()
}

/// Whether the end that sent this message of IKE_SA_INIT verifies signatures over `hash`, or over any
/// at all.
pub(in crate::v2) fn understands(message: &[u8], hash: Option<SignatureHash>) -> bool {
    let Ok(message) = Message::parse(message) else {
        return false;
    };
    let contents = Contents::of(&message.payloads);
    let Some(data) = contents.notify(NotifyType::SIGNATURE_HASH_ALGORITHMS) else {
        return false;
    };
    let mut numbers = data.chunks_exact(2);
    hash.is_none_or(|hash| numbers.any(|number| number == hash.number().to_be_bytes()))
}

/// What a responder says of certificates before it knows who is there.
pub(in crate::v2) struct Welcome {
    hashes: Option<Vec<u8>>,
    authorities: Option<Vec<u8>>,
}

impl Welcome {
    /// What fits the connections that the sender of `request` may use.
    pub(in crate::v2) fn new(request: &[u8], path: Path, policy: &PolicySnapshot) -> Self {
        let ends = (
            path.local.ip().to_canonical(),
            path.remote.ip().to_canonical(),
        );
        let mut certified = policy
            .connections
            .between(IkeVersion::V2, path.fvrf, ends.0, ends.1)
            .take(CONNECTIONS_MAX)
            .filter(|connection| connection.uses_certificates())
            .peekable();
        if certified.peek().is_none() {
            return Self {
                hashes: None,
                authorities: None,
            };
        }
        let mut hashes: Vec<[u8; 20]> = Vec::new();
        for anchors in certified.filter_map(|connection| connection.remote_auth.certificate()) {
            for hash in anchors.key_hashes() {
                if hashes.len() < AUTHORITIES_MAX && !hashes.contains(hash) {
                    hashes.push(*hash);
                }
            }
        }
        let authorities: Vec<u8> = hashes.into_iter().flatten().collect();
        Self {
            // RFC 7427 §4: both ends, or neither.
            hashes: understands(request, None).then(hash_numbers),
            authorities: (!authorities.is_empty()).then_some(authorities),
        }
    }

    pub(in crate::v2) fn payloads(&self) -> impl Iterator<Item = Payload<'_>> {
        let kind = NotifyType::SIGNATURE_HASH_ALGORITHMS;
        let hashes = self.hashes.as_deref().map(|data| notify(kind, data));
        let authorities = self.authorities.as_deref().map(request);
        authorities.into_iter().chain(hashes)
    }
}
