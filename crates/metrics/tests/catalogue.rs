//! The catalogue against the conventions of Prometheus and the operator's page.

use metrics::catalogue;

#[test]
fn names_follow_the_conventions() {
    for (position, metric) in catalogue::ALL.iter().enumerate() {
        let name = metric.name;
        assert!(name.starts_with("palisade_"), "{name}");
        let allowed =
            |octet: u8| octet.is_ascii_lowercase() || octet == b'_' || octet.is_ascii_digit();
        assert!(name.bytes().all(allowed), "{name}");
        let counts = metric.kind == metrics::Kind::Counter;
        assert_eq!(name.ends_with("_total"), counts, "{name}");
        assert!(metric.help.ends_with('.'), "{name}");
        let earlier = catalogue::ALL.iter().take(position);
        assert!(
            earlier.clone().all(|other| other.name != name),
            "{name} twice"
        );
    }
}

#[test]
fn the_operators_page_lists_every_metric_and_no_other() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operating/metrics.md"
    );
    let page = std::fs::read_to_string(path).expect("docs/operating/metrics.md");
    let mut documented: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `palisade_"))
        .filter_map(|rest| rest.split('`').next())
        .map(|rest| format!("palisade_{rest}"))
        .collect();
    let mut exposed: Vec<_> = catalogue::ALL
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    documented.sort();
    exposed.sort();
    assert_eq!(documented, exposed);
    for metric in catalogue::ALL {
        let row = format!("| `{}` | {} |", metric.name, metric.kind.as_str());
        assert!(page.contains(&row), "no row starts with {row}");
        for label in metric.labels {
            let start = page.find(&row).unwrap_or_default();
            let line = page[start..].lines().next().unwrap_or_default();
            assert!(
                line.contains(&format!("`{label}`")),
                "{}: label {label}",
                metric.name
            );
        }
    }
}

/// An alert on a metric that nobody exposes would never fire.
#[test]
fn alert_rules_speak_of_metrics_that_exist() {
    let rules = deployed("prometheus/palisade.rules.yml");
    let expressions = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    assert!(named_in(expressions) >= 10);
}

/// A panel about a metric that nobody exposes would stay empty.
#[test]
fn the_dashboard_speaks_of_metrics_that_exist() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&deployed("grafana/palisade.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let expressions = targets
        .flatten()
        .filter_map(|target| target["expr"].as_str());
    assert!(named_in(expressions) >= 40);
}

fn deployed(file: &str) -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/");
    std::fs::read_to_string(format!("{directory}{file}")).expect("a file to deploy")
}

/// How often metrics are named. Each must be one that is exposed.
fn named_in<'a>(expressions: impl Iterator<Item = &'a str>) -> usize {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expressions.flat_map(|expression| expression.split(|c| !in_name(c)));
    let named = words.filter(|word| word.starts_with("palisade_"));
    let mut count = 0;
    for name in named.map(|word| word.strip_suffix("_bucket").unwrap_or(word)) {
        let exposed = catalogue::ALL.iter().any(|metric| metric.name == name);
        assert!(exposed, "{name} is not exposed");
        count += 1;
    }
    count
}
