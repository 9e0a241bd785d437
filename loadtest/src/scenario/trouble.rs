use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Something that goes wrong at a given time and comes right again, through no fault of any peer.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// What.
    pub kind: TroubleKind,
    /// The second of the run at which it begins.
    pub at_s: f64,
    /// How many seconds it lasts.
    pub for_s: f64,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// No datagram passes between the responder and any peer.
    Outage,
    /// The headend's process stands still (SIGSTOP) and goes on (SIGCONT).
    Stop,
}

impl Trouble {
    /// Whether it is under way at this second of the run.
    #[must_use]
    pub fn lasts_at(&self, second: f64) -> bool {
        (self.at_s..self.at_s + self.for_s).contains(&second)
    }

    pub(super) fn validate(&self) -> Result<()> {
        for (key, value) in [("at_s", self.at_s), ("for_s", self.for_s)] {
            ensure!(
                value >= 0.0 && value.is_finite(),
                "trouble.{key} must not be negative"
            );
        }
        Ok(())
    }
}

impl super::Scenario {
    /// Whether the run has to do with the headend's process itself.
    #[must_use]
    pub fn watches_headend(&self) -> bool {
        let stops = |trouble: &Trouble| trouble.kind == TroubleKind::Stop;
        self.troubles.iter().any(stops) || self.expect.headend_growth_mib_max.is_some()
    }

    /// Whether no datagram passes at this second of the run.
    #[must_use]
    pub fn is_cut_off_at(&self, second: f64) -> bool {
        let outage = |trouble: &&Trouble| trouble.kind == TroubleKind::Outage;
        let mut outages = self.troubles.iter().filter(outage);
        outages.any(|outage| outage.lasts_at(second))
    }
}

/// What a headend may take, in seconds, to fill with forged requests up to where it wants cookies.
const COOKIES_AFTER_S: f64 = 1.0;

/// A flood of first messages from forged addresses: each is a sound IKE_SA_INIT request, none is followed up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flood {
    /// Messages per second; 0 for no flood.
    pub rate_per_second: f64,
    /// The second of the run at which it begins.
    pub at_s: f64,
    /// How many seconds it lasts.
    pub for_s: f64,
    /// The prefix from which the messages pretend to come.
    pub source: String,
}

impl Default for Flood {
    fn default() -> Self {
        Self {
            rate_per_second: 0.0,
            at_s: 0.0,
            for_s: 0.0,
            source: "127.128.0.0/9".into(),
        }
    }
}

impl Flood {
    /// Whether there is one and its time has come.
    #[must_use]
    pub fn has_begun_at(&self, second: f64) -> bool {
        self.rate_per_second > 0.0 && second >= self.at_s
    }

    /// Whether it is under way at this second of the run.
    #[must_use]
    pub fn lasts_at(&self, second: f64) -> bool {
        self.rate_per_second > 0.0 && (self.at_s..self.at_s + self.for_s).contains(&second)
    }

    /// Whether it is under way and cookies must be wanted by now: all but its first second.
    #[must_use]
    pub fn meets_cookies_at(&self, second: f64) -> bool {
        self.lasts_at(second) && second >= self.at_s + COOKIES_AFTER_S
    }

    pub(super) fn validate(&self) -> Result<()> {
        let values = [
            ("rate_per_second", self.rate_per_second),
            ("at_s", self.at_s),
            ("for_s", self.for_s),
        ];
        for (key, value) in values {
            ensure!(
                value >= 0.0 && value.is_finite(),
                "flood.{key} must not be negative"
            );
        }
        super::Sources::parse(&self.source).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_counts_once_cookies_are_wanted() {
        let flood = Flood {
            rate_per_second: 100.0,
            at_s: 5.0,
            for_s: 3.0,
            ..Flood::default()
        };
        let seconds = [4.9, 5.0, 5.9, 6.0, 7.9, 8.0];
        let lasts = seconds.map(|second| flood.lasts_at(second));
        let counts = seconds.map(|second| flood.meets_cookies_at(second));
        assert_eq!(lasts, [false, true, true, true, true, false]);
        assert_eq!(counts, [false, false, false, true, true, false]);
    }

    #[test]
    fn trouble_begins_and_ends() {
        let trouble = Trouble {
            kind: TroubleKind::Outage,
            at_s: 5.0,
            for_s: 2.0,
        };
        let lasting = [4.9, 5.0, 6.9, 7.0].map(|second| trouble.lasts_at(second));
        assert_eq!(lasting, [false, true, true, false]);
    }
}
