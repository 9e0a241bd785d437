use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;

/// Measures tunnels between two network namespaces, Palisade's and those of other programs.
#[derive(Parser)]
#[command(name = "cargo xtask bench tunnel")]
pub(crate) struct Options {
    /// Rounds; each measures everything once.
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: u32,
    /// Seconds that one measurement takes.
    #[arg(long, default_value_t = 3)]
    pub(crate) seconds: u32,
    /// One round of one second each.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these programs, ciphers and tests, by the names that the rows give them.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) only: Vec<String>,
    /// Add to the rounds that the output folder holds already, for machines that are not quiet for long.
    #[arg(long)]
    pub(crate) more: bool,
    /// Draw flame graphs of Palisade's two processes while one TCP stream passes, and nothing else.
    #[arg(long)]
    pub(crate) flame: bool,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where `tunnel.json`, `tunnel.md` and the plot `tunnel.svg` are written.
    #[arg(long, default_value = "target/tunnel-figures", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Further lines of Palisade's configuration, such as `[headend]\nengine = "epoll"`.
    #[arg(long, default_value = "", value_name = "TOML")]
    pub(crate) sections: String,
    /// The folder that holds the optimised programs.
    #[arg(long, default_value = "target/release", value_name = "FOLDER")]
    pub(crate) programs: PathBuf,
    /// The folder that holds the programs to compare with.
    #[arg(long, default_value = "target/baselines", value_name = "FOLDER")]
    pub(crate) baselines: PathBuf,
    /// A program that could not be had, and why.
    #[arg(long, value_name = "PROGRAM=REASON", value_parser = parse_missing)]
    pub(crate) missing: Vec<(String, String)>,
}

impl Options {
    pub(crate) const fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.runs }
    }

    pub(crate) const fn seconds(&self) -> u32 {
        if self.quick { 1 } else { self.seconds }
    }
}

fn parse_missing(text: &str) -> Result<(String, String)> {
    let (program, reason) = text.split_once('=').context("PROGRAM=REASON")?;
    Ok((program.to_owned(), reason.to_owned()))
}

pub(crate) fn read() -> Result<Options> {
    let mut options = Options::parse();
    options.sections = options.sections.replace("\\n", "\n");
    Ok(options)
}
