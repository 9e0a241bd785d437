//! The configurations that the repository ships are right.

use std::fs;
use std::path::{Path, PathBuf};

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A folder with the secrets that the examples name.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("palisade-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        for secret in ["clients.psk", "branch1.psk", "psk"] {
            let file = path.join(secret);
            fs::write(&file, "0123456789abcdefghij").expect("a secret");
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .expect("its mode");
        }
        Self(path)
    }

    fn check(&self, text: &str) {
        let path = self.0.join("palisade.toml");
        config::load(text, &path).unwrap_or_else(|faults| panic!("{faults}"));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(TOP).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_configuration_for_deployment_is_right() {
    Folder::new("deploy").check(&text("deploy/palisade.toml"));
}

#[test]
fn the_configuration_for_load_tests_is_right() {
    Folder::new("load").check(&text("loadtest/headend.toml"));
}

#[test]
fn the_example_of_the_readme_is_right() {
    let readme = text("README.md");
    let example = readme
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    Folder::new("readme").check(example.expect("an example"));
}
