//! All tests that can be run here, in one call of cargo: further calls with other features would
//! build half of the workspace again.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::gated::{self, GatedTest};
use crate::report::Report;
use crate::requirement::{Requirement, is_root};
use crate::tally::Tally;
use crate::{cargo, packages};

/// Modules of the tests with real peers through which much traffic goes.
const ABOUT_PACKETS: &[&str] = &["nat::", "raw_esp::", "rekeying::", "vrfs::", "long_packets"];

/// Runs everything that can be run here and notes what cannot.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    let metadata = gated::metadata()?;
    let tests = gated::find(&metadata)?;
    provide(&tests)?;
    let mut features = Vec::new();
    for test in &tests {
        let lacking = test.requirement.lacking();
        if lacking.is_empty() {
            features.push(format!("{}/{}", test.package, test.feature));
        } else {
            report.not_run(test.name(), format!("needs {}", lacking.join(", ")));
        }
    }
    // The program's own tests have it built; all is built before anything is run.
    let program: PathBuf = metadata.target_directory.join("debug/palisade").into();
    let features = features.join(",");
    let arguments = [
        "test",
        "--workspace",
        "--no-fail-fast",
        "--features",
        &features,
    ];
    report.tests(cargo::test(&arguments, &[], &program)?);
    if Requirement::Namespaces.lacking().is_empty() {
        report.tests(with_the_other_engine(&features, &program)?);
    }
    Ok(())
}

/// The tests with real peers that are about packets, on the engine that `auto` does not build. All
/// features are named again, so that nothing is built anew.
fn with_the_other_engine(features: &str, program: &Path) -> Result<Tally> {
    let arguments = [
        &[
            "test",
            "--workspace",
            "--features",
            features,
            "--test",
            "headend",
            "--",
        ],
        ABOUT_PACKETS,
    ];
    let environment = [("PALISADE_TEST_ENGINE", "io_uring")];
    cargo::test(&arguments.concat(), &environment, program)
}

/// As root on Debian: installs what is missing.
fn provide(tests: &[GatedTest]) -> Result<()> {
    if !(is_root() && packages::available()) {
        return Ok(());
    }
    let lacks = |wanted: fn(Requirement) -> bool| {
        tests
            .iter()
            .any(|test| wanted(test.requirement) && !test.requirement.lacking().is_empty())
    };
    if lacks(|requirement| requirement != Requirement::Libreswan) {
        packages::install()?;
    }
    // One peer of several: without it, its tests are reported as not run and the others go on.
    if lacks(|requirement| requirement == Requirement::Libreswan)
        && let Err(error) = packages::unpack_libreswan()
    {
        eprintln!("warning: no libreswan: {error:#}");
    }
    Ok(())
}
