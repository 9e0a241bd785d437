//! Formatting, lints and documentation of the whole workspace.

use anyhow::Result;

use crate::cargo;
use crate::report::Report;

/// Runs the checks. All features, so that the tests that need root are read too.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    let formatted = cargo::succeeds(&["fmt", "--all", "--check"], &[])?;
    report.check("formatting", formatted);
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    report.check("lints", cargo::succeeds(&clippy, &[])?);
    let doc = [
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ];
    let documented = cargo::succeeds(&doc, &[("RUSTDOCFLAGS", "-D warnings")])?;
    report.check("documentation", documented);
    Ok(())
}
