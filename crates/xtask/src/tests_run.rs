//! All tests, in the order of what they need.

use std::path::PathBuf;

use anyhow::Result;

use crate::gated::{self, GatedTest};
use crate::report::Report;
use crate::requirement::{Requirement, is_root};
use crate::{cargo, packages};

/// Tests with real peers wait more than they work, so more of them run than there are cores.
const NAMESPACE_TEST_THREADS: &str = "--test-threads=4";

/// Runs everything that can be run here and notes what cannot.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    report.tests(cargo::test(
        &["test", "--workspace", "--no-fail-fast"],
        None,
    )?);
    let metadata = gated::metadata()?;
    let tests = gated::find(&metadata)?;
    provide(&tests)?;
    let program: PathBuf = metadata.target_directory.join("debug/palisade").into();
    let mut built = false;
    for test in &tests {
        let lacking = test.requirement.lacking();
        if !lacking.is_empty() {
            report.not_run(test.name(), format!("needs {}", lacking.join(", ")));
            continue;
        }
        if test.requirement == Requirement::Namespaces && !built {
            built = cargo::succeeds(
                &["build", "--package", "palisade", "--bin", "palisade"],
                &[],
            )?;
            report.check("build of palisade", built);
        }
        report.tests(cargo::test(&arguments(test), Some(&program))?);
    }
    Ok(())
}

/// As root on Debian: installs what is missing.
fn provide(tests: &[GatedTest]) -> Result<()> {
    let complete = tests
        .iter()
        .all(|test| test.requirement.lacking().is_empty());
    if !complete && is_root() && packages::available() {
        packages::install()?;
    }
    Ok(())
}

fn arguments(test: &GatedTest) -> Vec<&str> {
    let mut arguments = vec!["test", "--no-fail-fast", "--package", &test.package];
    arguments.extend(["--features", &test.feature, "--test", &test.target]);
    if test.requirement == Requirement::Namespaces {
        arguments.extend(["--", NAMESPACE_TEST_THREADS]);
    }
    arguments
}
