//! Keys of `local` and `remote` that are about certificates. Files are read once, however many
//! connections name them.

use core::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crypto::{AlternativeName, CertificateNames, Credential, Revocation, TrustAnchors, Validity};
use ipsec::{AuthPolicy, Identity};
use zeroize::Zeroizing;

use crate::Diagnostic;
use crate::diagnostic::Severity;
use crate::table::{Fault, Table, Value};
use crate::value::word;

/// Octets of one file at most.
const FILE_LEN_MAX: u64 = 4 << 20;

const REVOCATIONS: &[(&str, Revocation)] = &[
    ("relaxed", Revocation::Relaxed),
    ("strict", Revocation::Strict),
];

/// How an end is to authenticate, before its files are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Psk,
    Pubkey,
}

const METHODS: &[(&str, Method)] = &[("psk", Method::Psk), ("pubkey", Method::Pubkey)];

/// A certificate of ours, to be looked at again when the time is known.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// When it is valid.
    pub validity: Validity,
    /// What to say when it is not.
    pub warning: Diagnostic,
}

/// Certificates, and the key of the first.
type CredentialFiles = (Vec<PathBuf>, PathBuf);
/// Authorities, revocation lists, and whether those are strict.
type AnchorFiles = (Vec<PathBuf>, Vec<PathBuf>, bool);

/// Files that were read already.
pub(crate) struct Files<'c> {
    directory: &'c Path,
    credentials: RefCell<HashMap<CredentialFiles, Arc<Credential>>>,
    anchors: RefCell<HashMap<AnchorFiles, Arc<TrustAnchors>>>,
    own: RefCell<Vec<OwnCertificate>>,
}

impl<'c> Files<'c> {
    /// Paths are relative to `directory`.
    pub(crate) fn new(directory: &'c Path) -> Self {
        Self {
            directory,
            credentials: RefCell::default(),
            anchors: RefCell::default(),
            own: RefCell::default(),
        }
    }

    /// Every certificate of ours that was read.
    pub(crate) fn own(self) -> Vec<OwnCertificate> {
        self.own.into_inner()
    }

    /// `auth`, `certs` and `key` of `local`.
    pub(crate) fn local(&self, table: &Table<'_, '_>) -> AuthPolicy<Credential> {
        if method(table, &["certs", "key"]) == Method::Psk {
            return AuthPolicy::Psk;
        }
        let paths = self.paths(table, "certs");
        let key = table.read("key", |value| self.path(value));
        if paths.is_empty() || key.is_none() {
            let fault = Fault::new("a certificate and its key are needed to prove who we are");
            let instead = "add `certs = [\"PATH\"]` and `key = \"PATH\"` beside `auth`";
            table.fault_at_table(fault.instead(instead));
            return AuthPolicy::Psk;
        }
        let credential = key.and_then(|key| self.credential(table, paths, key));
        credential.map_or(AuthPolicy::Psk, AuthPolicy::Certificate)
    }

    fn credential(
        &self,
        table: &Table<'_, '_>,
        paths: Vec<PathBuf>,
        key: PathBuf,
    ) -> Option<Arc<Credential>> {
        let name = (paths, key);
        if let Some(known) = self.credentials.borrow().get(&name) {
            return Some(Arc::clone(known));
        }
        let chain = table.read("certs", |_| all(&name.0))?;
        let key = table.read("key", |_| private_key(&name.1))?;
        let credential = Credential::from_pem(&chain, &key).map_err(|error| {
            Fault::new(error.to_string()).instead(
                "name our certificate first and then those between it and the authority, and the \
                 key that the certificate was made for, not encrypted",
            )
        });
        let credential = Arc::new(table.read("certs", |_| credential)?);
        self.remember(table, &credential);
        let kept = Arc::clone(&credential);
        self.credentials.borrow_mut().insert(name, kept);
        Some(credential)
    }

    fn remember(&self, table: &Table<'_, '_>, credential: &Credential) {
        let Some(value) = table.value("certs") else {
            return;
        };
        let fault = Fault::new("our certificate is not valid at this time: peers will refuse it");
        let fault = fault.instead("have it renewed, or look at the clock");
        let validity = credential.validity();
        self.own.borrow_mut().push(OwnCertificate {
            validity,
            warning: table
                .report
                .diagnostic(Severity::Warning, &value.span(), fault),
        });
    }

    /// `auth`, `cacerts`, `crls` and `revocation` of `remote`.
    pub(crate) fn remote(&self, table: &Table<'_, '_>) -> AuthPolicy<TrustAnchors> {
        if method(table, &["cacerts", "crls", "revocation"]) == Method::Psk {
            return AuthPolicy::Psk;
        }
        let authorities = self.paths(table, "cacerts");
        if authorities.is_empty() {
            let fault = Fault::new("nobody is named who may certify the peer");
            let instead = "add `cacerts = [\"PATH\"]` with the authority's certificate";
            table.fault_at_table(fault.instead(instead));
            return AuthPolicy::Psk;
        }
        let anchors = self.anchors(table, authorities);
        anchors.map_or(AuthPolicy::Psk, AuthPolicy::Certificate)
    }

    fn anchors(
        &self,
        table: &Table<'_, '_>,
        authorities: Vec<PathBuf>,
    ) -> Option<Arc<TrustAnchors>> {
        let lists = self.paths(table, "crls");
        let revocation = table.read("revocation", |value| word(value, REVOCATIONS));
        let revocation = revocation.unwrap_or_default();
        let strict = revocation == Revocation::Strict;
        if strict && lists.is_empty() {
            let fault = Fault::new("`revocation = \"strict\"` refuses every peer without a list");
            table.fault_at_table(fault.instead("add `crls = [\"PATH\"]`"));
            return None;
        }
        let name = (authorities, lists, strict);
        if let Some(known) = self.anchors.borrow().get(&name) {
            return Some(Arc::clone(known));
        }
        let mut anchors = TrustAnchors::new(revocation);
        for path in &name.0 {
            let add = |anchors: &mut TrustAnchors| {
                anchors
                    .add_certificates(&file(path)?)
                    .map_err(|error| unusable(path, &error))
            };
            table.read("cacerts", |_| add(&mut anchors))?;
        }
        for path in &name.1 {
            let add = |anchors: &mut TrustAnchors| {
                anchors
                    .add_revocation_lists(&file(path)?)
                    .map_err(|error| unusable(path, &error))
            };
            table.read("crls", |_| add(&mut anchors))?;
        }
        let anchors = Arc::new(anchors);
        let kept = Arc::clone(&anchors);
        self.anchors.borrow_mut().insert(name, kept);
        Some(anchors)
    }

    fn path(&self, value: &Value<'_>) -> Result<PathBuf, Fault> {
        value.text().map(|text| self.directory.join(text))
    }

    fn paths(&self, table: &Table<'_, '_>, key: &str) -> Vec<PathBuf> {
        let paths = table.read_list(key, |value| self.path(value));
        paths.unwrap_or_default()
    }
}

/// `auth`. What belongs to certificates is a fault beside `"psk"`.
fn method(table: &Table<'_, '_>, keys: &[&str]) -> Method {
    let method = table.read("auth", |value| word(value, METHODS));
    let method = method.unwrap_or(Method::Psk);
    if method == Method::Psk {
        for key in keys {
            if let Some((span, _)) = table.entry(key) {
                let fault = Fault::new(format!("`{key}` belongs to certificates"));
                let instead = "remove it, or write `auth = \"pubkey\"` beside it";
                table.report.fault(&span, fault.instead(instead));
            }
        }
    }
    method
}

/// Who we are: the identity of the configuration, which the certificate must speak for, or the
/// certificate's subject.
pub(crate) fn identity(
    table: &Table<'_, '_>,
    configured: Option<Identity>,
    auth: &AuthPolicy<Credential>,
) -> Option<Identity> {
    let Some(credential) = auth.certificate() else {
        return configured;
    };
    let names = credential.names();
    match &configured {
        Some(identity) if !identity.is_certified_by(names) => {
            let span = table.value("id").map(|value| value.span());
            let fault = Fault::new(format!("our certificate does not speak for `{identity}`"));
            let fault = fault.instead(format!("write one of its names: {}", list(names)));
            table
                .report
                .fault(&span.unwrap_or_else(|| table.span.clone()), fault);
            configured
        }
        Some(_) => configured,
        None => {
            let subject = names.subject.clone().map(Identity::Dn);
            if subject.is_none() {
                let fault = Fault::new("our certificate has no subject to be called by");
                table.fault_at_table(fault.instead(format!("add `id`: {}", list(names))));
            }
            subject
        }
    }
}

fn list(names: &CertificateNames) -> String {
    let subject = names.subject.iter().map(|name| format!("\"{name}\""));
    let others = names.alternatives.iter().map(|name| match name {
        AlternativeName::Dns(name) | AlternativeName::Email(name) => {
            format!("\"{}\"", name.escape_debug())
        }
        AlternativeName::Ip(address) => format!("\"{address}\""),
    });
    subject.chain(others).collect::<Vec<_>>().join(", ")
}

fn unusable(path: &Path, error: &dyn core::fmt::Display) -> Fault {
    Fault::new(format!("{}: {error}", path.display())).instead("name a file in PEM form")
}

fn all(paths: &[PathBuf]) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    for path in paths {
        octets.extend(file(path)?);
        octets.push(b'\n');
    }
    Ok(octets)
}

fn file(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    let read = File::open(path).and_then(|file| {
        let limited = &mut file.take(FILE_LEN_MAX);
        limited.read_to_end(&mut octets)
    });
    read.map_err(|error| Fault::new(format!("cannot read {}: {error}", path.display())))?;
    Ok(octets)
}

/// Others must not be able to read a private key, nor its group to change it.
fn private_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::new(format!("cannot read {}: {error}", path.display()))
            .instead("create the file with mode 0600, owned by the user that runs the service")
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode();
    if mode & 0o027 != 0 {
        let fault = Fault::new(format!(
            "the private key in {} is open to others (mode {:04o})",
            path.display(),
            mode & 0o7777
        ));
        return Err(fault.instead(format!("chmod 600 {}", path.display())));
    }
    // No reallocation leaves a copy behind: the file's length is known.
    let length = usize::try_from(metadata.len().min(FILE_LEN_MAX)).unwrap_or(0);
    let mut octets = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(FILE_LEN_MAX)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    Ok(octets)
}
