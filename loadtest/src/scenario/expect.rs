//! How a run must come out: section `expect` of a scenario.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::report::{Finding, Report};

/// How a run must come out. What is not given is not judged; with none given, a run has succeeded if
/// [`Report::is_success`] says so by its own rule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Of a hundred peers that want a tunnel, those that get one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub established_percent_min: Option<f64>,
    /// Of a hundred peers that come back after their death, those that get a tunnel again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned_percent_min: Option<f64>,
    /// IKE SAs that end although nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_max: Option<f64>,
    /// Verdicts on living peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_dead_max: Option<f64>,
    /// Dead peers that are neither found nor back by the end of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_dead_max: Option<f64>,
    /// Longest time from death to verdict, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection_s_max: Option<f64>,
    /// Verdicts in the busiest second: what the budget of teardowns allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdicts_per_second_max: Option<f64>,
    /// Of a hundred packets that the peers sent through their tunnels, those that did not come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet_loss_percent_max: Option<f64>,
    /// Set-up time that 99 of 100 peers do not exceed, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_p99_ms_max: Option<f64>,
    /// The same for those that come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_p99_ms_max: Option<f64>,
    /// Set-up p99 of the peers that were due during the flood, except in its first second, over that of those due before or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flood_setup_p99_ratio_max: Option<f64>,
    /// Rekeys of Child SAs that succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child_rekeys_min: Option<f64>,
    /// Growth of the headend's resident memory after every peer had settled for the first time, or since the flood began, in
    /// MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headend_growth_mib_max: Option<f64>,
}

/// On which side of its limit a figure must lie.
#[derive(Clone, Copy)]
enum Side {
    AtLeast,
    AtMost,
}

/// A figure that is expected: its key, its limit, and how it is read from a report (`None` if it was not measured).
struct Rule {
    key: &'static str,
    side: Side,
    limit: Option<f64>,
    found: fn(&Report) -> Option<f64>,
}

impl Expect {
    /// Whether anything is expected at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was found for each expectation, in the order of the keys.
    #[must_use]
    pub fn findings(&self, report: &Report) -> Vec<Finding> {
        let given = self.rules().into_iter().filter_map(|rule| {
            let limit = rule.limit?;
            let found = (rule.found)(report);
            let met = found.is_some_and(|found| match rule.side {
                Side::AtLeast => found >= limit,
                Side::AtMost => found <= limit,
            });
            Some(Finding {
                expectation: rule.key.to_owned(),
                limit,
                found,
                met,
            })
        });
        given.collect()
    }

    fn rules(&self) -> [Rule; 13] {
        let at_most = |key, limit, found| Rule {
            key,
            side: Side::AtMost,
            limit,
            found,
        };
        let at_least = |key, limit, found| Rule {
            key,
            side: Side::AtLeast,
            limit,
            found,
        };
        [
            at_least(
                "established_percent_min",
                self.established_percent_min,
                established_percent,
            ),
            at_least("returned_percent_min", self.returned_percent_min, |r| {
                percent(r.return_ms.count, u64::from(r.returned))
            }),
            at_most("lost_max", self.lost_max, |r| {
                Some(f64::from(r.losses.values().sum::<u32>()))
            }),
            at_most("false_dead_max", self.false_dead_max, |r| {
                r.score.as_ref().map(|score| f64::from(score.false_dead))
            }),
            at_most("missed_dead_max", self.missed_dead_max, missed_dead),
            at_most("detection_s_max", self.detection_s_max, |r| {
                r.score.as_ref().map(|score| score.detection_s.max)
            }),
            at_most(
                "verdicts_per_second_max",
                self.verdicts_per_second_max,
                busiest_second,
            ),
            at_most(
                "packet_loss_percent_max",
                self.packet_loss_percent_max,
                |r| percent(r.traffic.sent - r.traffic.verified, r.traffic.sent),
            ),
            at_most("setup_p99_ms_max", self.setup_p99_ms_max, |r| {
                (r.setup_ms.count > 0).then_some(r.setup_ms.p99)
            }),
            at_most("return_p99_ms_max", self.return_p99_ms_max, |r| {
                (r.return_ms.count > 0).then_some(r.return_ms.p99)
            }),
            at_most(
                "flood_setup_p99_ratio_max",
                self.flood_setup_p99_ratio_max,
                |r| {
                    let flood = r.flood.as_ref()?;
                    let measured = flood.setup_ms.count > 0 && flood.quiet_setup_ms.count > 0;
                    measured.then(|| flood.setup_ms.p99 / flood.quiet_setup_ms.p99)
                },
            ),
            at_least("child_rekeys_min", self.child_rekeys_min, |r| {
                Some(r.ike.child_rekeys as f64)
            }),
            at_most("headend_growth_mib_max", self.headend_growth_mib_max, |r| {
                let headend = r.headend.as_ref()?;
                let growth = headend.resident_bytes_max as f64 - headend.settled_bytes? as f64;
                Some(growth / f64::from(1 << 20))
            }),
        ]
    }

    pub(super) fn validate(&self) -> Result<()> {
        for rule in self.rules() {
            let sound = |limit: f64| limit >= 0.0 && limit.is_finite();
            ensure!(
                rule.limit.is_none_or(sound),
                "expect.{} must not be negative",
                rule.key
            );
        }
        Ok(())
    }
}

fn established_percent(report: &Report) -> Option<f64> {
    let wanting = || report.classes.iter().filter(|class| class.wants_tunnel);
    let established = wanting().map(|class| u64::from(class.established)).sum();
    percent(
        established,
        wanting().map(|class| u64::from(class.peers)).sum(),
    )
}

/// Whoever was not due to be found counts as missed: such a run was too short to show anything.
fn missed_dead(report: &Report) -> Option<f64> {
    let score = report.score.as_ref().filter(|score| score.complete)?;
    Some(f64::from(score.dead_missed + score.dead_undue))
}

fn busiest_second(report: &Report) -> Option<f64> {
    let verdicts = |pair: &[crate::report::Sample]| match pair {
        [before, after] => {
            let count = after.verdicts.saturating_sub(before.verdicts);
            f64::from(count) / (after.elapsed_s - before.elapsed_s)
        }
        _ => 0.0,
    };
    report.score.as_ref()?;
    Some(report.series.windows(2).map(verdicts).fold(0.0, f64::max))
}

/// `None` of nothing.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{ClassReport, HeadendReport, Score, TrafficReport};

    fn report() -> Report {
        Report {
            classes: vec![
                ClassReport {
                    peers: 10,
                    wants_tunnel: true,
                    established: 9,
                    ..ClassReport::default()
                },
                ClassReport {
                    peers: 10,
                    ..ClassReport::default()
                },
            ],
            traffic: TrafficReport {
                sent: 1_000,
                verified: 985,
                ..TrafficReport::default()
            },
            score: Some(Score {
                dead_missed: 1,
                dead_undue: 2,
                complete: true,
                ..Score::default()
            }),
            headend: Some(HeadendReport {
                settled_bytes: Some(10 << 20),
                resident_bytes_max: 14 << 20,
                ..HeadendReport::default()
            }),
            ..Report::default()
        }
    }

    fn found(expect: Expect, report: &Report) -> Finding {
        let mut findings = expect.findings(report);
        assert_eq!(findings.len(), 1, "one key was given");
        findings.remove(0)
    }

    #[test]
    fn what_is_not_given_is_not_judged() {
        assert!(Expect::default().findings(&report()).is_empty());
    }

    #[test]
    fn each_figure_is_held_against_its_limit() {
        let report = report();
        let loss = |limit| Expect {
            packet_loss_percent_max: Some(limit),
            ..Expect::default()
        };
        let finding = found(loss(1.0), &report);
        assert!(!finding.met && (finding.found.unwrap() - 1.5).abs() < 1e-9);
        assert!(found(loss(1.5), &report).met);
        let established = |limit| Expect {
            established_percent_min: Some(limit),
            ..Expect::default()
        };
        // Who wants no tunnel does not count.
        assert!(found(established(90.0), &report).met);
        assert!(!found(established(90.1), &report).met);
        let growth = |limit| Expect {
            headend_growth_mib_max: Some(limit),
            ..Expect::default()
        };
        assert!(found(growth(4.0), &report).met);
        assert!(!found(growth(3.9), &report).met);
    }

    #[test]
    fn deaths_that_nobody_could_have_found_yet_are_no_success() {
        let missed = Expect {
            missed_dead_max: Some(2.0),
            ..Expect::default()
        };
        let finding = found(missed, &report());
        assert_eq!((finding.found, finding.met), (Some(3.0), false));
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let silent = Expect {
            false_dead_max: Some(0.0),
            ..Expect::default()
        };
        let finding = found(silent, &Report::default());
        assert_eq!((finding.found, finding.met), (None, false));
    }
}
