//! What ran, what did not, and what to do about it.

use std::process::ExitCode;
use std::time::Instant;

use crate::tally::Tally;

/// How to run what needs root, from an account that may become root.
const AS_ROOT: &str = "sudo env \"PATH=$PATH\" cargo xtask test";

/// Collects results while tasks run.
pub(crate) struct Report {
    start: Instant,
    tally: Tally,
    failed_checks: Vec<&'static str>,
    not_run: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            tally: Tally::default(),
            failed_checks: Vec::new(),
            not_run: Vec::new(),
        }
    }

    /// Adds the results of a run of tests.
    pub(crate) fn tests(&mut self, tally: Tally) {
        self.tally.add(tally);
    }

    /// Adds the result of a check, which counts as a test.
    pub(crate) fn check(&mut self, name: &'static str, passed: bool) {
        if passed {
            self.tally.passed += 1;
        } else {
            self.tally.failed += 1;
            self.failed_checks.push(name);
        }
    }

    /// Notes a test target that was not run, and why.
    pub(crate) fn not_run(&mut self, name: String, why: String) {
        self.not_run.push((name, why));
    }

    /// Prints the closing block. When `strict`, what was not run has failed.
    pub(crate) fn conclude(self, strict: bool) -> ExitCode {
        println!();
        for name in &self.failed_checks {
            println!("FAILED: {name}");
        }
        if !self.not_run.is_empty() {
            println!("Not run:");
            for (name, why) in &self.not_run {
                println!("  {name}: {why}");
            }
            println!("To run everything (installs Debian packages):\n  {AS_ROOT}\n");
        }
        let not_run = self.not_run.len();
        let failed = self.failures(strict);
        let verdict = if failed == 0 { "ok" } else { "FAILED" };
        println!(
            "test result: {verdict}. {} passed; {failed} failed; {} ignored; {not_run} targets not run; \
             finished in {:.1}s",
            self.tally.passed,
            self.tally.ignored,
            self.start.elapsed().as_secs_f64()
        );
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn failures(&self, strict: bool) -> u64 {
        let not_run = if strict { self.not_run.len() as u64 } else { 0 };
        self.tally.failed + not_run
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn in_continuous_integration_nothing_is_left_out() {
        let mut report = Report::new();
        report.check("lints", true);
        report.not_run("package::test".to_owned(), "needs root".to_owned());
        assert_eq!((report.failures(false), report.failures(true)), (0, 1));
        report.check("documentation", false);
        assert_eq!((report.failures(false), report.failures(true)), (1, 2));
    }
}
