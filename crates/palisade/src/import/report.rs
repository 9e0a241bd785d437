//! What an import tells: text for people, JSON for programs.

use std::fmt::Write as _;

use anyhow::Result;
use ios::{LineReport, Report, Verdict};
use serde::Serialize;

use crate::import::Check;

/// Verdicts in the order of the summary.
const VERDICTS: &[(Verdict, &str)] = &[
    (Verdict::Translated, "translated"),
    (Verdict::Partly, "translated in part"),
    (Verdict::Unneeded, "not needed"),
    (Verdict::NotTranslated, "not translated"),
    (Verdict::OutsideIpsec, "not about IPsec"),
    (Verdict::NoCommand, "no command"),
];

/// The report as text, each paragraph with a blank line behind it.
pub(super) fn text(report: &Report, verbose: bool) -> String {
    let mut text = String::new();
    let counts = VERDICTS
        .iter()
        .map(|(verdict, words)| (report.count(*verdict), words));
    let counts = counts.filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let _ = writeln!(text, "{} lines: {}", report.lines.len(), counts.join(", "));
    for (verdict, words) in VERDICTS {
        let hushed = matches!(
            verdict,
            Verdict::Translated | Verdict::Unneeded | Verdict::OutsideIpsec
        );
        if *verdict == Verdict::NoCommand || (hushed && !verbose) {
            continue;
        }
        section(&mut text, report, *verdict, words, verbose);
    }
    for note in &report.notes {
        let _ = writeln!(text, "\nnote: {note}");
    }
    if !report.missing.is_empty() {
        let _ = writeln!(text, "\nincomplete, and therefore comments:");
    }
    let mut section = "";
    for missing in &report.missing {
        if section != missing.section {
            let _ = writeln!(text, "  [{}]", missing.section);
            section = &missing.section;
        }
        let _ = writeln!(text, "    {}\n      {}", missing.what, missing.instead);
    }
    text
}

fn section(text: &mut String, report: &Report, verdict: Verdict, words: &str, verbose: bool) {
    // A line that only waits is told of where it is told what its section waits for.
    let told = |line: &&LineReport| {
        line.verdict == verdict && (verbose || verdict != Verdict::Partly || !line.why.is_empty())
    };
    let lines: Vec<&LineReport> = report.lines.iter().filter(told).collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{words}:");
    let mut before: &[String] = &[];
    for line in lines {
        // A reason that holds for a whole section is told once.
        if line.why != before {
            for why in &line.why {
                let _ = writeln!(text, "  {why}:");
            }
        }
        before = &line.why;
        let _ = writeln!(text, "    {}:{}: {}", line.source, line.line, line.text);
    }
}

/// Whether the result runs, for people.
pub(super) fn print_check(check: Option<&Check>, report: &Report) {
    let Some(check) = check else { return };
    for diagnostic in &check.diagnostics {
        eprintln!("{diagnostic}");
    }
    let incomplete = report.missing.len();
    match (check.runs, incomplete) {
        (true, 0) => println!("the result runs"),
        (true, _) => println!("the result runs without what is incomplete: {incomplete} missing"),
        (false, _) => println!("the result does not run"),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<&'a [config::Diagnostic]>,
}

/// The report as JSON.
pub(super) fn json(report: &Report, check: Option<&Check>) -> Result<String> {
    let json = Json {
        report,
        runs: check.map(|check| check.runs),
        diagnostics: check.map(|check| check.diagnostics.as_slice()),
    };
    Ok(serde_json::to_string_pretty(&json)?)
}
