//! How peers and contestants prove who they are, told to each program in its own words.

use std::path::Path;

use anyhow::Result;
use authority::{Authority, Issued, KeyKind, Wanted};
use interop::scratch::Scratch;

use crate::options::Auth;

/// The secret of all peers, which leave with this process.
const SECRET: &str = "peers-of-a-measurement";
const HEADEND: &str = "headend.example";

/// What proves the ends of all tunnels to each other.
pub(crate) enum Proof {
    Secret,
    Certificates(Box<Certificates>),
}

/// An authority and the contestant's certificate, in files where a program wants files.
pub(crate) struct Certificates {
    kind: &'static str,
    authority: Authority,
    own: Issued,
    scratch: Scratch,
}

impl Proof {
    pub(crate) fn new(auth: Auth) -> Result<Self> {
        let (kind, key) = match auth {
            Auth::Psk => return Ok(Self::Secret),
            Auth::EcdsaP256 => ("ecdsa-p256", KeyKind::EcdsaP256),
            Auth::Rsa2048 => ("rsa-2048", KeyKind::Rsa2048),
        };
        let authority = Authority::root("Measurement", key)?;
        let own = authority.issue(&Wanted {
            key,
            name: "headend",
            dns: &[HEADEND],
            ..Wanted::default()
        })?;
        let scratch = Scratch::new("certificates")?;
        scratch.write("ca.pem", authority.certificate())?;
        scratch.write("ca.key", &authority.key())?;
        scratch.write("headend.pem", &own.certificate)?;
        let key = scratch.write("headend.key", &own.key)?;
        keep_to_owner(&key)?;
        Ok(Self::Certificates(Box::new(Certificates {
            kind,
            authority,
            own,
            scratch,
        })))
    }

    /// Palisade's keys of the connection, and the sections after it.
    pub(crate) fn palisade(&self) -> (String, String) {
        match self {
            Self::Secret => (
                String::new(),
                format!("[secrets.peers]\nsecret = \"{SECRET}\"\n"),
            ),
            Self::Certificates(certificates) => {
                let folder = certificates.scratch.path().display();
                let keys = format!(
                    "local.auth = \"pubkey\"\nlocal.certs = \"{folder}/headend.pem\"\n\
                     local.key = \"{folder}/headend.key\"\nremote.auth = \"pubkey\"\n\
                     remote.cacerts = \"{folder}/ca.pem\"\n"
                );
                (keys, String::new())
            }
        }
    }

    /// strongSwan's lines about itself, about its peers, and the sections after the connections. Braces close on lines of
    /// their own: swanctl 5.9 never returns otherwise.
    pub(crate) fn strongswan(&self) -> [String; 3] {
        match self {
            Self::Secret => [
                "auth = psk".to_owned(),
                "auth = psk".to_owned(),
                format!("secrets {{\n  ike-peers {{\n    secret = {SECRET}\n  }}\n}}\n"),
            ],
            Self::Certificates(_) => [
                "auth = pubkey\n      certs = headend.pem".to_owned(),
                "auth = pubkey\n      cacerts = ca.pem".to_owned(),
                String::new(),
            ],
        }
    }

    /// The files that strongSwan looks for, below its own folder.
    pub(crate) fn strongswan_files(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Secret => Vec::new(),
            Self::Certificates(certificates) => vec![
                ("x509ca/ca.pem", certificates.authority.certificate()),
                ("x509/headend.pem", &certificates.own.certificate),
                ("private/headend.key", &certificates.own.key),
            ],
        }
    }

    /// The keys of `[tunnel]` in the generator's scenario, and the sections after it.
    pub(crate) fn generator(&self) -> String {
        match self {
            Self::Secret => format!("[peers]\npsk = \"{SECRET}\"\n"),
            Self::Certificates(certificates) => format!(
                "certificate = \"{}\"\nauthority = \"{}\"\n",
                certificates.kind,
                certificates.scratch.path().display()
            ),
        }
    }
}

/// Palisade reads no private key that others may read.
fn keep_to_owner(key: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(
        key,
        std::fs::Permissions::from_mode(0o600),
    )?)
}
