//! The scenarios of true verdicts and of storms, in their short versions and with few peers, against a running service: an unoptimised
//! build on two cores sets up some hundreds of peers a second. `cargo xtask scenarios` runs them in full.

use std::path::Path;

use palisade_load::cli::{Args, ProgressMode};
use palisade_load::report::Report;

/// Peers of a run: more than the 200 that have to fall silent before the breaker opens, also where three of ten do.
const PEERS: u32 = 800;
/// Peers that come per second.
const RATE: f64 = 100.0;

fn run(name: &str, change: impl FnOnce(&mut Args)) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../loadtest/scenarios");
    let mut args = Args {
        scenario: Some(folder.join(format!("{name}.toml"))),
        short: true,
        headend: Some(env!("CARGO_BIN_EXE_palisade").into()),
        peers: Some(PEERS),
        rate: Some(RATE),
        progress: ProgressMode::None,
        ..Args::default()
    };
    change(&mut args);
    let report = palisade_load::run(args).expect("the run comes to its end");
    assert!(
        report.is_success(),
        "{}",
        palisade_load::render_text(&report)
    );
    assert!(!report.findings.is_empty(), "something was expected");
    report
}

#[test]
fn a_headend_that_stood_still_kills_nobody() {
    let report = run("stopped", |_| {});
    let longest = report.traffic.echo_ms.max;
    assert!(longest > 20_000.0, "it did not stand still: {longest} ms");
}

#[test]
fn an_uplink_that_fails_for_a_while_kills_nobody() {
    let report = run("uplink", |_| {});
    assert!(report.network.lost > 1_000, "{:?}", report.network);
}

#[test]
fn three_of_ten_that_die_at_once_are_all_found_and_nobody_else_is() {
    let report = run("third_dies", |args| args.dead = Some(PEERS * 3 / 10));
    let score = report.score.expect("the events were read");
    assert_eq!(score.dead_detected, PEERS * 3 / 10);
    // The breaker turned the verdicts into suspicions first.
    assert!(score.detection_s.p50 > 10.0, "{:?}", score.detection_s.p50);
}

#[test]
fn five_of_a_hundred_datagrams_lost_kill_nobody() {
    let report = run("loss", |args| args.duration = Some(45.0));
    assert!(report.network.lost > 500, "{:?}", report.network);
}

#[test]
fn a_power_cut_costs_the_others_nothing() {
    let report = run("power_cut", |_| {});
    assert!(report.returned > PEERS * 8 / 10, "{}", report.returned);
    assert!(report.ike.child_rekeys > 0);
}

#[test]
fn a_thousand_behind_one_address_come_in() {
    run("one_address", |args| args.peers = Some(500));
}
