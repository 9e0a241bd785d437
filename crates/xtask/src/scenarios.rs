//! The scenarios of the peer generator against a headend, as they are shipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cargo;

/// What is run.
#[derive(Args)]
pub(crate) struct Scenarios {
    /// Names of scenarios; all that say how they must come out, if none is given.
    names: Vec<String>,
    /// In full, instead of the short versions of about a minute each.
    #[arg(long)]
    full: bool,
    /// Write the reports as pages with plots into this folder.
    #[arg(long, value_name = "FOLDER")]
    html: Option<PathBuf>,
    /// Write the reports as JSON into this folder.
    #[arg(long, value_name = "FOLDER")]
    json: Option<PathBuf>,
}

/// Builds headend and generator, optimised, and runs the scenarios one after the other. Returns whether all came out as they must.
pub(crate) fn run(scenarios: &Scenarios) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let build = [
        "build",
        "--release",
        "-p",
        "palisade",
        "-p",
        "palisade-load",
    ];
    if !cargo::succeeds(&build, &[])? {
        return Ok(false);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let programs = target.join("release");
    let mut ended = Vec::new();
    for (name, file) in chosen(&root.join("loadtest/scenarios"), &scenarios.names)? {
        println!("\n{name}");
        let mut generator = Command::new(programs.join("palisade-load"));
        generator
            .arg("--scenario")
            .arg(file)
            .arg("--headend")
            .arg(programs.join("palisade"))
            .args(["--progress", scenarios.progress()]);
        if !scenarios.full {
            generator.arg("--short");
        }
        for (option, folder) in [("html", &scenarios.html), ("json", &scenarios.json)] {
            if let Some(folder) = folder {
                std::fs::create_dir_all(folder)?;
                generator
                    .arg(format!("--{option}"))
                    .arg(folder.join(format!("{name}.{option}")));
            }
        }
        let since = Instant::now();
        let status = generator.status().context("cannot run the generator")?;
        ended.push((name, since.elapsed().as_secs(), status.code()));
    }
    println!("\n{:<16} {:>8}  result", "scenario", "seconds");
    for (name, seconds, code) in &ended {
        println!("{name:<16} {seconds:>8}  {}", verdict(*code));
    }
    Ok(ended.iter().all(|(_, _, code)| *code == Some(0)))
}

impl Scenarios {
    /// Full versions take minutes, in which somebody wants to see that they go on.
    fn progress(&self) -> &'static str {
        match self.full {
            true => "plain",
            false => "none",
        }
    }
}

/// What the generator's exit status says.
fn verdict(code: Option<i32>) -> &'static str {
    match code {
        Some(0) => "as expected",
        Some(1) => "NOT AS EXPECTED",
        _ => "could not be run",
    }
}

/// The scenarios with these names, or all that expect something.
fn chosen(folder: &Path, names: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let expects = || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            text.lines().any(|line| line == "[expect]")
        };
        let wanted = match names {
            [] => expects(),
            names => names.iter().any(|wanted| *wanted == name),
        };
        if wanted {
            found.push((name.into_owned(), path));
        }
    }
    ensure!(
        found.len() >= names.len(),
        "there is no such scenario in {}",
        folder.display()
    );
    found.sort();
    Ok(found)
}
