//! A large configuration in parts, so that its tree never stands in memory as a whole: sections of connections and
//! secrets are parsed some at a time, and what was read of them is dropped before the next.
//!
//! The text is cut at lines that look like headers; whether they are is not known before it is parsed. Where a part was, a
//! header of a kind of its own is left, so that a cut through a list does not parse; and a name in two parts could
//! hide that it is there twice. Then the text has to be parsed as a whole, which is always right.

use core::ops::Range;
use std::borrow::Cow;
use std::collections::HashSet;

use toml::de::DeTable;

/// Sections that may stand in parts: those of which there may be very many.
pub(crate) const IN_PARTS: [&str; 2] = ["connections", "secrets"];

/// The section of which each part leaves an entry where it was: no header is shorter than the entry's.
const MARKED: &str = "secrets";
const MARK: &str = "[[secrets]]";

/// Octets after which a part ends at the next header.
const PART_LEN: usize = 1 << 16;

/// A text as it is parsed.
pub(crate) struct Parts<'t> {
    text: &'t str,
    /// Everything else, with a mark and blanks where the parts are, so that offsets stay what they are.
    pub(crate) root: Cow<'t, str>,
    parts: Vec<Range<usize>>,
}

impl<'t> Parts<'t> {
    /// The text in one piece.
    pub(crate) const fn whole(text: &'t str) -> Self {
        Self {
            text,
            root: Cow::Borrowed(text),
            parts: Vec::new(),
        }
    }

    /// The text cut into parts, unless a name would be in two of them.
    pub(crate) fn of(text: &'t str) -> Self {
        let Some(parts) = cut(text) else {
            return Self::whole(text);
        };
        let mut root = Cow::Borrowed(text);
        for part in &parts {
            blank(root.to_mut(), part);
        }
        Self { text, root, parts }
    }

    pub(crate) fn are_several(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether the root holds a mark for each part, where headers are, and nothing else of the sections that stand in
    /// parts.
    pub(crate) fn fit(&self, root: &DeTable<'_>) -> bool {
        let sections = root
            .iter()
            .filter(|(name, _)| IN_PARTS.contains(&name.get_ref().as_ref()));
        let marks = sections.map(|(name, value)| {
            let entries = value.get_ref().as_array()?;
            // A header that was left behind a mark would be part of the mark.
            let empty = entries.iter().all(|one| {
                let table = one.get_ref().as_table();
                table.is_some_and(|table| table.is_empty())
            });
            (empty && name.get_ref() == MARKED).then_some(entries.len())
        });
        marks.eq([Some(self.parts.len())])
    }

    /// Each part and its offset in the text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'t str, usize)> {
        let part = |range: &Range<usize>| {
            let part = self.text.get(range.clone()).unwrap_or_default();
            (part, range.start)
        };
        self.parts.iter().map(part)
    }
}

/// Where the parts are; `None` if a name has sections that are apart, or if a string may hold headers.
fn cut(text: &str) -> Option<Vec<Range<usize>>> {
    // Between two headers inside one string both sides would parse, and say something else.
    if text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut seen = HashSet::new();
    let mut last = None;
    let first = text.starts_with('[').then_some(0);
    let headers = text.match_indices("\n[").map(|(at, _)| at + 1);
    let mut headers = first.into_iter().chain(headers).peekable();
    while let Some(start) = headers.next() {
        let end = headers.peek().copied().unwrap_or(text.len());
        let named = named(text.get(start..end).unwrap_or_default());
        match (parts.last_mut(), named) {
            (_, None) => {}
            (Some(part), Some(_)) if named == last => part.end = end,
            (_, Some(named)) if !seen.insert(named) => return None,
            (Some(part), Some(_)) if part.end == start && part.len() < PART_LEN => part.end = end,
            (_, Some(_)) => parts.push(start..end),
        }
        last = named;
    }
    Some(parts)
}

/// The section and the name in a header such as `[connections.name]` or `[connections.name.local]`.
fn named(header: &str) -> Option<(&'static str, &str)> {
    let path = header.strip_prefix('[')?;
    for section in IN_PARTS {
        let Some(rest) = path
            .strip_prefix(section)
            .and_then(|path| path.strip_prefix('.'))
        else {
            continue;
        };
        let bare = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
        let (name, after) = rest.split_at(rest.find(|one| !bare(one))?);
        return (!name.is_empty() && after.starts_with(['.', ']'])).then_some((section, name));
    }
    None
}

/// Overwrites a part with a mark and blanks, but for the end of its last line.
fn blank(text: &mut String, part: &Range<usize>) {
    let last = part.end.saturating_sub(1);
    let kept = if text.get(last..part.end) == Some("\n") {
        last
    } else {
        part.end
    };
    let blanks = " ".repeat((kept - part.start).saturating_sub(MARK.len()));
    text.replace_range(part.start..kept, &format!("{MARK}{blanks}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_whose_strings_may_hold_headers_is_not_cut() {
        for quotes in ["\"\"\"", "'''"] {
            let text = format!("a = {quotes}\n[connections.x]\n[log]\n{quotes}\n");
            assert!(!Parts::of(&text).are_several(), "{text}");
        }
    }

    #[test]
    fn what_is_many_stands_in_parts_and_everything_keeps_its_place() {
        let text = "a = 1\n[connections.x]\nb = 2\n[connections.x.local]\nc = 3\n[log]\nd = 4\n\
                    [secrets.y]\ne = 5\n[secrets.z]\nf = 6";
        let parts = Parts::of(text);
        let cut: Vec<_> = parts.iter().collect();
        assert_eq!(
            cut,
            [
                ("[connections.x]\nb = 2\n[connections.x.local]\nc = 3\n", 6),
                ("[secrets.y]\ne = 5\n[secrets.z]\nf = 6", 68),
            ]
        );
        assert_eq!(parts.root.len(), text.len());
        assert_eq!(parts.root.find("[log]"), text.find("[log]"));
        assert!(!parts.root.contains("connections") && !parts.root.contains("secrets."));
        assert_eq!(parts.root.matches(MARK).count(), 2);
    }

    #[test]
    fn parts_end_when_they_are_long() {
        let text: String = (0..10_000)
            .map(|n| format!("[secrets.s{n}]\nid = \"{n}\"\n"))
            .collect();
        let parts = Parts::of(&text);
        let lengths: Vec<usize> = parts.iter().map(|(part, _)| part.len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), text.len());
        assert!(lengths.len() > 3, "{lengths:?}");
        assert!(
            lengths.iter().all(|length| *length < PART_LEN + 40),
            "{lengths:?}"
        );
        assert_eq!(parts.root.replace(MARK, "").trim(), "");
    }

    #[test]
    fn a_root_that_holds_more_than_marks_does_not_fit() {
        let fits = |text: &str| {
            let parts = Parts::of(text);
            assert!(parts.are_several());
            let (root, faults) = DeTable::parse_recoverable(&parts.root);
            faults.is_empty() && parts.fit(root.get_ref())
        };
        assert!(fits("[connections.x]\n[log]\n[secrets.x]\n"));
        for more in [
            "[connections.x]\n[secrets.\"y\"]\na = 1\n",
            "[secrets.\"y\"]\n[connections.x]\n",
            "[connections.\"y\"]\n[secrets.x]\n",
            "[secrets.x]\n[connections]\n",
            "[[secrets]]\n[connections.x]\n",
            "[connections.x]\n[[secrets]]\n",
        ] {
            assert!(!fits(more), "{more}");
        }
    }

    #[test]
    fn a_name_whose_sections_are_apart_keeps_the_text_whole() {
        let text = "[connections.x]\n[log]\n[connections.x.local]\n";
        assert!(!Parts::of(text).are_several());
        // Of two sections, it may be the same name.
        assert!(Parts::of("[connections.x]\n[log]\n[secrets.x]\n").are_several());
    }

    #[test]
    fn other_headers_are_left_alone() {
        for header in [
            "[connections]",
            "[connections.\"x\"]",
            "[connections . x]",
            "[[connections.x]]",
            "[connectionsx.y]",
            "[pools.x]",
            "[connections.x",
            "[secrets.]",
        ] {
            assert!(!Parts::of(header).are_several(), "{header}");
        }
    }
}
