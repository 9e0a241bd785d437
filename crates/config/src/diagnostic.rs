use core::fmt;
use core::ops::Range;

use serde::Serialize;

use crate::source::Source;

/// One thing that is wrong with a configuration: where, what, and what to write instead.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Diagnostic {
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
    pub(crate) fn new(source: &Source, span: &Range<usize>, message: String) -> Self {
        let position = source.position(span.start);
        Self {
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
        writeln!(f, "error: {}", self.message)?;
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

/// Everything that is wrong with a configuration, in the order of the file. Never empty.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}")?;
        }
        let count = self.0.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} error{plural}")
    }
}

impl core::error::Error for Diagnostics {}
