//! Certificates, keys and authorities in a configuration.

mod folder;

use std::sync::Arc;

use authority::{KeyKind, Wanted};
use crypto::UnixTime;
use folder::Folder;
use ipsec::AuthPolicy;

const LOCAL: &str = r#"auth = "pubkey", certs = ["gw.pem", "between.pem"], key = "gw.key""#;
const REMOTE: &str = r#"auth = "pubkey", cacerts = "ca.pem""#;

fn text(local: &str, remote: &str) -> String {
    format!(
        "[connections.a]\nlocal = {{ {local} }}\nremote = {{ {remote} }}\n\
         [connections.a.children.c]\n"
    )
}

/// The single fault of a configuration.
fn fault(folder: &Folder, local: &str, remote: &str) -> String {
    let secret = "[secrets.s]\nsecret = \"correct horse battery staple\"\n";
    let text = text(local, remote) + secret;
    let faults = folder.load(&text).err().expect("a fault");
    assert_eq!(faults.0.len(), 1, "{faults}");
    let fault = &faults.0[0];
    assert!(fault.instead.is_some() || fault.message.contains("cannot read"));
    fault.message.clone()
}

#[test]
fn a_certificate_names_us_and_needs_no_secret() {
    let folder = Folder::new("certified");
    let config = folder.load(&text(LOCAL, REMOTE));
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    let connection = &config.policy.connections[0];
    let id = connection.local_id.as_ref().expect("the subject");
    assert_eq!(id.to_string(), "C=CH, O=Palisade, CN=gw");
    let own = connection.local_auth.certificate().expect("a certificate");
    assert_eq!(own.chain().count(), 2);
    assert!(connection.remote_auth.certificate().is_some());
    let named = format!("{LOCAL}, id = \"gw.example.org\"");
    assert!(folder.load(&text(&named, REMOTE)).is_ok());
}

#[test]
fn files_are_read_once_for_all_connections() {
    let folder = Folder::new("once");
    let both = text(LOCAL, REMOTE).replace("connections.a", "connections.b") + &text(LOCAL, REMOTE);
    let config = folder
        .load(&both)
        .unwrap_or_else(|faults| panic!("{faults}"));
    let [a, b] = &*config.policy.connections else {
        panic!("two connections");
    };
    let same = |a: &AuthPolicy<_>, b: &AuthPolicy<_>| {
        Arc::ptr_eq(a.certificate().unwrap(), b.certificate().unwrap())
    };
    assert!(same(&a.local_auth, &b.local_auth));
    assert!(Arc::ptr_eq(
        a.remote_auth.certificate().unwrap(),
        b.remote_auth.certificate().unwrap()
    ));
    assert_eq!(config.certificates.len(), 1);
}

#[test]
fn a_certificate_that_is_not_valid_is_told_when_the_time_is_known() {
    let folder = Folder::new("expired");
    let old = folder.authority.issue(&Wanted {
        name: "old",
        expires: Some(2025),
        ..Wanted::default()
    });
    let old = old.unwrap();
    folder.write("old.pem", &old.certificate, 0o644);
    folder.write("old.key", &old.key, 0o600);
    let local = r#"auth = "pubkey", certs = "old.pem", key = "old.key""#;
    let config = folder.load(&text(local, REMOTE));
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    let told = |now| config.invalid_certificates(UnixTime(now)).count();
    assert_eq!(told(1_700_000_000), 0);
    assert_eq!(told(1_767_225_600), 1);
    let warning = config.invalid_certificates(UnixTime(0)).next().unwrap();
    assert_eq!(warning.line, 2);
}

#[test]
fn what_does_not_fit_together_is_told() {
    let folder = Folder::new("faults");
    let other = folder.authority.issue(&Wanted {
        key: KeyKind::Rsa2048,
        ..Wanted::default()
    });
    folder.write("other.key", &other.unwrap().key, 0o600);
    folder.write("open.key", "x", 0o644);
    folder.write("nothing", "", 0o600);
    for (local, remote, message) in [
        (
            r#"auth = "pubkey""#,
            REMOTE,
            "a certificate and its key are needed",
        ),
        (
            r#"certs = "gw.pem""#,
            REMOTE,
            "`certs` belongs to certificates",
        ),
        (
            r#"auth = "pubkey", certs = "gw.pem", key = "other.key""#,
            REMOTE,
            "the private key does not belong to the certificate",
        ),
        (
            r#"auth = "pubkey", certs = "gw.pem", key = "open.key""#,
            REMOTE,
            "is open to others (mode 0644)",
        ),
        (
            r#"auth = "pubkey", certs = "gw.pem", key = "gone.key""#,
            REMOTE,
            "cannot read",
        ),
        (
            r#"auth = "pubkey", certs = "gw.pem", key = "nothing""#,
            REMOTE,
            "there is no private key in PEM form",
        ),
        (
            r#"auth = "pubkey", certs = "nothing", key = "gw.key""#,
            REMOTE,
            "there is no certificate in PEM form",
        ),
        (
            r#"auth = "pubkey", certs = "gw.pem", key = "gw.key", id = "www.example.org""#,
            REMOTE,
            "our certificate does not speak for `www.example.org`",
        ),
        (
            LOCAL,
            r#"auth = "pubkey""#,
            "nobody is named who may certify",
        ),
        (
            LOCAL,
            r#"auth = "pubkey", cacerts = "gw.key""#,
            "there is no certificate in PEM form",
        ),
        (
            LOCAL,
            r#"auth = "pubkey", cacerts = "ca.pem", crls = "ca.pem""#,
            "there is no revocation list in PEM form",
        ),
        (
            LOCAL,
            r#"auth = "pubkey", cacerts = "ca.pem", revocation = "strict""#,
            "refuses every peer without a list",
        ),
    ] {
        let told = fault(&folder, local, remote);
        assert!(told.contains(message), "{local}, {remote}: {told}");
    }
    let v1 = text(LOCAL, REMOTE).replace("a]\nlocal", "a]\nversion = \"any\"\nlocal");
    let faults = folder.load(&v1).err().expect("a fault").to_string();
    assert!(faults.contains("certificates authenticate in IKEv2 only"));
}
