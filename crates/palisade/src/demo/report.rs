//! What the demonstration found.

use control::view::Status;
use palisade_load::report::{Percentiles, Report as Found};
use serde::Serialize;

use super::plan::Plan;

/// The report as it stands in JSON.
#[derive(Serialize)]
pub(super) struct Report {
    /// Whether everything went as it should.
    pub(super) passed: bool,
    peers: u32,
    established: u32,
    setup_per_second: f64,
    setup_ms: Points,
    esp_packets_in: u64,
    esp_packets_out: u64,
    esp_packets_verified: u64,
    esp_errors: u64,
    /// What peers dropped, by reason.
    esp_drops_of_peers: std::collections::BTreeMap<String, u64>,
    /// What the headend dropped before living peers left.
    esp_drops_of_headend: u64,
    dpd_probes: u64,
    dpd_probes_answered: u64,
    dead_injected: u32,
    dead_detected: u32,
    dead_late: u32,
    false_dead: u32,
    detection_s: Points,
    detection_bound_s: f64,
    headend_rss_bytes: u64,
    headend_rss_bytes_per_peer: u64,
    headend_cpu_seconds: f64,
    headend_shards: usize,
    headend_engine: String,
    elapsed_s: f64,
}

/// Three points of a distribution.
#[derive(Serialize)]
struct Points {
    p50: f64,
    p99: f64,
    max: f64,
}

impl From<&Percentiles> for Points {
    fn from(percentiles: &Percentiles) -> Self {
        Self {
            p50: percentiles.p50,
            p99: percentiles.p99,
            max: percentiles.max,
        }
    }
}

/// What the headend said of itself.
pub(super) struct Seen<'s> {
    /// Before the first peer came.
    pub(super) at_start: &'s Status,
    /// When most peers were up.
    pub(super) at_peak: &'s Status,
    /// The last time before the living peers left.
    pub(super) before_departure: &'s Status,
    /// When all were gone.
    pub(super) at_end: &'s Status,
}

/// Packets that went wrong. Those that find no SA any more because their peer is just leaving, on
/// their way or before they are sent, are none of them.
fn esp_errors(found: &Found, seen: &Seen<'_>) -> u64 {
    let late = [
        esp::InboundDrop::UnknownSpi.label(),
        esp::OutboundDrop::UnknownSa.label(),
    ];
    let drops = found.traffic.drops.iter();
    let drops = drops.filter(|(reason, _)| !late.contains(&reason.as_str()));
    let of_peers: u64 = drops.map(|(_, count)| count).sum();
    found.traffic.mismatched + of_peers + seen.before_departure.esp_drops
}

impl Report {
    pub(super) fn new(plan: &Plan, found: &Found, seen: &Seen<'_>) -> Self {
        let score = found.score.clone().unwrap_or_default();
        let rss = seen.at_peak.resident_bytes;
        let grown = rss.saturating_sub(seen.at_start.resident_bytes);
        let at_end = seen.at_end;
        let passed = found.established == plan.peers
            && score.complete
            && score.dead_injected == plan.dead
            && score.dead_detected == plan.dead
            && score.dead_late == 0
            && score.false_dead == 0
            && found.traffic.mismatched == 0;
        Self {
            passed,
            peers: plan.peers,
            established: found.established,
            setup_per_second: found.setup_per_second,
            setup_ms: (&found.setup_ms).into(),
            esp_packets_in: at_end.esp_packets_in,
            esp_packets_out: at_end.esp_packets_out,
            esp_packets_verified: found.traffic.verified,
            esp_errors: esp_errors(found, seen),
            esp_drops_of_peers: found.traffic.drops.clone(),
            esp_drops_of_headend: seen.before_departure.esp_drops,
            dpd_probes: at_end.dpd_probes,
            dpd_probes_answered: found.ike.probes_answered,
            dead_injected: score.dead_injected,
            dead_detected: score.dead_detected,
            dead_late: score.dead_late,
            false_dead: score.false_dead,
            detection_s: (&score.detection_s).into(),
            detection_bound_s: plan.bound().as_secs_f64(),
            headend_rss_bytes: rss,
            headend_rss_bytes_per_peer: grown / u64::from(plan.peers.max(1)),
            headend_cpu_seconds: at_end.cpu_s,
            headend_shards: at_end.shards.len(),
            headend_engine: at_end.engine.clone(),
            elapsed_s: found.elapsed_s,
        }
    }

    /// The report for people.
    pub(super) fn text(&self, plan: &Plan) -> String {
        let Points { p50, p99, max } = &self.setup_ms;
        let found = &self.detection_s;
        let mut lines = vec![
            format!(
                "peers       {} of {} established, {:.0} set-ups/s (IKEv2, PSK, X25519)",
                self.established, self.peers, self.setup_per_second
            ),
            format!("set-up      p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"),
            format!(
                "ESP         {} packets in, {} out, {} came back with the right plaintext, {} errors",
                self.esp_packets_in,
                self.esp_packets_out,
                self.esp_packets_verified,
                self.esp_errors
            ),
            format!(
                "probes      {} sent, {} answered by living peers",
                self.dpd_probes, self.dpd_probes_answered
            ),
            format!(
                "verdicts    {} of {} deaths found, {} too late; {} living peers declared dead",
                self.dead_detected, self.dead_injected, self.dead_late, self.false_dead
            ),
            format!(
                "detection   p50 {:.2} s, p99 {:.2} s, max {:.2} s after the death; {:.2} s allowed",
                found.p50, found.p99, found.max, self.detection_bound_s
            ),
            format!(
                "headend     {} resident ({} per peer), {:.1} s of CPU on {} workers, {}",
                control::octets(self.headend_rss_bytes),
                control::octets(self.headend_rss_bytes_per_peer),
                self.headend_cpu_seconds,
                self.headend_shards,
                self.headend_engine
            ),
            format!("policy      {}", plan.policy_text()),
        ];
        lines.push(if self.passed {
            format!("passed in {:.0} s", self.elapsed_s)
        } else {
            format!("FAILED after {:.0} s", self.elapsed_s)
        });
        let mut text = lines.join("\n");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_load::report::Score;

    /// A run in which everything went well.
    fn found(plan: &Plan) -> Found {
        let score = Score {
            dead_injected: plan.dead,
            dead_detected: plan.dead,
            complete: true,
            ..Score::default()
        };
        Found {
            elapsed_s: 20.0,
            peers: plan.peers,
            established: plan.peers,
            setup_per_second: 500.0,
            score: Some(score),
            ..Found::default()
        }
    }

    fn report(spoil: impl FnOnce(&mut Found)) -> Report {
        let args = crate::cli::DemoArgs {
            peers: 100,
            dead: None,
            seconds: None,
            json: true,
        };
        let plan = Plan::new(&args).expect("a plan");
        let mut found = found(&plan);
        spoil(&mut found);
        let status = Status {
            esp_drops: 1,
            ..Status::default()
        };
        let seen = Seen {
            at_start: &status,
            at_peak: &status,
            before_departure: &status,
            at_end: &status,
        };
        Report::new(&plan, &found, &seen)
    }

    fn spoil_score(spoil: impl FnOnce(&mut Score)) -> bool {
        report(|found| spoil(found.score.as_mut().expect("a score"))).passed
    }

    #[test]
    fn only_a_flawless_run_passes() {
        assert!(report(|_| {}).passed);
        assert!(!report(|found| found.established -= 1).passed);
        assert!(!report(|found| found.traffic.mismatched = 1).passed);
        assert!(!report(|found| found.score = None).passed);
        assert!(!spoil_score(|score| score.dead_detected -= 1));
        assert!(!spoil_score(|score| score.dead_late = 1));
        assert!(!spoil_score(|score| score.false_dead = 1));
        assert!(!spoil_score(|score| score.complete = false));
    }

    #[test]
    fn packets_that_cross_a_farewell_are_no_errors() {
        let report = report(|found| {
            found.traffic.drops.insert("unknown_spi".into(), 7);
            found.traffic.drops.insert("unknown_sa".into(), 1);
            found.traffic.drops.insert("integrity".into(), 2);
        });
        assert_eq!(report.esp_errors, 3);
    }

    #[test]
    fn the_json_has_the_keys_that_scripts_read() {
        let json = serde_json::to_value(report(|_| {})).expect("JSON");
        for key in [
            "peers",
            "established",
            "setup_per_second",
            "setup_ms",
            "esp_packets_in",
            "esp_packets_out",
            "esp_errors",
            "dead_injected",
            "dead_detected",
            "false_dead",
            "detection_s",
            "detection_bound_s",
            "headend_rss_bytes",
            "headend_cpu_seconds",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
        for key in ["setup_ms", "detection_s"] {
            for point in ["p50", "p99", "max"] {
                assert!(json[key].get(point).is_some(), "{key}.{point}");
            }
        }
    }
}
