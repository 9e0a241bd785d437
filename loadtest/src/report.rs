//! What a run found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::progress::Death;
use crate::scenario::{Scenario, Version};

/// Everything that a run found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    pub scenario: Scenario,
    /// Seconds that it took.
    pub elapsed_s: f64,
    /// Peers in the scenario.
    pub peers: u32,
    /// Peers that were established at least once.
    pub established: u32,
    /// Peers that stopped on their way to a tunnel, as their class says.
    pub stalled: u32,
    /// Peers that died and started again.
    pub returned: u32,
    /// The same by class.
    pub classes: Vec<ClassReport>,
    /// Peers that were not, by reason.
    pub failures: BTreeMap<String, u32>,
    /// IKE SAs that ended although nobody asked for it, by reason.
    pub losses: BTreeMap<String, u32>,
    /// Set-ups per second between the first arrival and the last success.
    pub setup_per_second: f64,
    /// Time from the moment when a peer was due to start to its first Child SA, in milliseconds.
    pub setup_ms: Percentiles,
    /// Time from the moment when a peer that had died was due to come back to its new Child SA, in
    /// milliseconds.
    pub return_ms: Percentiles,
    /// What went through the tunnels.
    pub traffic: TrafficReport,
    /// What IKE did.
    pub ike: IkeReport,
    /// What the simulated network did.
    pub network: NetworkReport,
    /// Who died when.
    pub deaths: Vec<Death>,
    /// The headend's verdicts against the truth, if its event stream was read.
    pub score: Option<Score>,
    /// What the flood did, if there was one.
    pub flood: Option<FloodReport>,
    /// How the headend's process fared, if it runs here.
    pub headend: Option<HeadendReport>,
    /// What was expected, and what was found.
    pub findings: Vec<Finding>,
    /// Resident memory of this process per peer, in octets.
    pub memory_bytes_per_peer: u64,
    /// Processor time of this process, in seconds.
    pub cpu_s: f64,
    /// The course of the run, about once a second.
    pub series: Vec<Sample>,
}

impl Report {
    /// Whether everything went as it should. Where the scenario says what to expect: all of that, and no packet changed.
    /// Elsewhere: every peer that wants a tunnel established and none lost, every packet that came back right, and, if
    /// verdicts were scored, each death found in time and no living peer declared dead.
    #[must_use]
    pub fn is_success(&self) -> bool {
        if !self.scenario.expect.is_empty() {
            return self.traffic.mismatched == 0 && self.findings.iter().all(|finding| finding.met);
        }
        self.classes.iter().all(ClassReport::is_complete)
            && self.losses.is_empty()
            && self.traffic.mismatched == 0
            && self.score.as_ref().is_none_or(Score::is_success)
    }
}

/// What became of the peers of a class.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ClassReport {
    /// Its name.
    pub name: String,
    /// The version of IKE that it speaks.
    pub version: Version,
    /// How many there are.
    pub peers: u32,
    /// Whether they mean to have a tunnel.
    pub wants_tunnel: bool,
    /// Those that were established at least once.
    pub established: u32,
    /// Those that died, or gave no sign of life from the beginning.
    pub dead: u32,
    /// Those of the dead that were declared dead.
    pub found: u32,
    /// Verdicts on living ones.
    pub false_dead: u32,
}

impl ClassReport {
    /// Whether all that want a tunnel got one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.wants_tunnel || self.established == self.peers
    }
}

/// What the simulated network did to datagrams, in both directions together.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NetworkReport {
    /// Datagrams lost.
    pub lost: u64,
    /// Datagrams that arrived twice.
    pub duplicated: u64,
    /// Datagrams that arrived changed.
    pub corrupted: u64,
    /// Datagrams lost because the generator could not keep so many under way.
    pub overflowed: u64,
    /// Changes of a NAT's mapping.
    pub moves: u64,
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

/// An expectation, and what came of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Finding {
    /// Its key in the scenario.
    pub expectation: String,
    /// The limit that the scenario gives.
    pub limit: f64,
    /// What was measured; nothing if it could not be.
    pub found: Option<f64>,
    /// Whether it was met.
    pub met: bool,
}

/// A flood of first messages, and what it meant for the peers that wanted in.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct FloodReport {
    /// Messages sent.
    pub sent: u64,
    /// Messages per second that left while it lasted.
    pub per_second: f64,
    /// Set-up time of the peers that were due while it lasted, except in its first second, in milliseconds: by then cookies
    /// are wanted.
    pub setup_ms: Percentiles,
    /// Set-up time of those that were due before or after it.
    pub quiet_setup_ms: Percentiles,
}

/// How the headend's process fared.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HeadendReport {
    /// Resident memory when every peer had settled for the first time, or when the flood began, in octets.
    pub settled_bytes: Option<u64>,
    /// The most resident memory from then on, in octets.
    pub resident_bytes_max: u64,
    /// Processor time, in seconds.
    pub cpu_s: f64,
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
    /// Time from the moment when a peer was due to start, or to come back, to its first packet that
    /// came back, in milliseconds.
    pub first_packet_ms: Percentiles,
    /// Of the packets, those that were sent from the beginning of a rekey to one second after its end.
    pub during_rekey: Passage,
    /// Those that were sent within five seconds after their peer had come back, or its NAT moved it.
    pub during_failover: Passage,
}

/// What became of some of the packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Passage {
    /// Packets sent.
    pub sent: u64,
    /// Of these, packets that came back right.
    pub verified: u64,
}

impl Passage {
    /// Packets that did not come back.
    #[must_use]
    pub fn lost(self) -> u64 {
        self.sent.saturating_sub(self.verified)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.verified += other.verified;
    }
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
    /// Liveness checks that peers sent of their own.
    pub probes_sent: u64,
    /// Of these, checks that the headend answered.
    pub probes_acknowledged: u64,
    /// Time from a peer's request for a rekey to the new SA, in milliseconds.
    pub rekey_ms: Percentiles,
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
    /// Of these, peers that were not declared dead though the run lasted long enough.
    pub dead_missed: u32,
    /// Of these, peers that came back before they were declared dead.
    pub dead_returned: u32,
    /// Peers that died, were not declared dead, and need not have been when the run ended.
    pub dead_undue: u32,
    /// Verdicts on peers that lived.
    pub false_dead: u32,
    /// Verdicts on peers that had not died, and had no tunnel on their own side: they had failed, were
    /// not done yet, or had lost it. They are right.
    pub dead_unusable: u32,
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
            && self.dead_detected + self.dead_returned == self.dead_injected
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
