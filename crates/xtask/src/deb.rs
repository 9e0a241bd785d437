//! The Debian package.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::{cargo, gated};

/// What the shells call themselves.
const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// Builds the programs, writes their completions, and packs them. Prints where the package lies.
pub(crate) fn run() -> Result<bool> {
    let found = cargo::command(&["deb", "--version"]).output();
    ensure!(
        found.is_ok_and(|output| output.status.success()),
        "cargo-deb is missing: cargo install cargo-deb --locked"
    );
    let build = [
        "build",
        "--release",
        "--locked",
        "-p",
        "palisade",
        "-p",
        "palisade-load",
    ];
    ensure!(cargo::succeeds(&build, &[])?, "the programs do not build");
    let target = gated::metadata()?.target_directory;
    let directory = target.join("packaging");
    fs::create_dir_all(&directory)?;
    for shell in SHELLS {
        let output = std::process::Command::new(target.join("release/palisade"))
            .args(["completions", shell])
            .output()
            .context("cannot run what was built")?;
        ensure!(output.status.success(), "no completions for {shell}");
        fs::write(directory.join(format!("palisade.{shell}")), output.stdout)?;
    }
    cargo::succeeds(
        &["deb", "--package", "palisade", "--no-build", "--locked"],
        &[],
    )
}
