//! Reading of a spanned TOML tree: each value knows where it stands, each complaint is collected, and
//! a table that is closed complains of the keys that nobody asked for.

use core::cell::RefCell;
use core::ops::Range;
use std::collections::HashSet;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Severity};
use crate::keys::Section;
use crate::source::Source;
use crate::suggest::closest;

/// Collects what is wrong.
pub(crate) struct Report {
    pub(crate) source: Source,
    diagnostics: RefCell<Vec<(usize, Diagnostic)>>,
}

/// What is wrong with one value, and what to write instead. Its place is added by the reader.
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) instead: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            instead: None,
        }
    }

    pub(crate) fn instead(self, instead: impl Into<String>) -> Self {
        Self {
            instead: Some(instead.into()),
            ..self
        }
    }
}

impl Report {
    pub(crate) fn new(text: &str, file: &str) -> Self {
        Self {
            source: Source::new(text, file),
            diagnostics: RefCell::default(),
        }
    }

    pub(crate) fn fault(&self, span: &Range<usize>, fault: Fault) {
        self.add(Severity::Error, span, fault);
    }

    /// Something that works and deserves a look.
    pub(crate) fn warning(&self, span: &Range<usize>, fault: Fault) {
        self.add(Severity::Warning, span, fault);
    }

    /// A diagnostic that may have to be told later.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        span: &Range<usize>,
        fault: Fault,
    ) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(severity, &self.source, span, fault.message);
        diagnostic.instead = fault.instead;
        diagnostic
    }

    fn add(&self, severity: Severity, span: &Range<usize>, fault: Fault) {
        let diagnostic = self.diagnostic(severity, span, fault);
        self.diagnostics.borrow_mut().push((span.start, diagnostic));
    }

    /// "line 12", to point at another place.
    pub(crate) fn line_of(&self, span: &Range<usize>) -> String {
        format!("line {}", self.source.position(span.start).line)
    }

    /// Everything that was reported, in the order of the file.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut diagnostics = self.diagnostics.into_inner();
        // A value that holds for several connections is wrong once.
        let mut told = HashSet::new();
        diagnostics.retain(|one| told.insert(one.clone()));
        diagnostics.sort_by_key(|(offset, _)| *offset);
        diagnostics
            .into_iter()
            .map(|(_, diagnostic)| diagnostic)
            .collect()
    }
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) value: &'a DeValue<'a>,
    start: usize,
    end: usize,
    /// Where the part that it was parsed from begins.
    offset: usize,
}

impl<'a> Value<'a> {
    fn new(spanned: &'a Spanned<DeValue<'a>>, offset: usize) -> Self {
        let span = moved(spanned.span(), offset);
        Self {
            value: spanned.get_ref(),
            start: span.start,
            end: span.end,
            offset,
        }
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    pub(crate) fn text(&self) -> Result<&'a str, Fault> {
        self.value
            .as_str()
            .ok_or_else(|| self.mismatch("a string in quotes"))
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>, Fault> {
        match self.value {
            DeValue::Array(array) => Ok(array
                .iter()
                .map(|one| Self::new(one, self.offset))
                .collect()),
            // swanctl writes lists as one string with commas; a single item needs no brackets here.
            DeValue::String(_) => Ok(vec![*self]),
            _ => Err(self.mismatch("a list in brackets")),
        }
    }

    pub(crate) fn mismatch(&self, wanted: &str) -> Fault {
        Fault::new(format!(
            "this is {}, not {wanted}",
            article(self.value.type_str())
        ))
    }
}

/// The place in the file of something that stands `offset` octets into it, from the place in its part.
fn moved(span: Range<usize>, offset: usize) -> Range<usize> {
    span.start + offset..span.end + offset
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// A table that is being read.
pub(crate) struct Table<'a, 'r> {
    pub(crate) report: &'r Report,
    section: &'static Section,
    /// Path with the operator's names in it, for messages.
    pub(crate) path: String,
    table: &'a DeTable<'a>,
    /// Where complaints about the table as a whole point.
    pub(crate) span: Range<usize>,
    /// Where the part that it was parsed from begins.
    offset: usize,
}

impl<'a, 'r> Table<'a, 'r> {
    /// Opens the root of a file, or of the part of it that begins at `offset`.
    pub(crate) fn root(
        report: &'r Report,
        section: &'static Section,
        table: &'a DeTable<'a>,
        offset: usize,
    ) -> Self {
        let opened = Self {
            report,
            section,
            path: String::new(),
            table,
            span: 0..0,
            offset,
        };
        opened.refuse_unknown_keys();
        opened
    }

    /// Opens a table that is the value of a key. Keys that `section` does not know are reported.
    pub(crate) fn open(
        report: &'r Report,
        section: &'static Section,
        path: String,
        value: Value<'a>,
        span: Range<usize>,
    ) -> Option<Self> {
        let Some(table) = value.value.as_table() else {
            report.fault(
                &value.span(),
                value.mismatch(&format!("a section; write `[{path}]`")),
            );
            return None;
        };
        let opened = Self {
            report,
            section,
            path,
            table,
            span,
            offset: value.offset,
        };
        opened.refuse_unknown_keys();
        Some(opened)
    }

    fn refuse_unknown_keys(&self) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if !self.section.keys.contains(&name) {
                let span = moved(key.span(), self.offset);
                self.report.fault(&span, self.unknown_key(name));
            }
        }
    }

    fn unknown_key(&self, name: &str) -> Fault {
        let refused = self
            .section
            .refused
            .iter()
            .find(|(refused, _)| *refused == name);
        if let Some((_, instead)) = refused {
            return Fault::new(format!("`{name}` is not taken here")).instead(*instead);
        }
        let place = if self.path.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in `[{}]`", self.path)
        };
        let fault = Fault::new(format!("unknown key `{name}` {place}"));
        match closest(name, self.section.keys.iter().copied()) {
            Some(meant) => fault.instead(format!("did you mean `{meant}`?")),
            None => fault.instead(format!("keys here: {}", self.section.keys.join(", "))),
        }
    }

    /// Whether it has no keys but these.
    pub(crate) fn has_only(&self, keys: &[&str]) -> bool {
        self.table
            .iter()
            .all(|(name, _)| keys.contains(&name.get_ref().as_ref()))
    }

    /// The key as written, and its value.
    pub(crate) fn entry(&self, key: &str) -> Option<(Range<usize>, Value<'a>)> {
        debug_assert!(
            self.section.keys.contains(&key),
            "{key} is not listed in keys.rs"
        );
        let found = self.table.get_key_value(key)?;
        let span = moved(found.0.span(), self.offset);
        Some((span, Value::new(found.1, self.offset)))
    }

    pub(crate) fn value(&self, key: &str) -> Option<Value<'a>> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Reads a value; a fault is reported at the value and counts as absent.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&Value<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.value(key)?;
        parse(&value)
            .map_err(|fault| self.report.fault(&value.span(), fault))
            .ok()
    }

    /// Reads a list; each faulty item is reported at its own place and left out.
    pub(crate) fn read_list<T>(
        &self,
        key: &str,
        mut parse: impl FnMut(&Value<'a>) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let items = self.read(key, Value::items)?;
        let mut read = Vec::with_capacity(items.len());
        for item in items {
            match parse(&item) {
                Ok(one) => read.push(one),
                Err(fault) => self.report.fault(&item.span(), fault),
            }
        }
        Some(read)
    }

    /// Opens a sub-table.
    pub(crate) fn section(&self, key: &str, section: &'static Section) -> Option<Table<'a, 'r>> {
        let (span, value) = self.entry(key)?;
        Table::open(self.report, section, self.join(key), value, span)
    }

    /// Opens each table of a table of tables whose keys are names, in the order of the file.
    pub(crate) fn named_sections(
        &self,
        key: &str,
        section: &'static Section,
    ) -> Vec<(String, Table<'a, 'r>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let path = self.join(key);
        let Some(tables) = value.value.as_table() else {
            let wanted = format!("a set of sections; write `[{path}.NAME]`");
            self.report.fault(&value.span(), value.mismatch(&wanted));
            return Vec::new();
        };
        let mut named: Vec<_> = tables.iter().collect();
        named.sort_by_key(|(name, _)| name.span().start);
        let open = |(name, value): (&'a Spanned<_>, &'a Spanned<_>)| {
            let span = moved(name.span(), self.offset);
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            let path = format!("{path}.{name}");
            let value = Value::new(value, self.offset);
            let table = Table::open(self.report, section, path, value, span)?;
            Some((name.to_string(), table))
        };
        named.into_iter().filter_map(open).collect()
    }

    /// Opens each table of an array of tables.
    pub(crate) fn listed_sections(
        &self,
        key: &str,
        section: &'static Section,
    ) -> Vec<Table<'a, 'r>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let path = self.join(key);
        let Some(array) = value.value.as_array() else {
            let wanted = format!("a list of sections; write `[[{path}]]`");
            self.report.fault(&value.span(), value.mismatch(&wanted));
            return Vec::new();
        };
        let open = |one| {
            let value = Value::new(one, self.offset);
            Table::open(self.report, section, path.clone(), value, value.span())
        };
        array.iter().filter_map(open).collect()
    }

    pub(crate) fn fault_at_table(&self, fault: Fault) {
        self.report.fault(&self.span, fault);
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}
