//! Reads the running-config of a router with IOS or IOS XE and writes what its IPsec part means as a
//! configuration of Palisade.
//!
//! Nothing is dropped silently: each line of the input is translated, or the report says why not. A
//! connection of which something is missing (an access list that the input does not print, a key that
//! is encrypted) is written as a comment, with what to supply; what is not a comment is complete.
//!
//! [`import`] is a function of its input. It opens no file and writes none.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod document;
mod ledger;
mod line;
mod model;
mod modes;
mod read;
mod report;
mod secret;
mod translate;

use zeroize::Zeroizing;

pub use commands::{Reference, commands};
pub use line::Source;
pub use report::{LineReport, Missing, Report, Verdict};

/// What came of a configuration.
pub struct Import {
    /// What happened to each line, and what is missing.
    pub report: Report,
    document: document::Document,
}

/// A configuration of Palisade, with the files that it names.
pub struct Rendered {
    /// The text, in TOML. It holds secrets if they were to stand in it.
    pub toml: Zeroizing<String>,
    /// Files beside it; none if the secrets stand in the text.
    pub files: Vec<SecretFile>,
}

/// A file that holds one secret. No `Debug`, zeroized on drop.
pub struct SecretFile {
    /// Its name, without a directory.
    pub name: String,
    /// Its content.
    pub content: Zeroizing<String>,
}

/// Where secrets are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrets {
    /// Into files of their own, which the text names.
    Files,
    /// Into the text.
    Inline,
}

/// Reads `sources` as if they were one text and translates what they say about IPsec.
#[must_use]
pub fn import(sources: &[Source<'_>]) -> Import {
    let lines = line::split(sources);
    let (router, mut ledger) = read::read(&lines);
    let document = translate::translate(&router, &mut ledger);
    document.enter(&mut ledger);
    let report = report::build(sources, &lines, &ledger, &document);
    Import { report, document }
}

impl Import {
    /// Whether the configuration holds a secret that could be read.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.document.has_secrets()
    }

    /// The configuration as text. Each value is followed by the lines of the input that it comes
    /// from.
    #[must_use]
    pub fn render(&self, secrets: Secrets) -> Rendered {
        self.document.render(&self.report, secrets)
    }
}
