//! The generator against a real headend on loopback, without privileges: what it reports must be
//! what happened, on both sides.

mod control;
mod service;

use std::time::Duration;

use palisade_load::cli::{Args, ProgressMode};
use palisade_load::report::Report;

use service::Headend;

/// Liveness as fast as it may be: a death is found within the bound that `dpd` computes.
const FAST_DPD: &str = "mode = \"periodic\"\ninterval = \"1s\"\nretry = \"300ms\"\nretries = 2\n\
                        jitter = 10\nallow_fast = true";

fn scenario(name: &str, text: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("palisade-load-{}-{name}", std::process::id()));
    std::fs::write(&path, text).expect("the temporary directory is writable");
    path
}

fn run(headend: &Headend, name: &str, text: &str) -> Report {
    let path = scenario(name, text);
    let report = palisade_load::run(Args {
        scenario: Some(path.clone()),
        target: Some(headend.target()),
        events: Some(headend.control().to_path_buf()),
        bound: Some(headend.bound_s()),
        progress: ProgressMode::None,
        ..Args::default()
    });
    std::fs::remove_file(path).expect("it was written above");
    report.expect("the run comes to its end")
}

#[test]
fn peers_come_send_and_die_and_the_headend_finds_exactly_the_dead() {
    let headend = Headend::start(FAST_DPD, 2);
    let report = run(
        &headend,
        "deaths",
        "duration_s = 6.5\n\
         threads = 2\n\
         [peers]\ncount = 60\npsk = \"loopback\"\n\
         [arrival]\nrate_per_second = 120.0\n\
         [traffic]\npackets_per_second = 10.0\npayload_bytes = 200\n\
         [deaths]\ncount = 9\ndelay_s = 0.3\nspread_s = 0.5\n",
    );
    assert!(
        report.is_success(),
        "{}",
        palisade_load::render_text(&report)
    );
    assert_eq!(report.established, 60);
    assert_eq!(report.setup_ms.count, 60);
    assert_eq!(report.deaths.len(), 9);
    let score = report.score.expect("the events were read");
    assert_eq!((score.dead_detected, score.false_dead), (9, 0));
    assert!(score.detection_s.max <= headend.bound_s());
    assert!(report.traffic.verified > 1_000);
    // Only what was under way when a peer died, or when the run ended, may be missing.
    let missing = report.traffic.sent - report.traffic.verified;
    assert!(
        missing <= 60,
        "{missing} of {} packets are missing",
        report.traffic.sent
    );
    let dead: Vec<String> = report
        .deaths
        .into_iter()
        .map(|death| death.identity)
        .collect();
    assert_eq!(headend.declared_dead(), {
        let mut sorted = dead;
        sorted.sort();
        sorted
    });
}

#[test]
fn the_deaf_live_by_their_traffic_and_the_late_by_their_answers() {
    let headend = Headend::start(FAST_DPD, 1);
    let report = run(
        &headend,
        "classes",
        "duration_s = 6.0\n\
         [peers]\ncount = 30\npsk = \"loopback\"\n\
         [arrival]\nrate_per_second = 100.0\ndistribution = \"uniform\"\n\
         [traffic]\npackets_per_second = 0.0\n\
         [[class]]\nname = \"prompt\"\nshare = 1.0\n\
         [[class]]\nname = \"late\"\nshare = 1.0\ndpd = \"late\"\nanswer_delay_ms = 150\n\
         [[class]]\nname = \"deaf\"\nshare = 1.0\ndpd = \"ignore\"\npackets_per_second = 5.0\n",
    );
    assert!(
        report.is_success(),
        "{}",
        palisade_load::render_text(&report)
    );
    assert!(report.ike.probes_answered > 50, "{:?}", report.ike);
    assert_eq!(headend.declared_dead(), Vec::<String>::new());
}

#[test]
fn tunnels_are_rekeyed_under_traffic_without_a_loss() {
    let headend = Headend::start("mode = \"off\"", 1);
    let report = run(
        &headend,
        "rekeys",
        "duration_s = 6.0\n\
         leave = \"silent\"\n\
         [peers]\ncount = 10\npsk = \"loopback\"\n\
         [arrival]\nrate_per_second = 100.0\n\
         [traffic]\npackets_per_second = 50.0\n\
         [rekey]\nchild_s = 1.0\nike_s = 1.5\n",
    );
    assert!(
        report.is_success(),
        "{}",
        palisade_load::render_text(&report)
    );
    assert!(report.ike.child_rekeys >= 30, "{:?}", report.ike);
    assert!(report.ike.ike_rekeys >= 20, "{:?}", report.ike);
    let missing = report.traffic.sent - report.traffic.verified;
    assert!(
        missing <= 10,
        "{missing} of {} packets are missing",
        report.traffic.sent
    );
}

#[test]
fn a_wrong_key_is_a_failure_with_a_reason() {
    let headend = Headend::start("mode = \"off\"", 1);
    let report = run(
        &headend,
        "wrong-key",
        "duration_s = 3.0\n[peers]\ncount = 3\npsk = \"something else\"\n",
    );
    assert!(!report.is_success());
    assert_eq!(report.established, 0);
    assert_eq!(
        report.failures.values().sum::<u32>(),
        3,
        "{:?}",
        report.failures
    );
    assert!(
        report.failures.contains_key("peer_rejected_authentication"),
        "{:?}",
        report.failures
    );
}

#[test]
fn without_virtual_addresses_each_peer_proposes_its_own() {
    let headend = Headend::start("mode = \"off\"", 1);
    let report = run(
        &headend,
        "fixed",
        "duration_s = 2.5\n\
         [target]\nidentity = \"gateway.example\"\n\
         [peers]\ncount = 20\npsk = \"loopback\"\nsource = \"127.3.0.1\"\nports = 4\n\
         identity = \"peer-{n}@fixed.example\"\n\
         [tunnel]\nike = \"aes256-sha256-ecp256\"\nesp = \"aes256-sha256\"\n\
         inner_base = \"10.50.0.1\"\n",
    );
    assert!(
        report.is_success(),
        "{}",
        palisade_load::render_text(&report)
    );
    assert!(report.traffic.verified >= 20);
    headend.stop(Duration::from_secs(2));
}
