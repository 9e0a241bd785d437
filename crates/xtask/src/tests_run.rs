//! All tests that can be run here, in one call of cargo: further calls with other features would
//! build half of the workspace again.

use std::path::PathBuf;

use anyhow::Result;

use crate::gated::{self, GatedTest};
use crate::report::Report;
use crate::requirement::{Requirement, is_root};
use crate::{cargo, matrix, packages};

/// Runs everything that can be run here and notes what cannot; with `all_ways` what is about packets on
/// every engine, with and without offloads, and with every provider of ciphers.
pub(crate) fn run(report: &mut Report, all_ways: bool) -> Result<()> {
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
    let namespaces = Requirement::Namespaces.lacking().is_empty();
    if namespaces {
        matrix::ways(report, &features, &program, all_ways)?;
    }
    if all_ways {
        matrix::providers(report, &features, &program, namespaces)?;
    }
    Ok(())
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
