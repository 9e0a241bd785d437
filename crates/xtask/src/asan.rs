//! The tests of the room that may use `unsafe`, with AddressSanitizer: reads and writes beyond what is
//! allocated, use after freeing and leaks end the run.

use std::env::consts::ARCH;

use anyhow::Result;

use crate::cargo;
use crate::report::Report;
use crate::requirement::Requirement;

/// Runs them. The compiler that is pinned knows the sanitizer; that the option is not stable yet does
/// not matter to tests.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    // With a target named, what runs while building is built without the sanitizer.
    let target = format!("{ARCH}-unknown-linux-gnu");
    let mut arguments = vec!["test", "--package", "palisade-netio", "--target", &target];
    if Requirement::Namespaces.lacking().is_empty() {
        arguments.extend(["--features", "namespaces"]);
    }
    let environment = [
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTFLAGS", "-Zsanitizer=address"),
    ];
    report.check(
        "AddressSanitizer",
        cargo::succeeds(&arguments, &environment)?,
    );
    Ok(())
}
