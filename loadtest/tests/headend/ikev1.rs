//! Peers that speak IKEv1.

use palisade_load::render_text;
use palisade_load::scenario::Version;

use crate::service::Headend;
use crate::{FAST_DPD, run};

/// What becomes of each class: whether it gets tunnels, and whether its members die.
const CLASSES: &str = r#"
duration_s = 9.0

[peers]
count = 140
psk = "loopback"
ports = 2

[arrival]
rate_per_second = 300.0

[tunnel]
version = 1

[traffic]
packets_per_second = 0.0

[[class]]
name = "truthful"

[[class]]
name = "of the other version"
version = 2

[[class]]
name = "late"
dpd = "late"
answer_delay_ms = 150

[[class]]
name = "twice"
dpd = "twice"

[[class]]
name = "wrong number"
dpd = "wrong"

[[class]]
name = "old number"
dpd = "old"

[[class]]
name = "alive in ESP alone"
dpd = "ignore"
packets_per_second = 5.0

[[class]]
name = "asking"
dpd = "ignore"
probes_per_second = 4.0

[[class]]
name = "skipping numbers"
dpd = "ignore"
probes_per_second = 4.0
sequence_step = 9

[[class]]
name = "leaping in its numbers"
dpd = "ignore"
probes_per_second = 4.0
sequence_step = 1000

[[class]]
name = "repeating its number"
dpd = "ignore"
probes_per_second = 4.0
sequence_step = 0

[[class]]
name = "stalling at once"
stall = "init"

[[class]]
name = "stalling before message 3"
stall = "exchange"

[[class]]
name = "stalling before message 5"
stall = "auth"
"#;

#[test]
fn each_kind_of_peer_is_judged_for_what_it_is() {
    let headend = Headend::start(FAST_DPD, 2);
    let report = run(&headend, "ikev1-zoo", CLASSES);
    assert!(report.is_success(), "{}", render_text(&report));
    let doomed = [
        "wrong number",
        "old number",
        "leaping in its numbers",
        "repeating its number",
    ];
    for class in &report.classes {
        assert!((9..=11).contains(&class.peers), "{class:?}");
        let v1 = class.name != "of the other version";
        assert_eq!(class.version == Version::V1, v1, "{class:?}");
        let stalls = class.name.starts_with("stalling");
        assert_eq!(class.established, if stalls { 0 } else { class.peers });
        let dead = if doomed.contains(&class.name.as_str()) {
            class.peers
        } else {
            0
        };
        assert_eq!((class.dead, class.found), (dead, dead), "{class:?}");
    }
    assert_eq!(report.stalled, 30);
    let ike = &report.ike;
    assert!(ike.probes_sent > 500, "{ike:?}");
    // Repetitions are answered now and then only.
    assert!(ike.probes_acknowledged > 300, "{ike:?}");
}

#[test]
fn phase_1_and_phase_2_are_renewed_under_traffic_without_a_loss() {
    let headend = Headend::start("mode = \"off\"", 1);
    let report = run(
        &headend,
        "ikev1-renewals",
        "duration_s = 9.0\n\
         leave = \"silent\"\n\
         [peers]\ncount = 10\npsk = \"loopback\"\n\
         [arrival]\nrate_per_second = 100.0\n\
         [tunnel]\nversion = 1\n\
         [traffic]\npackets_per_second = 50.0\n\
         [rekey]\nchild_s = 2.0\nike_s = 2.5\n",
    );
    assert!(report.is_success(), "{}", render_text(&report));
    assert!(report.ike.child_rekeys >= 20, "{:?}", report.ike);
    assert!(report.ike.ike_rekeys >= 20, "{:?}", report.ike);
    let missing = report.traffic.sent - report.traffic.verified;
    assert!(missing <= 10, "{}", render_text(&report));
}

#[test]
fn users_come_in_aggressive_mode_are_told_their_address_and_are_found_dead_by_name() {
    let headend = Headend::start(FAST_DPD, 1);
    let report = run(
        &headend,
        "ikev1-users",
        "duration_s = 6.5\n\
         [peers]\ncount = 20\npsk = \"loopback\"\nidentity = \"peer-{n}@users.example\"\n\
         [arrival]\nrate_per_second = 100.0\n\
         [tunnel]\nversion = 1\nike_v1 = \"aes256-sha256-ecp256\"\naggressive = true\n\
         mode_config = \"push\"\nxauth_user = \"user-{n}\"\n\
         xauth_password = \"open sesame {n}\"\n\
         [traffic]\npackets_per_second = 10.0\n\
         [deaths]\ncount = 5\ndelay_s = 0.3\n",
    );
    assert!(report.is_success(), "{}", render_text(&report));
    assert_eq!(report.established, 20);
    assert!(report.traffic.verified > 500);
    let score = report.score.expect("the events were read");
    assert_eq!((score.dead_detected, score.false_dead), (5, 0));
}
