//! What the operator is told: one entry a line, and what is missing. No report holds a secret.

use serde::Serialize;

use crate::document::Document;
use crate::ledger::Ledger;
use crate::line::{Line, Source};

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It stands in the configuration, with the same meaning.
    Translated,
    /// It stands in the configuration, and something is to be known about it.
    Partly,
    /// It says what holds in Palisade anyway.
    Unneeded,
    /// It is about IPsec, and has no counterpart in the configuration.
    NotTranslated,
    /// It is about something else.
    OutsideIpsec,
    /// A blank line, a comment, or what a terminal adds.
    NoCommand,
}

/// A line of the input and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LineReport {
    /// Name of the source.
    pub source: String,
    /// Line in it, from 1.
    pub line: usize,
    /// The line, with secrets masked.
    pub text: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Keys of the configuration that come from it.
    pub becomes: Vec<String>,
    /// Why it is not translated, or what is different.
    pub why: Vec<String>,
    /// Sections that come from it and are comments, because something is missing in them.
    pub waits_in: Vec<String>,
}

/// Something without which a connection cannot run. The connection is written as a comment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Missing {
    /// The section that waits for it.
    pub section: String,
    /// What is missing.
    pub what: String,
    /// What to supply, or what to write.
    pub instead: String,
}

/// Everything that there is to tell about an import.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Every line of the input, in its order.
    pub lines: Vec<LineReport>,
    /// What incomplete connections wait for.
    pub missing: Vec<Missing>,
    /// What holds for the configuration as a whole.
    pub notes: Vec<String>,
}

impl Report {
    /// How many lines got this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.verdict == verdict).count()
    }
}

pub(crate) fn build(
    sources: &[Source<'_>],
    lines: &[Line<'_>],
    ledger: &Ledger,
    document: &Document,
) -> Report {
    let report = |(id, line): (usize, &Line<'_>)| {
        let (verdict, becomes, why) = ledger.verdict(id);
        let waits_in = ledger.waits(id).to_vec();
        LineReport {
            source: source_name(sources, line),
            line: line.number,
            text: masked(line, ledger.hidden(id)),
            verdict,
            becomes,
            why,
            waits_in,
        }
    };
    Report {
        lines: lines.iter().enumerate().map(report).collect(),
        missing: document.missing(),
        notes: document.notes.clone(),
    }
}

fn source_name(sources: &[Source<'_>], line: &Line<'_>) -> String {
    let source = sources.get(line.source);
    source.map_or_else(String::new, |source| source.name.to_owned())
}

/// Words behind which a secret may stand.
const TELLTALES: &[&str] = &[
    "key",
    "password",
    "secret",
    "pre-shared-key",
    "key-string",
    "community",
    "md5",
    "passphrase",
    "psk",
    "cipher",
    "authenticator",
    "session-key",
];

/// The line with its secrets masked: the words known to be secret, or else, on a line that was not
/// understood, all that follows a word behind which a secret may stand.
fn masked(line: &Line<'_>, hidden: &[usize]) -> String {
    if !hidden.is_empty() {
        let word = |(at, word): (usize, &&str)| {
            if hidden.contains(&at) {
                MASK.to_owned()
            } else {
                printable(word)
            }
        };
        return line
            .words
            .iter()
            .enumerate()
            .map(word)
            .collect::<Vec<_>>()
            .join(" ");
    }
    let telltale = |word: &&str| TELLTALES.iter().any(|one| word.eq_ignore_ascii_case(one));
    match line.words.iter().position(telltale) {
        Some(at) if at + 1 < line.words.len() => {
            let shown = line.words.get(..=at).unwrap_or_default().join(" ");
            format!("{} {MASK}", printable(&shown))
        }
        _ => printable(&line.words.join(" ")),
    }
}

const MASK: &str = "****";

/// Without what could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
