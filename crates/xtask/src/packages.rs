//! Debian packages that the tests with real peers need.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::requirement::has_program;

const PACKAGES: &[&str] = &[
    "charon-systemd",
    "strongswan-swanctl",
    "libstrongswan-standard-plugins",
    "libstrongswan-extra-plugins",
    "libcharon-extra-plugins",
    "ike-scan",
    "iproute2",
    "iputils-ping",
    "nftables",
    "iperf3",
    "tcpdump",
    "procps",
    "prometheus",
];

/// Whether packages can be installed here.
pub(crate) fn available() -> bool {
    has_program("apt-get")
}

/// Installs the packages. Daemons among them are not started.
pub(crate) fn install() -> Result<()> {
    let _quiet = NoDaemons::declare()?;
    apt(&["update", "-q"])?;
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    apt(&[&install, PACKAGES].concat())
}

fn apt(arguments: &[&str]) -> Result<()> {
    println!("\n$ apt-get {}", arguments.join(" "));
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("cannot run apt-get")?;
    anyhow::ensure!(status.success(), "apt-get {} failed", arguments.join(" "));
    Ok(())
}

/// Debian asks this file before it starts a daemon that was just installed; 101 means no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Keeps freshly installed daemons from starting, as long as it lives.
struct NoDaemons {
    ours: bool,
}

impl NoDaemons {
    fn declare() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").context(POLICY)?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("warning: {POLICY} is left behind: {error}");
        }
    }
}
