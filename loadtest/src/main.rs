//! `palisade-load`: thousands of IKE peers in one process.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

/// Drives an IKE responder with thousands of peers, and reports what they saw.
#[derive(Parser)]
#[command(version, about)]
struct Program {
    #[command(flatten)]
    args: palisade_load::cli::Args,
}

fn main() -> ExitCode {
    match palisade_load::run(Program::parse().args) {
        Ok(report) if report.is_success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("palisade-load: {error:#}");
            ExitCode::from(2)
        }
    }
}
