//! The fuzz targets with libFuzzer: what it invents is led by what it reaches, and AddressSanitizer watches.

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::report::Report;
use crate::requirement::has_program;
use crate::{cargo, gated};

/// Seconds for each target in continuous integration.
pub(crate) const SECONDS_IN_CI: u32 = 6;
/// What cargo-fuzz builds with, but for the branches of the standard library. The compiler that is pinned knows
/// it; that the options are not stable yet does not matter to fuzzing.
const FLAGS: &str = "--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Coverflow-checks";

/// Which targets, and how long.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Names of targets, those of `crates/fuzz/corpus`; all if none is named.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Fuzz {
    /// All targets, briefly.
    pub(crate) const fn brief() -> Self {
        Self {
            targets: Vec::new(),
            seconds: SECONDS_IN_CI,
        }
    }
}

/// Builds and runs the targets. What they find lies in `crates/fuzz/fuzz/artifacts`, and what leads somewhere
/// new in `target/fuzz/corpus`, where the next run begins.
pub(crate) fn run(report: &mut Report, fuzz: &Fuzz) -> Result<()> {
    if !has_program("c++") {
        report.not_run("fuzzing".to_owned(), "needs a C++ compiler".to_owned());
        return Ok(());
    }
    let metadata = gated::metadata()?;
    let root = metadata.workspace_root.as_std_path();
    let built = metadata.target_directory.as_std_path().join("fuzz");
    let (seeds, targets) = targets(root, fuzz)?;
    if !build(root, &built)? {
        report.check("fuzzing", false);
        return Ok(());
    }
    let mut passed = true;
    for target in &targets {
        passed &= run_target(root, &built, &seeds.join(target), target, fuzz.seconds)?;
    }
    report.check("fuzzing", passed);
    Ok(())
}

/// Where the seeds are, and the names of the targets.
fn targets(root: &Path, fuzz: &Fuzz) -> Result<(std::path::PathBuf, Vec<String>)> {
    let seeds = root.join("crates/fuzz/corpus");
    let mut names = Vec::new();
    for entry in fs::read_dir(&seeds)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if fuzz.targets.is_empty() {
        return Ok((seeds, names));
    }
    if let Some(unknown) = fuzz.targets.iter().find(|name| !names.contains(name)) {
        bail!(
            "there is no target {unknown}; there are {}",
            names.join(", ")
        );
    }
    Ok((seeds, fuzz.targets.clone()))
}

/// The targets are a workspace of their own, whose crates have the versions of ours.
fn build(root: &Path, built: &Path) -> Result<bool> {
    let workspace = root.join("crates/fuzz/fuzz");
    fs::copy(root.join("Cargo.lock"), workspace.join("Cargo.lock")).context("Cargo.lock")?;
    let manifest = workspace.join("Cargo.toml");
    let target = triple();
    let arguments = [
        "build",
        "--release",
        "--bins",
        "--manifest-path",
        &manifest.to_string_lossy(),
        "--target",
        &target,
        "--target-dir",
        &built.to_string_lossy(),
    ];
    let environment = [("RUSTC_BOOTSTRAP", "1"), ("RUSTFLAGS", FLAGS)];
    cargo::succeeds(&arguments, &environment)
}

fn triple() -> String {
    // With a target named, what runs while building is built without the sanitizer.
    format!("{ARCH}-unknown-linux-gnu")
}

fn run_target(root: &Path, built: &Path, seeds: &Path, name: &str, seconds: u32) -> Result<bool> {
    let corpus = built.join("corpus").join(name);
    let artifacts = root.join("crates/fuzz/fuzz/artifacts").join(name);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let program = built.join(triple()).join("release").join(name);
    println!("\n$ {name}, {seconds} s");
    let status = Command::new(program)
        .arg(format!("-max_total_time={seconds}"))
        .arg("-timeout=20")
        .arg("-print_final_stats=1")
        // It tells each input that led somewhere new, otherwise.
        .args(["-verbosity=0"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .arg(seeds)
        .status()
        .with_context(|| format!("cannot run the fuzz target {name}"))?;
    Ok(status.success())
}
