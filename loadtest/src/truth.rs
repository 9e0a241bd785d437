//! What really happened, against what the headend says.

use std::collections::{BTreeMap, HashSet};

use hdrhistogram::Histogram;

use crate::events::Heard;
use crate::progress::{Death, Moment, News};
use crate::report::Score;
use crate::stats::{histogram, percentiles};

/// A headend's clock may differ a little from ours even on one machine, because each adds to a start
/// that was read at another time.
const CLOCK_TOLERANCE_NS: u64 = 5_000_000;

/// Keeps the deaths and judges the verdicts.
///
/// A peer is alive while it has a tunnel: from the moment when its first Child SA stands to its
/// death. One that the headend believes to be established and that has no tunnel on its own side,
/// because an answer was lost and it gave up, is as good as dead, and a headend that says so is right.
pub(crate) struct Truth {
    /// What peers call themselves, before and after their number.
    identities: Vec<(String, String)>,
    peers: u32,
    deaths: BTreeMap<u32, Death>,
    /// When peers began again that had died, on the wall clock.
    returns: BTreeMap<u32, u64>,
    /// When each peer had a tunnel for the first time; 0 for never.
    up: Vec<u64>,
    /// When peers that had died had a tunnel again.
    up_again: BTreeMap<u32, u64>,
    /// When peers lost their tunnels.
    lost: BTreeMap<u32, u64>,
    /// Verdicts on peers of whose death nothing is known yet.
    early: BTreeMap<u32, Vec<u64>>,
    detected: HashSet<u32>,
    late: u32,
    false_dead: Vec<u32>,
    /// Verdicts on peers that had no tunnel on their own side.
    unusable: u32,
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
            up: Vec::new(),
            up_again: BTreeMap::new(),
            lost: BTreeMap::new(),
            early: BTreeMap::new(),
            detected: HashSet::new(),
            late: 0,
            false_dead: Vec::new(),
            unusable: 0,
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
            News::Up(up) => self.is_up(&up),
            News::Lost(lost) => {
                self.lost.insert(lost.peer, lost.unix_ns);
            }
        }
    }

    fn is_up(&mut self, up: &Moment) {
        if self.returns.contains_key(&up.peer) {
            self.up_again.insert(up.peer, up.unix_ns);
            return;
        }
        let at = up.peer as usize;
        if self.up.len() <= at {
            self.up.resize(at + 1, 0);
        }
        if let Some(first) = self.up.get_mut(at) {
            *first = up.unix_ns;
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

    /// Whether a peer that had not died had a tunnel at a time. In doubt it had one: a headend that
    /// ends a tunnel by its verdict shall not have been right because of that.
    fn had_tunnel(&self, n: u32, at_ns: u64) -> bool {
        let up = self.up.get(n as usize).copied().filter(|up| *up > 0);
        let came = up.is_some_and(|up| up <= at_ns.saturating_add(CLOCK_TOLERANCE_NS));
        let lost = self.lost.get(&n);
        came && lost.is_none_or(|lost| at_ns <= lost.saturating_add(CLOCK_TOLERANCE_NS))
    }

    fn judge(&mut self, n: u32, verdict_ns: u64) {
        let Some(death) = self.deaths.get(&n) else {
            return;
        };
        let (died_ns, reach_ns) = (death.unix_ns, verdict_ns.saturating_add(CLOCK_TOLERANCE_NS));
        if reach_ns < died_ns {
            return self.judge_undead(n, verdict_ns);
        }
        let again = self.up_again.get(&n);
        if again.is_some_and(|again| verdict_ns > again.saturating_add(CLOCK_TOLERANCE_NS)) {
            self.false_dead.push(n);
            return;
        }
        if !self.detected.insert(n) {
            return;
        }
        let detection_ns = verdict_ns.saturating_sub(died_ns);
        self.detection_us.saturating_record(detection_ns / 1_000);
        if let Some(bound_s) = self.bound_s
            && detection_ns as f64 / 1e9 > bound_s
        {
            self.late += 1;
        }
    }

    /// A verdict on a peer that had not died by then.
    fn judge_undead(&mut self, n: u32, verdict_ns: u64) {
        if self.had_tunnel(n, verdict_ns) {
            self.false_dead.push(n);
        } else {
            self.unusable += 1;
        }
    }

    /// Verdicts on dead peers so far, and on living ones.
    pub(crate) fn verdicts(&self) -> (u32, u32) {
        let early = self.early.iter();
        let early = early.flat_map(|(n, verdicts)| verdicts.iter().map(|at| (*n, *at)));
        let early = early.filter(|(n, at)| self.had_tunnel(*n, *at)).count();
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
        for (peer, verdicts) in core::mem::take(&mut self.early) {
            for verdict_ns in verdicts {
                self.judge_undead(peer, verdict_ns);
            }
        }
        let (dead_detected, false_dead) = self.verdicts();
        let mut score = Score {
            dead_injected: self.deaths.len() as u32,
            dead_detected,
            dead_late: self.late,
            false_dead,
            dead_unusable: self.unusable,
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

    const SECOND: u64 = 1_000_000_000;

    fn death(peer: u32, unix_s: u64) -> Death {
        Death {
            peer,
            identity: format!("p{peer}@x"),
            unix_ns: unix_s * SECOND,
            run_ns: unix_s * SECOND,
        }
    }

    fn moment(peer: u32, unix_s: u64) -> Moment {
        Moment {
            peer,
            unix_ns: unix_s * SECOND,
        }
    }

    /// Ten peers, all of them up.
    fn truth(bound_s: Option<f64>) -> Truth {
        let mut truth = Truth::new(&["p{n}@x"], 10, bound_s, true);
        (0..10).for_each(|peer| truth.told(News::Up(moment(peer, 1))));
        truth
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
        let mut truth = truth(Some(20.0));
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
        let mut truth = truth(None);
        truth.heard(&verdict("p3@x", 101));
        assert_eq!(truth.verdicts(), (0, 1));
        truth.died(death(3, 100));
        assert_eq!(truth.verdicts(), (1, 0));
        assert!(score(truth).is_success());
    }

    #[test]
    fn verdicts_on_the_living_and_before_the_death_are_false() {
        let mut truth = truth(None);
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
        let mut truth = truth(Some(20.0));
        truth.died(death(3, 170));
        truth.died(death(4, 190));
        let score = score(truth);
        assert_eq!((score.dead_detected, score.dead_undue), (0, 1));
        assert!(!score.is_success());
    }

    #[test]
    fn a_gap_spoils_the_score() {
        let mut truth = truth(None);
        truth.heard(&Heard::Gap);
        assert!(!score(truth).is_success());
    }

    #[test]
    fn who_comes_back_in_time_need_not_be_found_and_lives_from_then_on() {
        let back = |peer, unix_s: u64| News::Returned(moment(peer, unix_s));
        let mut truth = truth(Some(20.0));
        for peer in 3..7 {
            truth.told(News::Died(death(peer, 100)));
        }
        truth.told(back(3, 110));
        truth.told(back(4, 115));
        truth.heard(&verdict("p4@x", 114));
        truth.told(back(5, 110));
        truth.told(News::Up(moment(5, 111)));
        truth.heard(&verdict("p5@x", 120));
        // The verdict on the old tunnel comes while the new one is not there yet.
        truth.told(back(6, 110));
        truth.heard(&verdict("p6@x", 112));
        truth.told(News::Up(moment(6, 113)));
        let score = score(truth);
        assert_eq!((score.dead_detected, score.dead_returned), (2, 2));
        assert_eq!((score.dead_missed, score.false_dead), (0, 1));
    }

    #[test]
    fn who_is_not_found_in_time_is_missed() {
        let mut truth = truth(Some(20.0));
        truth.died(death(3, 100));
        let score = score(truth);
        assert_eq!((score.dead_missed, score.dead_undue), (1, 0));
        assert!(!score.is_success());
    }

    #[test]
    fn who_has_no_tunnel_on_its_own_side_is_rightly_declared_dead() {
        let mut truth = Truth::new(&["p{n}@x"], 10, Some(20.0), true);
        // It never had one; it had one and lost it; and the verdict itself ended one.
        truth.heard(&verdict("p3@x", 120));
        truth.told(News::Up(moment(4, 100)));
        truth.told(News::Lost(moment(4, 110)));
        truth.heard(&verdict("p4@x", 120));
        truth.told(News::Up(moment(5, 100)));
        truth.heard(&verdict("p5@x", 120));
        truth.told(News::Lost(moment(5, 120)));
        assert_eq!(truth.verdicts(), (0, 1));
        let judgement = truth.into_judgement(200 * SECOND);
        assert_eq!(judgement.false_dead, [5]);
        let score = judgement.score.expect("listening");
        assert_eq!((score.false_dead, score.dead_unusable), (1, 2));
    }
}
