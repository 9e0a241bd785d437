//! What we expose, judged by Prometheus's own linter and by the operator's page.

use std::io::Write as _;
use std::process::{Command, Stdio};

use hdrhistogram::Histogram;
use metrics::{Format, Scrape, catalogue};

fn one_of_each() -> Scrape {
    let mut latency = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("sound bounds");
    for microseconds in [90, 1_000, 40_000, 7_000_000] {
        latency.record(microseconds).expect("within bounds");
    }
    let mut scrape = Scrape::new();
    scrape.gauge(&catalogue::BUILD_INFO, ["0.1.0"], 1.0);
    scrape.gauge(&catalogue::START_TIME, [], 1.7e9);
    scrape.count_fraction(&catalogue::PROCESS_CPU, [], 1.25);
    scrape.gauge(&catalogue::PROCESS_MEMORY, [], 1e8);
    scrape.gauge(&catalogue::SHARD_TIMERS, ["0"], 1e6);
    scrape.count(&catalogue::SHARD_HANDOFFS, ["0"], 3);
    scrape.count(&catalogue::IKE_SETUP_FAILURES, ["no_proposal_chosen"], 1);
    scrape.count(&catalogue::ESP_DROPS, ["inbound", "replay"], 2);
    scrape.distribution(&catalogue::IKE_HANDSHAKE, ["responder"], &latency);
    scrape.distribution(&catalogue::DPD_DETECTION, [], &latency);
    scrape.distribution(&catalogue::TIMER_LATENESS, [], &latency);
    scrape.distribution(&catalogue::ESP_BATCH, ["inbound"], &latency);
    scrape
}

#[test]
fn promtool_accepts_the_exposition() {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not run: promtool is not installed (Debian package `prometheus`)");
            return;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    let text = one_of_each().render(Format::Prometheus);
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(text.as_bytes())
        .expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}\n{text}"
    );
}

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
