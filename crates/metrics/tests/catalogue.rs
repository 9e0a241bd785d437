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
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/prometheus/palisade.rules.yml"
    );
    let rules = std::fs::read_to_string(path).expect("the alert rules");
    let expressions = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: Vec<_> = expressions
        .flat_map(|expression| expression.split(|c| !in_name(c)))
        .filter(|word| word.starts_with("palisade_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect();
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        let exposed = catalogue::ALL.iter().any(|metric| metric.name == name);
        assert!(exposed, "{name} is not exposed");
    }
}
