//! Calling cargo, and reading the results of tests as they go by.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::tally::Tally;

/// Cargo itself, as the one that runs us.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs cargo and says whether it succeeded.
pub(crate) fn succeeds(arguments: &[&str], environment: &[(&str, &str)]) -> Result<bool> {
    announce(arguments);
    let status = command(arguments)
        .envs(environment.iter().copied())
        .status()
        .context("cannot run cargo")?;
    Ok(status.success())
}

/// Runs `cargo test` with these arguments and in this environment, shows its output, and counts its
/// results. Tests find palisade at `program`.
pub(crate) fn test(
    arguments: &[&str],
    environment: &[(&str, &str)],
    program: &Path,
) -> Result<Tally> {
    announce(arguments);
    let mut child = command(arguments)
        .envs(environment.iter().copied())
        .env("PALISADE_PROGRAM", program)
        // An error says what was awaited; where in the test runner it was is no news.
        .env("RUST_LIB_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let output = child.stdout.take().context("cargo's output")?;
    let mut tally = Tally::default();
    let mut shown = std::io::stdout();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        shown.write_all(&line)?;
        shown.write_all(b"\n")?;
        tally.read(&String::from_utf8_lossy(&line));
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        // It did not build, or a test brought its whole process down.
        tally.failed += 1;
    }
    Ok(tally)
}

fn announce(arguments: &[&str]) {
    println!("\n$ cargo {}", arguments.join(" "));
}
