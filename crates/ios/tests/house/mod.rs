//! What the tests share: an import, its text, and what the configuration makes of it.

use std::path::Path;

use ios::{Import, Secrets, Source, Verdict};

/// An import with its text.
pub(crate) struct Imported {
    pub(crate) import: Import,
    pub(crate) toml: String,
}

impl Imported {
    pub(crate) fn of(sources: &[(&str, &str)]) -> Self {
        let sources: Vec<Source<'_>> = sources
            .iter()
            .map(|(name, text)| Source { name, text })
            .collect();
        let import = ios::import(&sources);
        let toml = import.render(Secrets::Inline).toml.to_string();
        Self { import, toml }
    }

    /// The configuration, which has to be right.
    pub(crate) fn loads(&self) -> config::Config {
        config::load(&self.toml, Path::new("imported.toml"))
            .unwrap_or_else(|faults| panic!("{faults}\n{}", self.toml))
    }

    /// The verdict on a line of the first source, and a part of what is said about it.
    #[allow(dead_code, reason = "not every test file asks")]
    pub(crate) fn expect(&self, number: usize, verdict: Verdict, why: &str) {
        let line = &self.import.report.lines[number - 1];
        assert_eq!((line.line, line.verdict), (number, verdict), "{line:?}");
        assert!(line.why.concat().contains(why), "{line:?}");
    }
}

/// A configuration from print.
#[allow(dead_code, reason = "not every test file asks")]
pub(crate) fn printed(name: &str) -> String {
    read(&format!("tests/printed/{name}"))
}

/// A file of this crate.
pub(crate) fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
