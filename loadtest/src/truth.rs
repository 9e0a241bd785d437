//! What really happened, against what the headend says.

use std::collections::{BTreeMap, HashSet};

use hdrhistogram::Histogram;

use crate::events::Heard;
use crate::progress::{Death, News};
use crate::report::Score;
use crate::stats::{histogram, percentiles};

/// A headend's clock may differ a little from ours even on one machine, because each adds to a start
/// that was read at another time.
const CLOCK_TOLERANCE_NS: u64 = 5_000_000;

/// Keeps the deaths and judges the verdicts.
pub(crate) struct Truth {
    /// What peers call themselves, before and after their number.
    identities: Vec<(String, String)>,
    peers: u32,
    deaths: BTreeMap<u32, Death>,
    /// When peers came back that had died, on the wall clock.
    returns: BTreeMap<u32, u64>,
    /// Verdicts on peers of whose death nothing is known yet.
    early: BTreeMap<u32, Vec<u64>>,
    detected: HashSet<u32>,
    late: u32,
    false_dead: Vec<u32>,
    detection_us: Histogram<u64>,
    bound_s: Option<f64>,
    /// Whether the event stream is read at all.
    listening: bool,
    complete: bool,
}

/// What became of the truth at the end of a run.
pub(crate) struct Judgement {
    /// Who died when.
    pub(crate) deaths: Vec<Death>,
    /// Who of them was found.
    pub(crate) detected: HashSet<u32>,
    /// Who lived, and was declared dead; once for each verdict.
    pub(crate) false_dead: Vec<u32>,
    /// The sums, if the event stream was read.
    pub(crate) score: Option<Score>,
}

impl Truth {
    /// With the patterns of all that peers may be called.
    pub(crate) fn new(
        patterns: &[&str],
        peers: u32,
        bound_s: Option<f64>,
        listening: bool,
    ) -> Self {
        let around = |pattern: &&str| {
            let (before, after) = pattern.split_once("{n}").unwrap_or((pattern, ""));
            (before.into(), after.into())
        };
        Self {
            identities: patterns.iter().map(around).collect(),
            peers,
            deaths: BTreeMap::new(),
            returns: BTreeMap::new(),
            early: BTreeMap::new(),
            detected: HashSet::new(),
            late: 0,
            false_dead: Vec::new(),
            detection_us: histogram(),
            bound_s,
            listening,
            complete: true,
        }
    }

    /// The generator tells what it knows.
    pub(crate) fn told(&mut self, news: News) {
        match news {
            News::Died(death) => self.died(death),
            News::Returned(back) => {
                self.returns.insert(back.peer, back.unix_ns);
            }
        }
    }

    fn died(&mut self, death: Death) {
        let peer = death.peer;
        self.deaths.insert(peer, death);
        for unix_ns in self.early.remove(&peer).unwrap_or_default() {
            self.judge(peer, unix_ns);
        }
    }

    /// The headend said something.
    pub(crate) fn heard(&mut self, heard: &Heard) {
        match heard {
            Heard::Gap => self.complete = false,
            Heard::Dead { identity, unix_ns } => {
                let Some(n) = self.number(identity) else {
                    return;
                };
                if self.deaths.contains_key(&n) {
                    self.judge(n, *unix_ns);
                } else {
                    // The worker's message about the death may still be on its way.
                    self.early.entry(n).or_default().push(*unix_ns);
                }
            }
        }
    }

    /// The peer's number in an identity of one of the patterns. A headend that asks for a user names
    /// the peer by that, as a key ID.
    fn number(&self, identity: &str) -> Option<u32> {
        let identity = identity.strip_prefix("keyid:").unwrap_or(identity);
        self.identities.iter().find_map(|(before, after)| {
            let number = identity.strip_prefix(before.as_str())?;
            let number = number.strip_suffix(after.as_str())?;
            number.parse().ok().filter(|n| *n < self.peers)
        })
    }

    fn judge(&mut self, n: u32, verdict_ns: u64) {
        let Some(death) = self.deaths.get(&n) else {
            return;
        };
        let returned = self.returns.get(&n).copied().unwrap_or(u64::MAX);
        let too_early = verdict_ns.saturating_add(CLOCK_TOLERANCE_NS) < death.unix_ns;
        if too_early || verdict_ns > returned.saturating_add(CLOCK_TOLERANCE_NS) {
            self.false_dead.push(n);
            return;
        }
        if !self.detected.insert(n) {
            return;
        }
        let detection_ns = verdict_ns.saturating_sub(death.unix_ns);
        self.detection_us.saturating_record(detection_ns / 1_000);
        if let Some(bound_s) = self.bound_s
            && detection_ns as f64 / 1e9 > bound_s
        {
            self.late += 1;
        }
    }

    /// Verdicts on dead peers so far, and on peers of which no death is known.
    pub(crate) fn verdicts(&self) -> (u32, u32) {
        let early: usize = self.early.values().map(Vec::len).sum();
        // There are no more verdicts than fit.
        (
            self.detected.len() as u32,
            (self.false_dead.len() + early) as u32,
        )
    }

    /// Whether a death had to be found by the end of a run at `end_run_ns`.
    fn is_due(&self, death: &Death, end_run_ns: u64) -> bool {
        let watched_s = end_run_ns.saturating_sub(death.run_ns) as f64 / 1e9;
        self.bound_s.is_none_or(|bound_s| watched_s > bound_s)
    }

    /// The deaths and, if the event stream was read, the score of a run that ended at `end_run_ns`.
    pub(crate) fn into_judgement(mut self, end_run_ns: u64) -> Judgement {
        let (dead_detected, false_dead) = self.verdicts();
        let mut score = Score {
            dead_injected: self.deaths.len() as u32,
            dead_detected,
            dead_late: self.late,
            false_dead,
            detection_s: percentiles(&self.detection_us, 1e6),
            bound_s: self.bound_s,
            complete: self.complete,
            ..Score::default()
        };
        for death in self.deaths.values() {
            if self.detected.contains(&death.peer) {
                continue;
            }
            // Its return ended the old tunnel before anybody had to notice.
            if self.returns.contains_key(&death.peer) {
                score.dead_returned += 1;
            } else if self.is_due(death, end_run_ns) {
                score.dead_missed += 1;
            } else {
                score.dead_undue += 1;
            }
        }
        for (peer, verdicts) in core::mem::take(&mut self.early) {
            self.false_dead.extend(verdicts.iter().map(|_| peer));
        }
        Judgement {
            deaths: self.deaths.into_values().collect(),
            detected: self.detected,
            false_dead: self.false_dead,
            score: self.listening.then_some(score),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Return;

    const SECOND: u64 = 1_000_000_000;

    fn death(peer: u32, unix_s: u64) -> Death {
        Death {
            peer,
            identity: format!("p{peer}@x"),
            unix_ns: unix_s * SECOND,
            run_ns: unix_s * SECOND,
        }
    }

    fn verdict(identity: &str, unix_s: u64) -> Heard {
        Heard::Dead {
            identity: identity.into(),
            unix_ns: unix_s * SECOND,
        }
    }

    fn score(truth: Truth) -> Score {
        truth.into_judgement(200 * SECOND).score.expect("listening")
    }

    #[test]
    fn deaths_found_in_time_and_late_are_told_apart() {
        let mut truth = Truth::new(&["p{n}@x"], 10, Some(20.0), true);
        truth.died(death(3, 100));
        truth.died(death(4, 100));
        truth.heard(&verdict("p3@x", 120));
        truth.heard(&verdict("p4@x", 121));
        truth.heard(&verdict("p4@x", 122));
        let score = score(truth);
        assert_eq!(
            (score.dead_detected, score.dead_late, score.false_dead),
            (2, 1, 0)
        );
        assert!((score.detection_s.max - 21.0).abs() < 0.1);
        assert!(!score.is_success());
    }

    #[test]
    fn a_verdict_may_overtake_the_news_of_the_death() {
        let mut truth = Truth::new(&["p{n}@x"], 10, None, true);
        truth.heard(&verdict("p3@x", 101));
        assert_eq!(truth.verdicts(), (0, 1));
        truth.died(death(3, 100));
        assert_eq!(truth.verdicts(), (1, 0));
        assert!(score(truth).is_success());
    }

    #[test]
    fn verdicts_on_the_living_and_before_the_death_are_false() {
        let mut truth = Truth::new(&["p{n}@x"], 10, None, true);
        truth.died(death(3, 100));
        truth.heard(&verdict("p3@x", 99));
        truth.heard(&verdict("p5@x", 120));
        truth.heard(&verdict("somebody-else", 120));
        truth.heard(&verdict("p11@x", 120));
        let score = score(truth);
        assert_eq!((score.dead_detected, score.false_dead), (0, 2));
    }

    #[test]
    fn a_run_that_ends_too_early_says_so() {
        let mut truth = Truth::new(&["p{n}@x"], 10, Some(20.0), true);
        truth.died(death(3, 170));
        truth.died(death(4, 190));
        let score = score(truth);
        assert_eq!((score.dead_detected, score.dead_undue), (0, 1));
        assert!(!score.is_success());
    }

    #[test]
    fn a_gap_spoils_the_score() {
        let mut truth = Truth::new(&["p{n}@x"], 10, None, true);
        truth.heard(&Heard::Gap);
        assert!(!score(truth).is_success());
    }

    #[test]
    fn who_comes_back_in_time_need_not_be_found_and_lives_from_then_on() {
        let back = |peer, unix_s: u64| {
            News::Returned(Return {
                peer,
                unix_ns: unix_s * SECOND,
            })
        };
        let mut truth = Truth::new(&["p{n}@x"], 10, Some(20.0), true);
        for peer in 3..6 {
            truth.told(News::Died(death(peer, 100)));
        }
        truth.told(back(3, 110));
        truth.told(back(4, 115));
        truth.heard(&verdict("p4@x", 114));
        truth.told(back(5, 110));
        truth.heard(&verdict("p5@x", 120));
        let score = score(truth);
        assert_eq!((score.dead_detected, score.dead_returned), (1, 2));
        assert_eq!((score.dead_missed, score.false_dead), (0, 1));
    }

    #[test]
    fn who_is_not_found_in_time_is_missed() {
        let mut truth = Truth::new(&["p{n}@x"], 10, Some(20.0), true);
        truth.died(death(3, 100));
        let score = score(truth);
        assert_eq!((score.dead_missed, score.dead_undue), (1, 0));
        assert!(!score.is_success());
    }
}
