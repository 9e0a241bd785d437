//! What a shell script would otherwise do: `cargo xtask test`, `ci`, `bench` and `scenarios`.
#![forbid(unsafe_code)]

mod asan;
mod baselines;
mod bench;
mod cargo;
mod checks;
mod deb;
mod fuzz;
mod gated;
mod matrix;
mod packages;
mod report;
mod requirement;
mod scenarios;
mod tally;
mod tests_run;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::report::Report;

/// Tasks of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs all tests: those that need nothing, and as root those with real peers too.
    Test {
        /// What is about packets on every engine, with and without offloads, with every provider of
        /// ciphers: some minutes more.
        #[arg(long)]
        matrix: bool,
    },
    /// Runs the tests of the room that may use `unsafe` with AddressSanitizer.
    Asan,
    /// Runs the fuzz targets with libFuzzer.
    Fuzz(fuzz::Fuzz),
    /// Runs all tests, AddressSanitizer, fuzzing in brief, formatting, lints and documentation; anything not run is a failure.
    Ci,
    /// Makes the Debian package, in target/debian.
    Deb,
    /// Measures, and prints the figures of docs/performance.md.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Runs the scenarios of the peer generator against a headend: about a minute each, or in full.
    Scenarios(scenarios::Scenarios),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { matrix } => test(matrix).map(|report| report.conclude(strict())),
        Task::Asan => asan().map(|report| report.conclude(strict())),
        Task::Fuzz(chosen) => fuzzing(&chosen).map(|report| report.conclude(strict())),
        Task::Ci => ci().map(|report| report.conclude(strict())),
        Task::Deb => deb::run().map(code),
        Task::Bench(bench) => bench::run(&bench).map(code),
        Task::Scenarios(chosen) => scenarios::run(&chosen).map(code),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn code(succeeded: bool) -> ExitCode {
    match succeeded {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn test(matrix: bool) -> Result<Report> {
    let mut report = Report::new();
    tests_run::run(&mut report, matrix)?;
    Ok(report)
}

fn asan() -> Result<Report> {
    let mut report = Report::new();
    asan::run(&mut report)?;
    Ok(report)
}

fn fuzzing(chosen: &fuzz::Fuzz) -> Result<Report> {
    let mut report = Report::new();
    fuzz::run(&mut report, chosen)?;
    Ok(report)
}

fn ci() -> Result<Report> {
    let mut report = test(true)?;
    asan::run(&mut report)?;
    fuzz::run(&mut report, &fuzz::Fuzz::brief())?;
    checks::run(&mut report)?;
    Ok(report)
}

/// Whether what could not be run is a failure: in continuous integration nothing is optional.
fn strict() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
