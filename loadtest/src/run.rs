use anyhow::{Result, bail};

use crate::cli::Args;
use crate::report::Report;

/// Runs a scenario to its end and reports.
///
/// # Errors
/// If the scenario makes no sense, sockets cannot be opened or files cannot be written.
pub fn run(args: Args) -> Result<Report> {
    let scenario = args.scenario()?;
    bail!("{} peers cannot be driven yet", scenario.peers.count)
}
