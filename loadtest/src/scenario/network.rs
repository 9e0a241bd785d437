use core::time::Duration;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// What the path between a peer and the responder does to datagrams, in each direction alike. It is
/// simulated in the generator, so that it needs no privileges and repeats with the seed.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Of a hundred datagrams, those that are lost.
    pub loss_percent: f64,
    /// Those that arrive twice.
    pub duplicate_percent: f64,
    /// Those of which an octet arrives changed.
    pub corrupt_percent: f64,
    /// Those that are held back by another `reorder_ms`, so that later ones overtake them.
    pub reorder_percent: f64,
    /// How long they are held back.
    pub reorder_ms: f64,
    /// Time that every datagram takes.
    pub delay_ms: f64,
    /// Up to so much more, drawn anew for each.
    pub jitter_ms: f64,
}

impl Network {
    /// Whether every datagram arrives once, unchanged and at once.
    #[must_use]
    pub fn is_ideal(&self) -> bool {
        let shares = [
            self.loss_percent,
            self.duplicate_percent,
            self.corrupt_percent,
            self.reorder_percent,
        ];
        shares.iter().all(|share| *share == 0.0) && self.delay_ms == 0.0 && self.jitter_ms == 0.0
    }

    /// The longest time that a datagram may take.
    #[must_use]
    pub fn delay_max(&self) -> Duration {
        Duration::from_secs_f64((self.delay_ms + self.jitter_ms + self.reorder_ms) / 1e3)
    }

    /// Whether it makes sense; `whose` is its place in the scenario.
    pub(super) fn validate(&self, whose: &str) -> Result<()> {
        let shares = [
            ("loss_percent", self.loss_percent),
            ("duplicate_percent", self.duplicate_percent),
            ("corrupt_percent", self.corrupt_percent),
            ("reorder_percent", self.reorder_percent),
        ];
        for (name, share) in shares {
            ensure!(
                (0.0..=100.0).contains(&share),
                "{whose}.{name} must be 0 to 100"
            );
        }
        let times = [
            ("reorder_ms", self.reorder_ms),
            ("delay_ms", self.delay_ms),
            ("jitter_ms", self.jitter_ms),
        ];
        for (name, time) in times {
            ensure!(
                (0.0..=60_000.0).contains(&time),
                "{whose}.{name} must be 0 to 60000"
            );
        }
        Ok(())
    }
}
