//! Measurements that print the figures of `docs/performance.md`.

use anyhow::Result;
use clap::Subcommand;

use crate::cargo;

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// ESP in memory on one core, beside its cipher alone; and two cores against one.
    Esp {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// Builds what measures, optimised, and runs it. Returns whether it succeeded.
pub(crate) fn run(bench: &Bench) -> Result<bool> {
    match bench {
        Bench::Esp { json } => {
            let mut arguments = vec![
                "run",
                "--quiet",
                "--release",
                "--package",
                "palisade-benches",
                "--bin",
                "esp-figures",
            ];
            if *json {
                arguments.extend(["--", "--json"]);
            }
            // Whoever reads JSON wants nothing else on the output.
            Ok(cargo::command(&arguments).status()?.success())
        }
    }
}
