use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Runs the same peers against Palisade and strongSwan, and prints what they cost each.
#[derive(Parser)]
#[command(name = "cargo xtask bench strongswan")]
pub(crate) struct Options {
    /// Peers; all of them die at one instant.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) peers: u32,
    /// Set-ups offered per second.
    #[arg(long, default_value_t = 500)]
    pub(crate) rate: u32,
    /// Seconds over which the cost of probes is measured.
    #[arg(long, default_value_t = 20)]
    pub(crate) steady: u32,
    /// How peers and contestants prove who they are.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) auth: Auth,
    /// The IKE suite, in swanctl's words.
    #[arg(
        long,
        default_value = "aes128gcm16-prfsha256-x25519",
        value_name = "SUITE"
    )]
    pub(crate) ike: String,
    /// Set-ups alone: nobody is probed, nobody dies.
    #[arg(long)]
    pub(crate) only_setups: bool,
    /// Who is measured, in this order.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["palisade", "strongswan"])]
    pub(crate) contestants: Vec<Kind>,
    /// One JSON array instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// The folder that holds the optimised programs.
    #[arg(long, default_value = "target/release", value_name = "FOLDER")]
    pub(crate) programs: PathBuf,
}

impl Options {
    pub(crate) fn steady(&self) -> Duration {
        Duration::from_secs(u64::from(self.steady.max(1)))
    }
}

/// How the ends of a tunnel prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Auth {
    /// By one secret.
    #[default]
    Psk,
    /// By certificates of one authority, with ECDSA on P-256.
    #[value(name = "ecdsa-p256")]
    EcdsaP256,
    /// By certificates of one authority, with RSA of 2048 bits.
    #[value(name = "rsa-2048")]
    Rsa2048,
}

/// A program under measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Ours, with its data plane.
    Palisade,
    /// strongSwan without a data plane: it believes that the kernel took its SAs.
    Strongswan,
    /// strongSwan with ESP in user space (kernel-libipsec).
    StrongswanLibipsec,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Palisade => "Palisade",
            Self::Strongswan => "strongSwan, no data plane",
            Self::StrongswanLibipsec => "strongSwan, kernel-libipsec",
        }
    }
}
