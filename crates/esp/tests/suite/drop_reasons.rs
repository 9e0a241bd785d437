//! The operator's page names every reason, in the program's own words.

use esp::{InboundDrop, OutboundDrop};

const PAGE: &str = include_str!("../../../../docs/operating/drop-reasons.md");

fn section(title: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("## {title}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

#[test]
fn the_page_has_a_row_for_each_reason_and_no_other() {
    let inbound = InboundDrop::ALL
        .iter()
        .map(|reason| (reason.label(), reason.sentence()));
    let outbound = OutboundDrop::ALL
        .iter()
        .map(|reason| (reason.label(), reason.sentence()));
    for (title, reasons) in [
        ("ESP, received", inbound.collect::<Vec<_>>()),
        ("ESP, not sent", outbound.collect()),
    ] {
        let rows: Vec<_> = section(title)
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let expected: Vec<_> = reasons
            .iter()
            .map(|(label, sentence)| format!("| `{label}` | {sentence} |"))
            .collect();
        for (row, expected) in rows.iter().zip(&expected) {
            assert!(
                row.starts_with(expected.as_str()),
                "the page: {row}\nthe program: {expected}"
            );
        }
        assert_eq!(
            rows.len(),
            expected.len(),
            "{title}:\n{}",
            expected.join("\n")
        );
    }
}
