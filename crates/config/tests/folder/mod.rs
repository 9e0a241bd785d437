//! A folder with certificates and keys that configurations name.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use authority::{Authority, KeyKind, Wanted};
use config::{Config, Diagnostics};

pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) authority: Authority,
}

impl Folder {
    /// An authority, one below, and a gateway's certificate from that.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("palisade-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        let authority = Authority::root("Root", KeyKind::EcdsaP256).expect("an authority");
        let between = authority.below("Between", KeyKind::EcdsaP256);
        let between = between.expect("an authority");
        let gateway = between.issue(&Wanted {
            name: "gw",
            dns: &["gw.example.org"],
            ..Wanted::default()
        });
        let gateway = gateway.expect("a certificate");
        let folder = Self { path, authority };
        folder.write("ca.pem", folder.authority.certificate(), 0o644);
        folder.write("between.pem", between.certificate(), 0o644);
        let list = folder.authority.revoke(&[1]).expect("a list");
        folder.write("ca.crl", &list, 0o644);
        folder.write("gw.pem", &gateway.certificate, 0o644);
        folder.write("gw.key", &gateway.key, 0o600);
        folder
    }

    pub(crate) fn write(&self, name: &str, content: &str, mode: u32) {
        let file = self.path.join(name);
        fs::write(&file, content).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode");
    }

    pub(crate) fn load(&self, text: &str) -> Result<Config, Diagnostics> {
        config::load(text, &self.path.join("palisade.toml"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.path);
    }
}
