//! The text of a configuration file: from offsets to lines and columns, and what may be quoted of it.

use core::ops::Range;

/// A place in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
}

/// The text, its name and where its lines begin. Secrets are masked before anything is quoted.
pub(crate) struct Source {
    pub(crate) file: String,
    masked: String,
    line_starts: Vec<usize>,
}

impl Source {
    pub(crate) fn new(text: &str, file: &str) -> Self {
        let newlines = text
            .bytes()
            .enumerate()
            .filter(|(_, octet)| *octet == b'\n');
        let line_starts = core::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            file: file.to_owned(),
            masked: mask_secrets(text),
            line_starts,
        }
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.masked.len());
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.masked.get(start..offset).unwrap_or("");
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// A line without its end, secrets masked.
    pub(crate) fn line(&self, number: usize) -> &str {
        let start = self
            .line_starts
            .get(number.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let rest = self.masked.get(start..).unwrap_or("");
        rest.lines().next().unwrap_or("")
    }

    /// Characters of the span that lie on its first line; at least one, so that something is
    /// underlined.
    pub(crate) fn width(&self, span: &Range<usize>) -> usize {
        let text = self.masked.get(span.clone()).unwrap_or("");
        text.lines()
            .next()
            .unwrap_or("")
            .trim_end()
            .chars()
            .count()
            .max(1)
    }
}

/// The same text, character for character, with every value of a key `secret` or `password` replaced
/// by asterisks. It looks at characters and not at syntax: it has to work on a file that does not parse.
fn mask_secrets(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    // The next value of each key. It is sought again only from behind what was found: a search for each
    // secret to the end of the file would take quadratic time.
    let mut next = SECRET_KEYS.map(|key| find_value_of(text, 0, key));
    let mut done = 0;
    while let Some(at) = next.into_iter().flatten().min() {
        masked.push_str(text.get(done..at).unwrap_or_default());
        let value = text.get(at..).unwrap_or_default();
        let (hidden, _) = value.split_at(value_length(value));
        for character in hidden.chars() {
            // Offsets into the text must stay valid, hence an asterisk for each octet.
            let stars = if character == '\n' { "\n" } else { "****" };
            masked.push_str(stars.get(..character.len_utf8()).unwrap_or(stars));
        }
        done = at + hidden.len();
        for (found, key) in next.iter_mut().zip(SECRET_KEYS) {
            if found.is_some_and(|found| found == at || found < done) {
                *found = find_value_of(text, done, key);
            }
        }
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    masked
}

/// Keys whose values nobody is shown.
const SECRET_KEYS: [&str; 2] = ["secret", "password"];

/// Where the value of the next such key starts, from an offset on.
fn find_value_of(text: &str, from: usize, key: &str) -> Option<usize> {
    let rest = text.get(from..)?;
    for (at, word) in rest.match_indices(key) {
        let after = rest.get(at + word.len()..)?;
        let after_quote = after.strip_prefix(['"', '\'']).unwrap_or(after);
        let trimmed = after_quote.trim_start_matches([' ', '\t']);
        if let Some(value) = trimmed.strip_prefix('=') {
            return Some(text.len() - value.len());
        }
    }
    None
}

/// How far a value reaches: to its closing quotes, or to the end of the line.
fn value_length(value: &str) -> usize {
    let start = value.len() - value.trim_start_matches([' ', '\t']).len();
    let body = value.get(start..).unwrap_or("");
    for quotes in ["\"\"\"", "'''", "\"", "'"] {
        let Some(inside) = body.strip_prefix(quotes) else {
            continue;
        };
        let line_end = if quotes.len() == 1 {
            inside.find('\n')
        } else {
            None
        };
        let inside = inside
            .get(..line_end.unwrap_or(inside.len()))
            .unwrap_or(inside);
        let closing = find_closing(inside, quotes).map_or(inside.len(), |at| at + quotes.len());
        return start + quotes.len() + closing;
    }
    value.find('\n').unwrap_or(value.len())
}

fn find_closing(inside: &str, quotes: &str) -> Option<usize> {
    let basic = quotes.starts_with('"');
    let mut escaped = false;
    for (at, character) in inside.char_indices() {
        if escaped {
            escaped = false;
        } else if basic && character == '\\' {
            escaped = true;
        } else if inside
            .get(at..)
            .is_some_and(|rest| rest.starts_with(quotes))
        {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let source = Source::new("a = 1\nbä = 2\n", "f");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(6), Position { line: 2, column: 1 });
        // `ä` is two octets and one column.
        assert_eq!(source.position(10), Position { line: 2, column: 4 });
        assert_eq!(source.line(2), "bä = 2");
        assert_eq!(source.position(999), Position { line: 3, column: 1 });
    }

    #[test]
    fn secrets_are_masked_however_they_are_written() {
        for text in [
            "secret = \"hunter2\"",
            "secret='hunter2'",
            "password = \"hunter2\"",
            "x = { password = 'hunter2', secret = 'hunter2' }",
            "x = { secret = \"a\\\"hunter2\", id = 1 }",
            "\"secret\" = \"hunter2\"",
            "secret = \"\"\"\nhunter2\n\"\"\"\n",
            "secret = hunter2",
            "secret = \"hunter2",
            "secret = '''hunter2",
            "a.secret = \"hünter2\"\nhunter = 3",
        ] {
            let masked = mask_secrets(text);
            assert!(!masked.contains("unter2"), "{masked}");
            assert!(!masked.contains("nter2"), "{masked}");
            assert_eq!(masked.len(), text.len(), "{masked}");
        }
        assert_eq!(
            mask_secrets("x = 1 # no secrets here"),
            "x = 1 # no secrets here"
        );
        for empty in ["secret =", "password =\nsecret =", "secret =\n\nx = 1"] {
            assert_eq!(mask_secrets(empty), empty);
        }
        assert!(mask_secrets("x = { secret = 'k', id = 'me' }").ends_with(", id = 'me' }"));
    }
}
