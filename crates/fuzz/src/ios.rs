use std::path::Path;

use ios::{Secrets, Source, Verdict};

/// A running-config. Each line is accounted for once, and what is written is a right configuration.
pub fn ios_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let source = Source {
        name: "a.cfg",
        text: &text,
    };
    let import = ios::import(&[source]);
    let lines = &import.report.lines;
    let numbers = lines.iter().map(|line| line.line);
    assert!(numbers.eq(1..=text.lines().count()));
    for line in lines {
        let explained = match line.verdict {
            Verdict::Translated | Verdict::Partly => !line.becomes.is_empty(),
            Verdict::Unneeded | Verdict::NotTranslated => !line.why.is_empty(),
            Verdict::OutsideIpsec | Verdict::NoCommand => true,
        };
        assert!(explained, "{line:?}");
    }
    let rendered = import.render(Secrets::Inline);
    if let Err(faults) = config::load(&rendered.toml, Path::new("a.toml")) {
        panic!("{faults}");
    }
    let apart = import.render(Secrets::Files);
    assert!(apart.files.iter().all(|file| !file.name.contains('/')));
}
