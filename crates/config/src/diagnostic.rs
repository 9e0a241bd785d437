use core::fmt;
use core::ops::Range;

use serde::Serialize;

use crate::source::Source;

/// Whether a configuration can be used as it stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and somebody should have a look.
    Warning,
}

impl Severity {
    /// The word in front of a message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong with a configuration: where, what, and what to write instead.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Diagnostic {
    /// Whether the configuration can be used nevertheless.
    pub severity: Severity,
    /// Name of the file as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
    /// The line as it stands, with secrets masked.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What to write or do instead.
    pub instead: Option<String>,
}

impl Diagnostic {
    pub(crate) fn new(
        severity: Severity,
        source: &Source,
        span: &Range<usize>,
        message: String,
    ) -> Self {
        let position = source.position(span.start);
        Self {
            severity,
            file: source.file.clone(),
            line: position.line,
            column: position.column,
            width: source.width(span),
            text: source.line(position.line).to_owned(),
            message,
            instead: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{}: {}", self.severity.as_str(), self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.text.replace('\t', " "))?;
        let indent = " ".repeat(self.column.saturating_sub(1));
        writeln!(f, "{margin} | {indent}{}", "^".repeat(self.width))?;
        if let Some(instead) = &self.instead {
            writeln!(f, "{margin} = {instead}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order of the file. It holds an error at
/// least, and the warnings besides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}")?;
        }
        let error = |one: &&Diagnostic| one.severity == Severity::Error;
        let count = self.0.iter().filter(error).count();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} error{plural}")
    }
}

impl core::error::Error for Diagnostics {}
