//! Whatever the input: each line is accounted for once, what is written is right, and no report
//! holds a secret.
#![allow(missing_docs)]

mod house;

use house::{Imported, read};
use ios::Verdict;
use proptest::prelude::*;

/// Lines of real configurations, to be shuffled and cut up.
fn vocabulary() -> Vec<String> {
    let mut lines: Vec<String> = [
        "tests/routers/headquarters.cfg",
        "tests/routers/branches.cfg",
        "tests/printed/site-to-site.cfg",
        "tests/printed/several-peers.cfg",
    ]
    .iter()
    .flat_map(|path| read(path).lines().map(str::to_owned).collect::<Vec<_>>())
    .collect();
    for command in ios::commands() {
        lines.push(command.command);
    }
    lines
}

fn check(text: &str) {
    let imported = Imported::of(&[("a.cfg", text)]);
    let report = &imported.import.report;
    let numbers: Vec<usize> = report.lines.iter().map(|line| line.line).collect();
    let expected: Vec<usize> = (1..=text.lines().count()).collect();
    assert_eq!(numbers, expected, "each line once, in order");
    for line in &report.lines {
        let told = match line.verdict {
            Verdict::Translated => {
                !line.becomes.is_empty() && line.why.is_empty() && line.waits_in.is_empty()
            }
            Verdict::Partly => {
                !(line.becomes.is_empty() || line.why.is_empty() && line.waits_in.is_empty())
            }
            Verdict::Unneeded | Verdict::NotTranslated => {
                line.becomes.is_empty() && !line.why.is_empty()
            }
            Verdict::OutsideIpsec | Verdict::NoCommand => line.becomes.is_empty(),
        };
        assert!(told, "{line:?}");
        assert!(!line.why.concat().contains("did not get to"), "{line:?}");
        let silent = matches!(line.verdict, Verdict::OutsideIpsec | Verdict::NoCommand);
        let crypto = line.text.trim_start().starts_with("crypto ");
        assert!(!(silent && crypto), "dropped silently: {line:?}");
    }
    imported.loads();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "(?s).{0,400}") {
        check(&text);
    }

    #[test]
    fn lines_of_configurations_in_any_order(
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, any::<prop::sample::Index>()), 0..60)
    ) {
        let vocabulary = vocabulary();
        let mut text = String::new();
        for (line, indent, cut) in picks {
            let line = line.get(&vocabulary).trim();
            let words: Vec<&str> = line.split_whitespace().collect();
            // Three in four lines are whole.
            let kept = if cut.index(4) == 0 { cut.index(words.len() + 1) } else { words.len() };
            text.push_str(&" ".repeat(indent));
            text.push_str(&words[..kept].join(" "));
            text.push('\n');
        }
        check(&text);
    }

    /// A configuration of which any lines are lost and any are doubled.
    #[test]
    fn a_configuration_with_losses(
        fates in prop::collection::vec(0..8_u8, 400),
        flat in any::<bool>(),
    ) {
        let whole = read("tests/routers/headquarters.cfg") + &read("tests/routers/branches.cfg");
        let mut text = String::new();
        for (line, fate) in whole.lines().zip(fates) {
            let line = if flat { line.trim_start() } else { line };
            for _ in 0..match fate { 0 => 0, 1 => 2, _ => 1 } {
                text.push_str(line);
                text.push('\n');
            }
        }
        check(&text);
    }
}

/// Every place where a secret stands, in any order and indentation, with the secret told apart.
#[test]
fn no_report_holds_a_secret() {
    const SECRET: &str = "hunter2-never-shown";
    let lines = [
        "crypto isakmp key S address 10.0.0.1",
        "crypto isakmp key 0 S address 10.0.0.2 255.255.255.0 no-xauth",
        "crypto isakmp key 6 S hostname a.example.org",
        "crypto isakmp key S adress 10.0.0.3",
        "crypto isakmp key S",
        "crypto keyring K",
        "  pre-shared-key address 10.0.0.4 key S",
        "  pre-shared-key hostname b.example.org key 6 S",
        "crypto isakmp client configuration group G",
        " key S",
        " key 6 S",
        "username joe password S",
        "username ann privilege 15 secret 9 S",
        "username sue secret 0 S extra",
        "crypto ikev2 keyring K2",
        " peer P",
        "  address 10.0.0.5",
        "  pre-shared-key S",
        "  pre-shared-key local 0 S",
        "  pre-shared-key remote 6 S",
        "  pre-shared-key hex S",
        "crypto ikev2 profile P2",
        " authentication local pre-share key S",
        " authentication remote pre-share key 6 S",
        "enable secret 9 S",
        "snmp-server community S RO",
        "tacacs-server key 7 S",
        "key chain C",
        " key 1",
        "  key-string S",
        "crypto isakmp peer address 10.0.0.9",
        " set aggressive-mode password S",
        "crypto isakmp unknown password S",
        "neighbor 10.0.0.1 password S",
        "crypto map M 1 ipsec-manual",
        " set session-key inbound esp 256 cipher S authenticator S",
    ];
    for shift in 0..lines.len() {
        for indented in [true, false] {
            let mut text = String::new();
            for line in lines.iter().cycle().skip(shift).take(lines.len()) {
                let line = if indented { line } else { line.trim_start() };
                text.push_str(&line.replace(" S", &format!(" {SECRET}")));
                text.push('\n');
            }
            let imported = Imported::of(&[("a.cfg", &text)]);
            let report = serde_json::to_string(&imported.import.report).expect("JSON");
            assert!(!report.contains(SECRET), "shift {shift}: {report}");
            let rendered = imported.import.render(ios::Secrets::Files);
            assert!(!rendered.toml.contains(SECRET), "{}", *rendered.toml);
        }
    }
}

/// The lines of a source are not mixed with those of another, and a section ends with its source.
#[test]
fn sources_are_told_apart() {
    let imported = Imported::of(&[
        ("a.cfg", "crypto isakmp policy 1\n"),
        ("b.cfg", "group 14\ncrypto isakmp keepalive 10\n"),
    ]);
    let lines = &imported.import.report.lines;
    assert_eq!((lines[1].source.as_str(), lines[1].line), ("b.cfg", 1));
    assert_eq!(lines[1].verdict, Verdict::OutsideIpsec);
    assert!(imported.toml.contains("# b.cfg:2"), "{}", imported.toml);
}
