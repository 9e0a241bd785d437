//! Measurements that print the figures of `docs/performance.md`.

use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::Subcommand;

use crate::{baselines, cargo};

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// ESP in memory on one core, beside its cipher alone; and two cores against one.
    Esp {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Set-ups done against set-ups asked for, from half of what a headend can do to three times as much.
    /// `cargo xtask bench goodput --help` tells the options.
    Goodput {
        /// Options of the measurement, such as `--svg docs/performance/goodput.svg`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// A headend and the peer generator on loopback: what each peer costs from set-up to death.
    /// `cargo xtask bench scale -- --help` tells the options.
    Scale {
        /// Options of the measurement, such as `--peers 100000 --json`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// The same peers against Palisade and against strongSwan: set-up, probes, memory, mass death. Needs
    /// root, strongSwan and a C compiler. `cargo xtask bench strongswan -- --help` tells the options.
    Strongswan {
        /// Options of the measurement, such as `--peers 10000 --json`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// A tunnel between two network namespaces, beside other programs' tunnels: TCP, UDP, every cipher.
    /// `cargo xtask bench tunnel -- --help` tells the options.
    Tunnel {
        /// Options of the measurement, such as `--quick --json`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
}

/// Builds what measures, optimised, and runs it. Returns whether it succeeded.
pub(crate) fn run(bench: &Bench) -> Result<bool> {
    match bench {
        Bench::Esp { json } => {
            let options = json.then(|| "--json".to_owned());
            figures("esp-figures", options.as_slice())
        }
        Bench::Goodput { options } => {
            Ok(build(&["palisade", "palisade-load"])? && figures("goodput-figures", options)?)
        }
        Bench::Scale { options } => {
            Ok(build(&["palisade", "palisade-load"])? && figures("scale-figures", options)?)
        }
        Bench::Strongswan { options } => {
            Ok(build(&["palisade", "palisade-load"])? && figures("strongswan-figures", options)?)
        }
        Bench::Tunnel { options } => {
            let missing = baselines::prepare();
            let told = missing
                .iter()
                .map(|(program, reason)| format!("--missing={program}={reason}"));
            let options: Vec<String> = told.chain(options.iter().cloned()).collect();
            Ok(build_copying()?
                && build(&["palisade", "palisade-load"])?
                && figures("tunnel-figures", &options)?)
        }
    }
}

/// Builds packages, optimised.
fn build(packages: &[&str]) -> Result<bool> {
    let packages = packages.iter().flat_map(|package| ["-p", package]);
    let arguments: Vec<&str> = ["build", "--quiet", "--release"]
        .into_iter()
        .chain(packages)
        .collect();
    Ok(cargo::command(&arguments).status()?.success())
}

/// Builds the headend that copies instead of encrypting, and puts it beside the real one under a name of its
/// own. The real one is built after it: it must never lie where that belongs.
fn build_copying() -> Result<bool> {
    let built = cargo::command(&["build", "--quiet", "--release", "-p", "palisade"])
        .args(["--features", "copy-cipher-for-benches"])
        .status()?
        .success();
    if built {
        let folder = Path::new("target/release");
        fs::rename(folder.join("palisade"), folder.join("palisade-copy-cipher"))?;
    }
    Ok(built)
}

/// Runs one of the programs of `benches` with its options. Whoever reads JSON wants nothing else on
/// the output.
fn figures(program: &str, options: &[String]) -> Result<bool> {
    let mut command = cargo::command(&[
        "run",
        "--quiet",
        "--release",
        "--package",
        "palisade-benches",
        "--bin",
        program,
        "--",
    ]);
    Ok(command.args(options).status()?.success())
}
