//! The programs, and how each makes a tunnel between the two namespaces.

use std::path::PathBuf;

use anyhow::{Context, Result};
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::tunnel::Tunnel;
use interop::wireguard::WireGuard;

use crate::options::Options;

/// A program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    Palisade,
    /// Palisade built so that it copies instead of encrypting.
    PalisadeCopy,
    StrongSwan,
    BoringTun,
    GotaTun,
    /// As the Debian release in use ships it.
    WireGuardGo,
    /// Its newest source, as Debian's development branch builds it.
    WireGuardGoNewest,
}

impl Program {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Palisade => "palisade",
            Self::PalisadeCopy => "palisade-copy-cipher",
            Self::StrongSwan => "strongswan-kernel-libipsec",
            Self::BoringTun => "boringtun",
            Self::GotaTun => "gotatun",
            Self::WireGuardGo => "wireguard-go-debian",
            Self::WireGuardGoNewest => "wireguard-go-newest",
        }
    }

    /// Where it is, if it is where it ought to be.
    fn executable(self, options: &Options) -> Option<PathBuf> {
        let Options {
            programs,
            baselines,
            ..
        } = options;
        match self {
            Self::Palisade => Some(programs.join("palisade")),
            Self::PalisadeCopy => Some(programs.join("palisade-copy-cipher")),
            Self::StrongSwan => in_path("charon-systemd"),
            Self::BoringTun => Some(baselines.join("bin/boringtun-cli")),
            Self::GotaTun => Some(baselines.join("bin/gotatun")),
            Self::WireGuardGo => in_path("wireguard-go"),
            Self::WireGuardGoNewest => {
                Some(baselines.join("wireguard-go-newest/usr/bin/wireguard-go"))
            }
        }
        .filter(|path| path.is_file())
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A cipher, by its name in rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    Aes128CbcSha256,
    Copy,
}

impl Cipher {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "aes-128-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::Aes128CbcSha256 => "aes-128-cbc-hmac-sha-256-128",
            Self::Copy => "copy",
        }
    }

    /// Its ESP proposal. A build that copies does so whatever was agreed on.
    const fn proposal(self) -> &'static str {
        match self {
            Self::Aes128Gcm | Self::Copy => "aes128gcm16",
            Self::Aes256Gcm => "aes256gcm16",
            Self::ChaCha20Poly1305 => "chacha20poly1305",
            Self::Aes128CbcSha256 => "aes128-sha256",
        }
    }
}

/// A program with a cipher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Contestant {
    pub(crate) program: Program,
    pub(crate) cipher: Cipher,
}

impl Contestant {
    /// In the order of a round: those that are compared stand beside each other.
    pub(crate) const ALL: [Self; 10] = [
        Self::new(Program::Palisade, Cipher::Aes128Gcm),
        Self::new(Program::PalisadeCopy, Cipher::Copy),
        Self::new(Program::StrongSwan, Cipher::Aes128Gcm),
        Self::new(Program::BoringTun, Cipher::ChaCha20Poly1305),
        Self::new(Program::GotaTun, Cipher::ChaCha20Poly1305),
        Self::new(Program::WireGuardGo, Cipher::ChaCha20Poly1305),
        Self::new(Program::WireGuardGoNewest, Cipher::ChaCha20Poly1305),
        Self::new(Program::Palisade, Cipher::Aes256Gcm),
        Self::new(Program::Palisade, Cipher::ChaCha20Poly1305),
        Self::new(Program::Palisade, Cipher::Aes128CbcSha256),
    ];

    const fn new(program: Program, cipher: Cipher) -> Self {
        Self { program, cipher }
    }

    /// Makes its tunnel.
    pub(crate) fn connect<'a>(self, pair: &'a Pair, options: &Options) -> Result<Ends<'a>> {
        let executable = self.program.executable(options).context("not installed")?;
        let tunnel = Tunnel::of_pair()
            .with_proposals("aes256gcm16-prfsha256-x25519", self.cipher.proposal());
        match self.program {
            Program::Palisade | Program::PalisadeCopy => {
                let start = |namespace, tunnel| {
                    let sections = &options.sections;
                    Palisade::start_program(executable.clone(), namespace, &[tunnel], sections)
                };
                let right = start(&pair.right, tunnel.mirrored())?;
                let left = start(&pair.left, tunnel)?;
                left.control(&["initiate", "--child", "net"])?;
                Ok(Ends::Palisade([left, right]))
            }
            Program::StrongSwan => {
                let start = |namespace, tunnel| {
                    StrongSwan::start(namespace, Settings::default(), &[tunnel], "")
                };
                let right = start(&pair.right, tunnel.mirrored())?;
                let left = start(&pair.left, tunnel)?;
                left.initiate("net")?;
                Ok(Ends::StrongSwan([left, right]))
            }
            Program::BoringTun | Program::GotaTun => {
                let stay_root = ["--disable-drop-privileges"];
                WireGuard::connect(&executable, &stay_root, pair).map(Ends::WireGuard)
            }
            Program::WireGuardGo | Program::WireGuardGoNewest => {
                WireGuard::connect(&executable, &[], pair).map(Ends::WireGuard)
            }
        }
    }
}

/// Both processes of a tunnel, left and right.
pub(crate) enum Ends<'a> {
    Palisade([Palisade<'a>; 2]),
    StrongSwan([StrongSwan; 2]),
    WireGuard([WireGuard; 2]),
}

impl Ends<'_> {
    pub(crate) fn pids(&self) -> [u32; 2] {
        match self {
            Self::Palisade(ends) => ends.each_ref().map(Palisade::pid),
            Self::StrongSwan(ends) => ends.each_ref().map(StrongSwan::pid),
            Self::WireGuard(ends) => ends.each_ref().map(WireGuard::pid),
        }
    }
}
