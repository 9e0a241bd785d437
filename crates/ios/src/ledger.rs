//! What became of each line. A line enters once, and leaves with one verdict.

use crate::line::LineId;
use crate::report::Verdict;

/// What a line is that nothing made use of.
#[derive(Clone, Copy)]
pub(crate) enum Unused {
    /// It was about something else than IPsec.
    Outside,
    /// It was about IPsec; why it leads nowhere.
    Because(&'static str),
}

#[derive(Clone)]
enum Fate {
    Unread,
    NoCommand,
    Outside,
    Unneeded,
    Refused,
    /// Understood; the translation decides.
    Held(Unused),
}

#[derive(Clone)]
struct Entry {
    fate: Fate,
    becomes: Vec<String>,
    why: Vec<String>,
    waits: Vec<String>,
    secrets: Vec<usize>,
}

/// All lines.
pub(crate) struct Ledger(Vec<Entry>);

impl Ledger {
    pub(crate) fn new(lines: usize) -> Self {
        let entry = Entry {
            fate: Fate::Unread,
            becomes: Vec::new(),
            why: Vec::new(),
            waits: Vec::new(),
            secrets: Vec::new(),
        };
        Self(vec![entry; lines])
    }

    /// A blank line, a comment, or what a terminal adds.
    pub(crate) fn no_command(&mut self, line: LineId) {
        self.set(line, Fate::NoCommand);
    }

    /// A command that has nothing to do with IPsec.
    pub(crate) fn outside(&mut self, line: LineId) {
        self.set(line, Fate::Outside);
    }

    /// A command that says what holds in any case.
    pub(crate) fn unneeded(&mut self, line: LineId, why: impl Into<String>) {
        self.set(line, Fate::Unneeded);
        self.remark(line, why);
    }

    /// A command that cannot be translated.
    pub(crate) fn refuse(&mut self, line: LineId, why: impl Into<String>) {
        self.set(line, Fate::Refused);
        self.remark(line, why);
    }

    /// A command that was understood.
    pub(crate) fn hold(&mut self, line: LineId, unused: Unused) {
        self.set(line, Fate::Held(unused));
    }

    /// Where a line went: a key of the configuration.
    pub(crate) fn translated(&mut self, line: LineId, becomes: &str) {
        if let Some(entry) = self.0.get_mut(line)
            && !entry.becomes.iter().any(|one| one == becomes)
        {
            entry.becomes.push(becomes.to_owned());
        }
    }

    /// What is different from what the line said.
    pub(crate) fn remark(&mut self, line: LineId, why: impl Into<String>) {
        let why = why.into();
        if let Some(entry) = self.0.get_mut(line)
            && !entry.why.contains(&why)
        {
            entry.why.push(why);
        }
    }

    /// A section that the line went to is a comment.
    pub(crate) fn wait(&mut self, line: LineId, section: &str) {
        if let Some(entry) = self.0.get_mut(line)
            && !entry.waits.iter().any(|one| one == section)
        {
            entry.waits.push(section.to_owned());
        }
    }

    /// The sections in which the line is a comment.
    pub(crate) fn waits(&self, line: LineId) -> &[String] {
        self.0.get(line).map_or(&[], |entry| &entry.waits)
    }

    /// Words of a line that no report may show.
    pub(crate) fn hide(&mut self, line: LineId, words: &[usize]) {
        if let Some(entry) = self.0.get_mut(line) {
            entry.secrets.extend_from_slice(words);
        }
    }

    /// The words of a line that no report may show, where they are known.
    pub(crate) fn hidden(&self, line: LineId) -> &[usize] {
        self.0.get(line).map_or(&[], |entry| &entry.secrets)
    }

    /// The verdict on a line, where it went, and what there is to say.
    pub(crate) fn verdict(&self, line: LineId) -> (Verdict, Vec<String>, Vec<String>) {
        let Some(entry) = self.0.get(line) else {
            return (Verdict::NoCommand, Vec::new(), Vec::new());
        };
        let mut why = entry.why.clone();
        let verdict = match (entry.becomes.is_empty(), &entry.fate) {
            (false, _) if why.is_empty() && entry.waits.is_empty() => Verdict::Translated,
            (false, _) => Verdict::Partly,
            (true, Fate::NoCommand) => Verdict::NoCommand,
            (true, Fate::Outside) => Verdict::OutsideIpsec,
            (true, Fate::Unneeded) => Verdict::Unneeded,
            (true, Fate::Refused) => Verdict::NotTranslated,
            (true, Fate::Held(Unused::Outside)) if why.is_empty() => Verdict::OutsideIpsec,
            (true, Fate::Held(Unused::Because(because))) if why.is_empty() => {
                why.push((*because).to_owned());
                Verdict::NotTranslated
            }
            (true, Fate::Held(_)) => Verdict::NotTranslated,
            (true, Fate::Unread) => {
                why.push("the import did not get to this line".to_owned());
                Verdict::NotTranslated
            }
        };
        (verdict, entry.becomes.clone(), why)
    }

    fn set(&mut self, line: LineId, fate: Fate) {
        if let Some(entry) = self.0.get_mut(line) {
            entry.fate = fate;
        }
    }
}
