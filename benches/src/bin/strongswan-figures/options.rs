use std::path::PathBuf;

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
