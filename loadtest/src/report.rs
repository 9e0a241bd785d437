//! What a run found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::progress::Death;
use crate::scenario::Scenario;

/// Everything that a run found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    pub scenario: Scenario,
    /// Seconds that it took.
    pub elapsed_s: f64,
    /// Peers in the scenario.
    pub peers: u32,
    /// Peers that were established.
    pub established: u32,
    /// Peers that were not, by reason.
    pub failures: BTreeMap<String, u32>,
    /// IKE SAs that ended although nobody asked for it, by reason.
    pub losses: BTreeMap<String, u32>,
    /// Set-ups per second between the first arrival and the last success.
    pub setup_per_second: f64,
    /// Time from the moment when a peer was due to start to its first Child SA, in milliseconds.
    pub setup_ms: Percentiles,
    /// What went through the tunnels.
    pub traffic: TrafficReport,
    /// What IKE did.
    pub ike: IkeReport,
    /// Who died when.
    pub deaths: Vec<Death>,
    /// The headend's verdicts against the truth, if its event stream was read.
    pub score: Option<Score>,
    /// Resident memory of this process per peer, in octets.
    pub memory_bytes_per_peer: u64,
    /// Processor time of this process, in seconds.
    pub cpu_s: f64,
    /// The course of the run, about once a second.
    pub series: Vec<Sample>,
}

impl Report {
    /// Whether everything went as it should: every peer established and none lost, every packet that
    /// came back right, and, if verdicts were scored, each death found in time and no living peer
    /// declared dead.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.established == self.peers
            && self.losses.is_empty()
            && self.traffic.mismatched == 0
            && self.score.as_ref().is_none_or(Score::is_success)
    }
}

/// Percentiles of a distribution.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90 of 100 are not above this.
    pub p90: f64,
    /// 99 of 100 are not above this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
    /// Value and share of values not above it, for a plot.
    pub curve: Vec<(f64, f64)>,
}

/// What went through the tunnels.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TrafficReport {
    /// Packets sealed and sent.
    pub sent: u64,
    /// Packets received and opened.
    pub received: u64,
    /// Of these, packets whose plaintext was what was sent, octet for octet.
    pub verified: u64,
    /// Packets whose plaintext was not.
    pub mismatched: u64,
    /// Packets that came out of a tunnel and were not of this run.
    pub unrelated: u64,
    /// Packets that could not be opened or sealed, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Time from sending to the verified echo, in milliseconds.
    pub echo_ms: Percentiles,
}

/// What IKE did.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct IkeReport {
    /// Messages sent, repetitions included.
    pub messages_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Messages dropped, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Liveness checks that were answered.
    pub probes_answered: u64,
    /// Liveness checks that were left unanswered on purpose.
    pub probes_ignored: u64,
    /// Child SAs that replaced others.
    pub child_rekeys: u64,
    /// IKE SAs that replaced others.
    pub ike_rekeys: u64,
}

/// Verdicts against the truth.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Score {
    /// Peers that died.
    pub dead_injected: u32,
    /// Of these, peers that the headend declared dead.
    pub dead_detected: u32,
    /// Of these, peers that it declared dead after the bound, if there is one.
    pub dead_late: u32,
    /// Peers that died, were not declared dead, and need not have been when the run ended.
    pub dead_undue: u32,
    /// Verdicts on peers that lived.
    pub false_dead: u32,
    /// Time from death to verdict, in seconds.
    pub detection_s: Percentiles,
    /// Longest time allowed, in seconds.
    pub bound_s: Option<f64>,
    /// Whether the event stream was read to the end without a gap.
    pub complete: bool,
}

impl Score {
    /// Whether every death was found in time and no living peer was declared dead.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.complete
            && self.dead_detected == self.dead_injected
            && self.dead_late == 0
            && self.false_dead == 0
    }
}

/// One moment of a run.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the first arrival was due.
    pub elapsed_s: f64,
    /// Peers that have started.
    pub started: u32,
    /// Peers with a tunnel.
    pub up: u32,
    /// Peers that died.
    pub dead: u32,
    /// Verdicts on dead peers.
    pub verdicts: u32,
    /// Set-ups per second.
    pub setup_per_second: f64,
    /// Packets sent per second.
    pub sent_per_second: f64,
    /// Packets verified per second.
    pub verified_per_second: f64,
    /// Probes answered per second.
    pub probes_per_second: f64,
}
