//! What we expose, judged by Prometheus's own linter. It must be installed, so this test stands
//! behind the feature `promtool`, which `cargo xtask test` turns on where it can.

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
    scrape.distribution(&catalogue::IKE_HANDSHAKE, [], &latency);
    scrape.distribution(&catalogue::DPD_DETECTION, [], &latency);
    scrape.distribution(&catalogue::DPD_LATENESS, [], &latency);
    scrape
}

#[test]
fn promtool_accepts_the_exposition() {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
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

fn check_rules(rules: impl AsRef<std::ffi::OsStr>) {
    let output = Command::new("promtool")
        .args(["check", "rules"])
        .arg(rules)
        .output()
        .expect("promtool is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
}

#[test]
fn promtool_accepts_the_alert_rules() {
    check_rules(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/prometheus/palisade.rules.yml"
    ));
}

/// The expressions of the dashboard, with its variables filled in, as rules that record: JSON is YAML.
#[test]
fn promtool_accepts_the_expressions_of_the_dashboard() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/grafana/palisade.json"
    );
    let text = std::fs::read_to_string(path).expect("the dashboard");
    let text = text
        .replace("$__rate_interval", "5m")
        .replace("$instance", ".*");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let rules: Vec<_> = targets
        .flatten()
        .enumerate()
        .map(|(number, target)| {
            serde_json::json!({ "record": format!("panel:{number}"), "expr": target["expr"] })
        })
        .collect();
    assert!(rules.len() >= 40, "{}", rules.len());
    let rules = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let file = std::env::temp_dir().join(format!("dashboard-{}.yml", std::process::id()));
    std::fs::write(&file, rules.to_string()).expect("written");
    check_rules(&file);
    std::fs::remove_file(&file).expect("it was there");
}
