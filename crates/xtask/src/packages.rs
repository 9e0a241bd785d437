//! Debian packages that the tests with real peers need, and the compiler that libFuzzer does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::requirement::{LIBRESWAN, has_program};

const PACKAGES: &[&str] = &[
    "g++",
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
    "chromium",
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

/// Unpacks libreswan beside the system, in [`LIBRESWAN`]: its package would drive strongSwan's out. What
/// it depends on is installed.
pub(crate) fn unpack_libreswan() -> Result<()> {
    let _quiet = NoDaemons::declare()?;
    let directory = std::env::temp_dir().join(format!("xtask-{}-libreswan", std::process::id()));
    fs::create_dir_all(&directory)?;
    let unpacked = unpack_libreswan_by_way_of(&directory);
    fs::remove_dir_all(&directory)?;
    unpacked
}

fn unpack_libreswan_by_way_of(directory: &Path) -> Result<()> {
    apt(&["update", "-q"])?;
    run(Command::new("apt-get")
        .args(["download", "libreswan"])
        .current_dir(directory))?;
    let package = fs::read_dir(directory)?
        .next()
        .context("apt-get download left nothing")??
        .path();
    let depends = Command::new("dpkg-deb")
        .arg("--field")
        .arg(&package)
        .arg("Depends")
        .output()
        .context("cannot run dpkg-deb")?;
    let depends = String::from_utf8(depends.stdout)?;
    apt(&[
        "satisfy",
        "-q",
        "-y",
        "--no-install-recommends",
        depends.trim(),
    ])?;
    run(Command::new("dpkg-deb")
        .arg("--extract")
        .arg(&package)
        .arg(LIBRESWAN))
}

/// Runs `apt-get`, which asks nothing.
pub(crate) fn apt(arguments: &[&str]) -> Result<()> {
    run(Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Shows a command and runs it. Standard output is for results, so this is not where it writes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy();
    let arguments: Vec<_> = command
        .get_args()
        .map(|argument| argument.to_string_lossy())
        .collect();
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("\n$ {line}");
    let status = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot run {line}"))?;
    anyhow::ensure!(status.success(), "{line} failed");
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
