//! The configuration that comes of an import, before it is text: tables of keys that know which
//! lines they come from.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::ledger::Ledger;
use crate::line::LineId;
use crate::report::{Missing, Report, printable};
use crate::{Rendered, SecretFile, Secrets};

/// All of it, in the order in which it is written.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) blocks: Vec<Block>,
    pub(crate) notes: Vec<String>,
}

/// Tables that are complete together, or a comment together.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) tables: Vec<Table>,
    pub(crate) missing: Vec<Lack>,
}

/// What a block waits for.
pub(crate) struct Lack {
    pub(crate) what: String,
    pub(crate) instead: String,
}

/// One table of TOML.
pub(crate) struct Table {
    /// Its name, quoted where that is needed.
    pub(crate) path: String,
    /// Sentences above it.
    pub(crate) comments: Vec<String>,
    keys: Vec<Key>,
    /// Lines of which the table itself is the translation.
    lines: Vec<LineId>,
}

struct Key {
    name: &'static str,
    value: Value,
    lines: Vec<LineId>,
}

enum Value {
    /// As it stands in the file.
    Toml(String),
    /// A secret: the key's other name when it is in a file, the file's name, and the secret.
    Secret {
        in_file: &'static str,
        file: String,
        text: Option<Zeroizing<String>>,
    },
}

impl Table {
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            comments: Vec::new(),
            keys: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The table stands for these lines.
    pub(crate) fn stands_for(&mut self, lines: &[LineId]) {
        self.lines.extend_from_slice(lines);
    }

    /// Sets a key to a value as TOML writes it.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>, lines: &[LineId]) {
        self.keys.push(Key {
            name,
            value: Value::Toml(value.into()),
            lines: lines.to_vec(),
        });
    }

    /// Sets a key to a text.
    pub(crate) fn set_text(&mut self, name: &'static str, text: &str, lines: &[LineId]) {
        self.set(name, quoted(text), lines);
    }

    /// Sets a key to a list of texts.
    pub(crate) fn set_list(&mut self, name: &'static str, items: &[String], lines: &[LineId]) {
        self.set(name, list(items), lines);
    }

    /// Sets a secret: under `name` if it stands in the text, under `in_file` if in a file.
    pub(crate) fn set_secret(
        &mut self,
        (name, in_file): (&'static str, &'static str),
        file: String,
        text: Option<Zeroizing<String>>,
        lines: &[LineId],
    ) {
        let value = Value::Secret {
            in_file,
            file,
            text,
        };
        self.keys.push(Key {
            name,
            value,
            lines: lines.to_vec(),
        });
    }
}

impl Block {
    /// A block of a single table.
    pub(crate) fn of(table: Table) -> Self {
        Self {
            tables: vec![table],
            missing: Vec::new(),
        }
    }

    pub(crate) fn lacks(&mut self, what: impl Into<String>, instead: impl Into<String>) {
        self.missing.push(Lack {
            what: what.into(),
            instead: instead.into(),
        });
    }

    /// The section that the block is about.
    fn section(&self) -> &str {
        self.tables.first().map_or("", |table| &table.path)
    }
}

impl Document {
    /// Tells the ledger where each line went.
    pub(crate) fn enter(&self, ledger: &mut Ledger) {
        for block in &self.blocks {
            for table in &block.tables {
                for line in &table.lines {
                    ledger.translated(*line, &table.path);
                }
                for key in &table.keys {
                    let path = format!("{}.{}", table.path, key.name);
                    key.lines
                        .iter()
                        .for_each(|line| ledger.translated(*line, &path));
                }
            }
            if block.missing.is_empty() {
                continue;
            }
            let lines = block.tables.iter().flat_map(|table| {
                let keys = table.keys.iter().flat_map(|key| &key.lines);
                table.lines.iter().chain(keys)
            });
            lines.for_each(|line| ledger.wait(*line, block.section()));
        }
    }

    /// Whether there is a secret that would stand in the text.
    pub(crate) fn has_secrets(&self) -> bool {
        let complete = self.blocks.iter().filter(|block| block.missing.is_empty());
        let keys = complete.flat_map(|block| block.tables.iter().flat_map(|table| &table.keys));
        let mut values = keys.map(|key| &key.value);
        values.any(|value| matches!(value, Value::Secret { text: Some(_), .. }))
    }

    /// What incomplete blocks wait for.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        let of_block = |block: &Block| {
            let section = block.section().to_owned();
            let lacks = block.missing.iter().map(move |lack| Missing {
                section: section.clone(),
                what: lack.what.clone(),
                instead: lack.instead.clone(),
            });
            lacks.collect::<Vec<_>>()
        };
        self.blocks.iter().flat_map(of_block).collect()
    }

    /// The text, and the files that it names.
    pub(crate) fn render(&self, report: &Report, secrets: Secrets) -> Rendered {
        let mut writer = Writer {
            toml: Zeroizing::new(String::new()),
            files: Vec::new(),
            secrets,
            report,
        };
        for note in &self.notes {
            writer.comment("", note);
        }
        for block in &self.blocks {
            writer.block(block);
        }
        Rendered {
            toml: writer.toml,
            files: writer.files,
        }
    }
}

struct Writer<'a> {
    toml: Zeroizing<String>,
    files: Vec<SecretFile>,
    secrets: Secrets,
    report: &'a Report,
}

impl Writer<'_> {
    fn comment(&mut self, prefix: &str, text: &str) {
        let _ = writeln!(self.toml, "{prefix}# {}", printable(text));
    }

    fn block(&mut self, block: &Block) {
        let complete = block.missing.is_empty();
        let prefix = if complete { "" } else { "# " };
        self.toml.push('\n');
        for lack in &block.missing {
            self.comment("", &format!("MISSING: {}", lack.what));
            self.comment("", &format!("  {}", lack.instead));
        }
        for (index, table) in block.tables.iter().enumerate() {
            if index > 0 {
                let _ = writeln!(self.toml, "{}", prefix.trim_end());
            }
            for comment in &table.comments {
                self.comment(prefix, comment);
            }
            for line in &table.lines {
                let Some(line) = self.report.lines.get(*line) else {
                    continue;
                };
                let text = format!("{}:{}: {}", line.source, line.line, line.text);
                self.comment(prefix, &text);
            }
            let _ = writeln!(self.toml, "{prefix}[{}]", table.path);
            for key in &table.keys {
                self.key(prefix, key, complete);
            }
        }
    }

    fn key(&mut self, prefix: &str, key: &Key, complete: bool) {
        let from = self.lines(&key.lines);
        let (name, value) = match &key.value {
            Value::Toml(value) => (key.name, Zeroizing::new(value.clone())),
            Value::Secret {
                in_file,
                file,
                text,
            } => match (self.secrets, text) {
                (Secrets::Inline, Some(text)) if complete => (key.name, quoted_secret(text)),
                (_, text) => {
                    if let (Some(text), Secrets::Files) = (text, self.secrets) {
                        self.file(file, text);
                    }
                    (*in_file, Zeroizing::new(quoted(file)))
                }
            },
        };
        let _ = writeln!(self.toml, "{prefix}{name} = {}{from}", *value);
    }

    fn file(&mut self, name: &str, text: &Zeroizing<String>) {
        if self.files.iter().any(|file| file.name == name) {
            return;
        }
        let mut content = Zeroizing::new(String::with_capacity(text.len() + 1));
        content.push_str(text);
        content.push('\n');
        self.files.push(SecretFile {
            name: name.to_owned(),
            content,
        });
    }

    /// The lines that a key comes from, as a comment behind it.
    fn lines(&self, lines: &[LineId]) -> String {
        let mut sources: Vec<(&str, Vec<usize>)> = Vec::new();
        for line in lines.iter().filter_map(|line| self.report.lines.get(*line)) {
            match sources
                .iter_mut()
                .find(|(source, _)| *source == line.source)
            {
                None => sources.push((&line.source, vec![line.line])),
                Some((_, numbers)) if numbers.contains(&line.line) => {}
                Some((_, numbers)) => numbers.push(line.line),
            }
        }
        let mut text = String::new();
        for (number, (source, lines)) in sources.iter_mut().enumerate() {
            lines.sort_unstable();
            let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
            let before = if number == 0 { "  # " } else { "; " };
            let _ = write!(text, "{before}{}:{}", printable(source), lines.join(","));
        }
        text
    }
}

/// A text as a basic string of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A secret in the text: in hexadecimal where its beginning would be taken for a notation.
fn quoted_secret(text: &Zeroizing<String>) -> Zeroizing<String> {
    if !text.starts_with("0x") && !text.starts_with("0s") {
        return Zeroizing::new(quoted(text));
    }
    let mut hex = Zeroizing::new(String::with_capacity(text.len() * 2 + 4));
    hex.push_str("\"0x");
    for octet in text.bytes() {
        let _ = write!(hex, "{octet:02x}");
    }
    hex.push('"');
    hex
}

/// A list of texts.
pub(crate) fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A name as a part of a table's path.
pub(crate) fn path_part(name: &str) -> String {
    let bare = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A name of a file, of what `name` holds.
pub(crate) fn file_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let safe: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    // Nothing hidden, and no way up.
    let safe = safe.trim_start_matches('.');
    format!("{safe}.psk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(quoted("a\"b\\c\u{7}"), "\"a\\\"b\\\\c\\u0007\"");
        assert_eq!(path_part("green-1"), "green-1");
        assert_eq!(path_part("10.2.80.0/24"), "\"10.2.80.0/24\"");
        assert_eq!(file_name("../10.2.80.0/24"), "-10.2.80.0-24.psk");
    }

    #[test]
    fn a_secret_that_looks_like_a_notation_is_written_in_hexadecimal() {
        let secret = |text: &str| quoted_secret(&Zeroizing::new(text.to_owned())).to_string();
        assert_eq!(secret("abc"), "\"abc\"");
        assert_eq!(secret("0xyz"), "\"0x3078797a\"");
        assert_eq!(secret("0s"), "\"0x3073\"");
    }
}
