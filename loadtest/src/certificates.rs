//! Peers with certificates: an authority, often for one run, which certifies every peer, and the headend if that
//! is of the run, too.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use authority::{Authority, KeyKind, Wanted};
use crypto::{Credential, Revocation, TrustAnchors};
use ipsec::Identity;

use crate::scenario::{CertificateKey, Tunnel};

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
    /// Who certifies the peers of these tunnels, if they have certificates: the authority that is named, or one
    /// made for the run.
    pub(crate) fn of(tunnel: &Tunnel) -> Result<Option<Self>> {
        let Some(key) = tunnel.certificate else {
            return Ok(None);
        };
        let kind = kind(key);
        let authority = match &tunnel.authority {
            Some(folder) => existing(folder)
                .with_context(|| format!("tunnel.authority: {}", folder.display()))?,
            None => Authority::root("Load", kind)?,
        };
        Self::under(authority, kind).map(Some)
    }

    fn under(authority: Authority, kind: KeyKind) -> Result<Self> {
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

const fn kind(key: CertificateKey) -> KeyKind {
    match key {
        CertificateKey::EcdsaP256 => KeyKind::EcdsaP256,
        CertificateKey::EcdsaP384 => KeyKind::EcdsaP384,
        CertificateKey::Ed25519 => KeyKind::Ed25519,
        CertificateKey::Rsa2048 => KeyKind::Rsa2048,
    }
}

fn existing(folder: &Path) -> Result<Authority> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let authority = Authority::existing(&read("ca.pem")?, &read("ca.key")?);
    authority.context("no certificate and private key (PKCS #8) of an authority, both in PEM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_exists_certifies_as_if_it_were_of_the_run() {
        let folder = std::env::temp_dir().join(format!("authority-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut tunnel = Tunnel {
            certificate: Some(CertificateKey::EcdsaP256),
            authority: Some(folder.clone()),
            ..Tunnel::default()
        };
        let missing = Certified::of(&tunnel).err().expect("there is none yet");
        assert!(format!("{missing:#}").contains("ca.pem"), "{missing:#}");

        let root = Authority::root("Elsewhere", KeyKind::Rsa2048).unwrap();
        fs::write(folder.join("ca.pem"), root.certificate()).unwrap();
        fs::write(folder.join("ca.key"), root.key()).unwrap();
        let certified = Certified::of(&tunnel).unwrap().expect("wanted");
        certified
            .credential(&"peer-1@load.example".parse().unwrap())
            .expect("a certificate and its key");
        fs::remove_dir_all(folder).unwrap();

        tunnel.certificate = None;
        tunnel.authority = None;
        assert!(Certified::of(&tunnel).unwrap().is_none());
    }
}
