//! The generator against a real headend on loopback, without privileges: what it reports must be
//! what happened, on both sides.

mod control;
mod ikev1;
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
    // Each peer rekeys of its own accord, so each rekey is timed but those that met the headend's.
    let timed = report.ike.rekey_ms.count;
    assert!(timed >= 40, "{timed}");
    let during = report.traffic.during_rekey;
    assert!(during.sent > 500 && during.lost() <= 10, "{during:?}");
    assert_eq!(report.traffic.first_packet_ms.count, 10);
    assert!(report.traffic.first_packet_ms.p50 >= report.setup_ms.p50);
    let missing = report.traffic.sent - report.traffic.verified;
    assert!(
        missing <= 10,
        "{missing} of {} packets are missing",
        report.traffic.sent
    );
}

#[test]
fn the_same_peers_die_in_every_run_with_the_same_seed() {
    let dead = |seed: u32| {
        let headend = Headend::start("mode = \"off\"", 1);
        let report = run(
            &headend,
            &format!("seed-{seed}"),
            &format!(
                "seed = {seed}\nduration_s = 2.0\n\
                 [peers]\ncount = 40\npsk = \"loopback\"\n\
                 [arrival]\nrate_per_second = 200.0\n\
                 [deaths]\ncount = 10\ndelay_s = 0.1\nspread_s = 0.2\n"
            ),
        );
        let deaths = report.deaths.into_iter().map(|death| death.peer);
        deaths.collect::<Vec<u32>>()
    };
    let first = dead(1);
    assert_eq!(first.len(), 10);
    assert_eq!(dead(1), first);
    assert_ne!(dead(2), first);
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

/// Each class with what becomes of its members: whether they die (or never show life), and whether
/// they get a tunnel.
const ZOO: &str = r#"
duration_s = 9.0

[peers]
count = 150
psk = "loopback"
ports = 2

[arrival]
rate_per_second = 300.0

[traffic]
packets_per_second = 0.0

[[class]]
name = "truthful"

[[class]]
name = "every second"
dpd = "every-kth"
answer_every = 2

[[class]]
name = "twice"
dpd = "twice"

[[class]]
name = "wrong"
dpd = "wrong"

[[class]]
name = "old"
dpd = "old"

[[class]]
name = "dead in IKE and ESP"
dpd = "ignore"

[[class]]
name = "alive in ESP alone"
dpd = "ignore"
packets_per_second = 5.0

[[class]]
name = "alive in IKE alone"
esp = false
packets_per_second = 5.0

[[class]]
name = "outbound only"
receives = false
packets_per_second = 5.0

[[class]]
name = "moving"
moves_every_s = 1.0
packets_per_second = 5.0

[[class]]
name = "asking"
probes_per_second = 20.0

[[class]]
name = "silent"
silent_at_s = 4.0

[[class]]
name = "crashing"
silent_at_s = 4.0
return_after_s = 0.5

[[class]]
name = "stalling at once"
stall = "init"

[[class]]
name = "stalling before IKE_AUTH"
stall = "auth"
"#;

#[test]
fn each_kind_of_peer_is_judged_for_what_it_is() {
    let headend = Headend::start(FAST_DPD, 2);
    let report = run(&headend, "zoo", ZOO);
    assert!(
        report.is_success(),
        "{}",
        palisade_load::render_text(&report)
    );
    let doomed = ["wrong", "old", "dead in IKE and ESP", "silent", "crashing"];
    for class in &report.classes {
        assert!((9..=11).contains(&class.peers), "{class:?}");
        let stalls = class.name.starts_with("stalling");
        assert_eq!(class.established, if stalls { 0 } else { class.peers });
        let dies = doomed.contains(&class.name.as_str());
        assert_eq!(class.dead, if dies { class.peers } else { 0 }, "{class:?}");
        // Who is back before the verdict replaces the tunnel that nobody answered on.
        let found = dies && class.name != "crashing";
        assert_eq!(
            class.found,
            if found { class.peers } else { 0 },
            "{class:?}"
        );
    }
    assert_eq!(report.stalled, 20);
    assert_eq!(report.returned, 10);
    assert_eq!(report.return_ms.count, 10);
    assert!(report.network.moves >= 30, "{:?}", report.network);
    assert!(report.ike.probes_sent > 500, "{:?}", report.ike);
}

/// Patience beyond that of a peer whose IKE_AUTH got no answer: it hears no probe before, and it may have to
/// ask a fourth time, after 7.5 s.
const PATIENT_DPD: &str = "mode = \"periodic\"\ninterval = \"1s\"\nretry = \"500ms\"\n\
                           retries = 15\nallow_fast = true";

#[test]
fn a_bad_network_costs_packets_and_no_tunnel() {
    let headend = Headend::start(PATIENT_DPD, 2);
    let report = run(
        &headend,
        "network",
        "duration_s = 10.0\n\
         [peers]\ncount = 40\npsk = \"loopback\"\n\
         [arrival]\nshape = \"ramp\"\nperiod_s = 0.5\nrate_per_second = 100.0\n\
         [traffic]\npackets_per_second = 20.0\n\
         [network]\nloss_percent = 3.0\nduplicate_percent = 5.0\n\
         reorder_percent = 10.0\nreorder_ms = 20.0\ndelay_ms = 10.0\njitter_ms = 5.0\n",
    );
    assert!(
        report.is_success(),
        "{}",
        palisade_load::render_text(&report)
    );
    let (traffic, network) = (&report.traffic, &report.network);
    assert!(network.lost > 100 && network.duplicated > 100);
    assert_eq!(network.overflowed, 0);
    // Two ways, five of a hundred lost on each.
    let share = traffic.verified as f64 / traffic.sent as f64;
    assert!((0.84..0.95).contains(&share), "{share}");
    assert!(
        traffic.drops.contains_key("sequence_duplicate"),
        "{:?}",
        traffic.drops
    );
    assert!(traffic.echo_ms.p50 >= 20.0, "{:?}", traffic.echo_ms.p50);
}

/// Nothing protects IKE_SA_INIT, so a change there may cost a peer its tunnel; what is protected
/// must never come out other than it went in.
#[test]
fn a_changed_octet_never_comes_out_of_a_tunnel() {
    let headend = Headend::start(PATIENT_DPD, 1);
    let report = run(
        &headend,
        "changes",
        "duration_s = 5.0\n\
         [peers]\ncount = 40\npsk = \"loopback\"\n\
         [traffic]\npackets_per_second = 20.0\n\
         [network]\ncorrupt_percent = 5.0\n",
    );
    assert!(report.established > 0);
    assert!(report.network.corrupted > 50, "{:?}", report.network);
    let traffic = &report.traffic;
    assert_eq!(traffic.mismatched, 0);
    assert!(
        traffic.drops.contains_key("integrity"),
        "{:?}",
        traffic.drops
    );
}
