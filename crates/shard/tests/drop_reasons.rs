//! The operator's page names every reason of IKE and of the shard, in the program's own words.

use ike::{ChildFailure, CloseReason, Refusal, Rejection, RemovalReason};
use shard::ShardDrop;

const PAGE: &str = include_str!("../../../docs/operating/drop-reasons.md");

macro_rules! rows {
    ($reasons:ty) => {
        <$reasons>::ALL
            .iter()
            .map(|reason| format!("| `{}` | {} |", reason.label(), reason.sentence()))
            .collect::<Vec<_>>()
    };
}

#[test]
fn each_section_has_a_row_for_each_reason_and_no_other() {
    for (title, expected) in [
        ("The shard, before IKE and ESP", rows!(ShardDrop)),
        ("IKE, received", rows!(Rejection)),
        ("IKE, requests refused", rows!(Refusal)),
        ("IKE SAs closed", rows!(CloseReason)),
        ("Child SAs that did not come to be", rows!(ChildFailure)),
        ("Child SAs removed", rows!(RemovalReason)),
    ] {
        let section = PAGE
            .split_once(&format!("## {title}\n"))
            .map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or(rest));
        let rows: Vec<_> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        assert_eq!(
            rows,
            expected,
            "write under {title}:\n{}",
            expected.join("\n")
        );
    }
}
