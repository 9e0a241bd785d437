//! Peers with certificates: an authority for one run, which certifies the headend and every peer.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use authority::{Authority, KeyKind, Wanted};
use crypto::{Credential, Revocation, TrustAnchors};
use ipsec::Identity;

use crate::scenario::CertificateKey;

/// What the headend of a run is called in its certificate.
const HEADEND: &str = "headend.example";

/// An authority and what follows from it. All peers have one key, because making one of RSA takes
/// longer than a hundred set-ups, and each a certificate of its own.
pub(crate) struct Certified {
    authority: Authority,
    kind: KeyKind,
    peer_key: String,
    anchors: Arc<TrustAnchors>,
}

impl Certified {
    pub(crate) fn new(key: CertificateKey) -> Result<Self> {
        let kind = match key {
            CertificateKey::EcdsaP256 => KeyKind::EcdsaP256,
            CertificateKey::EcdsaP384 => KeyKind::EcdsaP384,
            CertificateKey::Ed25519 => KeyKind::Ed25519,
            CertificateKey::Rsa2048 => KeyKind::Rsa2048,
        };
        let authority = Authority::root("Load", kind)?;
        let first = authority.issue(&Wanted {
            key: kind,
            name: "peer",
            ..Wanted::default()
        })?;
        let mut anchors = TrustAnchors::new(Revocation::Relaxed);
        anchors.add_certificates(authority.certificate().as_bytes())?;
        Ok(Self {
            authority,
            kind,
            peer_key: first.key,
            anchors: Arc::new(anchors),
        })
    }

    /// Whom the peers trust.
    pub(crate) fn anchors(&self) -> &Arc<TrustAnchors> {
        &self.anchors
    }

    /// Writes what a headend needs: `ca.pem`, `headend.pem` and `headend.key`.
    pub(crate) fn equip(&self, directory: &Path) -> Result<()> {
        let own = self.authority.issue(&Wanted {
            key: self.kind,
            name: "headend",
            dns: &[HEADEND],
            ..Wanted::default()
        })?;
        fs::write(directory.join("ca.pem"), self.authority.certificate())?;
        fs::write(directory.join("headend.pem"), own.certificate)?;
        let key = directory.join("headend.key");
        fs::write(&key, own.key)?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        Ok(())
    }

    /// The certificate of the peer that is called so.
    pub(crate) fn credential(&self, identity: &Identity) -> Result<Credential> {
        let (mut dns, mut emails, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        match identity {
            Identity::Fqdn(name) => dns.push(&**name),
            Identity::Email(name) => emails.push(&**name),
            Identity::Ipv4(address) => addresses.push((*address).into()),
            Identity::Ipv6(address) => addresses.push((*address).into()),
            Identity::KeyId(_) | Identity::Dn(_) => {
                bail!("peers.identity must be a name or an address to stand in a certificate")
            }
        }
        let issued = self.authority.issue(&Wanted {
            name: "peer",
            key_of: Some(&self.peer_key),
            dns: &dns,
            emails: &emails,
            addresses: &addresses,
            ..Wanted::default()
        })?;
        Credential::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes())
            .with_context(|| format!("the certificate of {identity}"))
    }
}
