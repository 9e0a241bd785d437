//! The input as lines of words, without what a terminal puts around them.

/// A text with the name by which reports call it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Such as the name of a file.
    pub name: &'a str,
    /// A running-config, whole or in part.
    pub text: &'a str,
}

/// Index into all lines of the input.
pub(crate) type LineId = usize;

/// One line.
pub(crate) struct Line<'a> {
    /// Index of the [`Source`].
    pub(crate) source: usize,
    /// Number in its source, from 1.
    pub(crate) number: usize,
    /// Spaces in front; zero behind a prompt.
    pub(crate) indent: usize,
    /// Without what surrounds it.
    pub(crate) text: &'a str,
    /// Its words.
    pub(crate) words: Vec<&'a str>,
    /// Whether it is the first of its source, where no mode of another source holds on.
    pub(crate) first: bool,
}

/// Cuts the sources into lines.
pub(crate) fn split<'a>(sources: &[Source<'a>]) -> Vec<Line<'a>> {
    let lines = sources.iter().enumerate().flat_map(|(source, from)| {
        let numbered = from.text.lines().enumerate();
        numbered.map(move |(index, raw)| line(source, index, raw))
    });
    lines.collect()
}

fn line(source: usize, index: usize, raw: &str) -> Line<'_> {
    let trimmed = raw.trim();
    let indent = raw.len() - raw.trim_start().len();
    let (indent, text) = match after_prompt(trimmed) {
        Some(command) => (0, command),
        None => (indent, trimmed),
    };
    Line {
        source,
        number: index + 1,
        indent,
        text,
        words: text.split_whitespace().collect(),
        first: index == 0,
    }
}

/// What follows a prompt such as `Router#`, `Router(config)#` or `Router (config-crypto-map) #`.
fn after_prompt(text: &str) -> Option<&str> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = text.find(|c: char| !in_name(c)).filter(|end| *end > 0)?;
    let (name, rest) = text.split_at_checked(end)?;
    // What follows these is anybody's words.
    if matches!(name, "description" | "remark") {
        return None;
    }
    if let Some(inside) = rest.trim_start().strip_prefix('(') {
        let (mode, after) = inside.split_once(')')?;
        let command = after.trim_start().strip_prefix('#')?;
        // Such as config-isakmp, conf-isa-prof, cfg-crypto-trans.
        let configures = mode.starts_with("conf") || mode.starts_with("cfg");
        return configures.then(|| command.trim_start());
    }
    let command = rest.strip_prefix(['#', '>'])?;
    let apart = command.is_empty() || command.starts_with(char::is_whitespace);
    apart.then(|| command.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_taken_off() {
        for (text, command) in [
            ("Router# configure terminal", "configure terminal"),
            ("Router> enable", "enable"),
            ("Router (config)# crypto isakmp x", "crypto isakmp x"),
            ("R1(conf-isa-prof)#keyring default", "keyring default"),
            ("R1(cfg-crypto-trans)# exit", "exit"),
            (
                "R-1(config-crypto-map)#set peer 10.0.0.1",
                "set peer 10.0.0.1",
            ),
            (
                "Router (config-crypto-map) # set peer 10.0.0.1",
                "set peer 10.0.0.1",
            ),
        ] {
            assert_eq!(after_prompt(text), Some(command), "{text}");
        }
        for text in [
            "crypto isakmp key a#b address 10.0.0.1",
            "description (config) # of old",
            "a#b",
            "#",
            "",
            "permit ip any any",
        ] {
            assert_eq!(after_prompt(text), None, "{text}");
        }
    }

    #[test]
    fn lines_keep_their_place() {
        let sources = [
            Source {
                name: "a",
                text: "one\n  two words\r\n\n",
            },
            Source {
                name: "b",
                text: "R1(config)#three",
            },
        ];
        let lines = split(&sources);
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (line.source, line.number, line.indent, line.words.join("+")))
            .collect();
        let expected = [
            (0, 1, 0, "one"),
            (0, 2, 2, "two+words"),
            (0, 3, 0, ""),
            (1, 1, 0, "three"),
        ];
        assert_eq!(seen, expected.map(|(s, n, i, w)| (s, n, i, w.to_owned())));
    }
}
