//! The migration guide holds a row for every command, and no other.
#![allow(missing_docs)]

const GUIDE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/operating/migrating-from-ios.md"
);
const HEADING: &str = "## Every command that is understood";

fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

#[test]
fn the_table_of_the_guide_is_the_list_of_the_code() {
    let mut expected = Vec::new();
    for command in ios::commands() {
        let name = format!("`{}`", command.command);
        let becomes = if command.translated {
            command.becomes.to_owned()
        } else {
            format!("– {}", command.becomes)
        };
        expected.push(row(&[&command.mode, &name, &becomes]));
    }
    let guide = std::fs::read_to_string(GUIDE).expect("the guide");
    let table = guide.split(HEADING).nth(1).expect("the heading");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    // The head of the table.
    let rows: Vec<&str> = rows.skip(1).collect();
    assert_eq!(
        rows,
        expected,
        "the table should be:\n{}",
        expected.join("\n")
    );
}
