use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Runs a headend and the peer generator on loopback, and prints what each peer costs.
#[derive(Parser)]
#[command(name = "cargo xtask bench scale")]
pub(crate) struct Options {
    /// Peers.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) peers: u32,
    /// Set-ups offered per second.
    #[arg(long, default_value_t = 2_500)]
    pub(crate) rate: u32,
    /// Peers that fall silent at one instant; a tenth of them if not given.
    #[arg(long)]
    pub(crate) dead: Option<u32>,
    /// Seconds over which the cost of probes is measured.
    #[arg(long, default_value_t = 20)]
    pub(crate) steady: u32,
    /// Worker threads of the headend.
    #[arg(long, default_value_t = 2)]
    pub(crate) shards: u16,
    /// Probe on demand, so that idle peers are not asked; nobody dies then.
    #[arg(long)]
    pub(crate) on_demand: bool,
    /// Give so many peers a connection and a secret of their own, beside those for all the others.
    #[arg(long, default_value_t = 0)]
    pub(crate) connections: u32,
    /// Keep the breaker and the budgets at their defaults instead of taking every limit off verdicts.
    #[arg(long)]
    pub(crate) paced: bool,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// The folder that holds the optimised programs.
    #[arg(long, default_value = "target/release", value_name = "FOLDER")]
    pub(crate) programs: PathBuf,
}

impl Options {
    /// How many die.
    pub(crate) fn dead(&self) -> u32 {
        match self.dead {
            _ if self.on_demand => 0,
            Some(dead) => dead.min(self.peers),
            None => self.peers / 10,
        }
    }
}

pub(crate) fn read() -> Result<Options> {
    Ok(Options::parse())
}
