//! The course of a run, as data: JSON lines with `--progress json`, the same facts on a bar or in
//! plain lines otherwise.

use serde::{Deserialize, Serialize};

use crate::report::Report;

/// One line of `--progress json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// Where the run stands, several times a second.
    Progress(Progress),
    /// A peer has just died.
    Death(Death),
    /// The end; nothing follows.
    Report(Box<Report>),
}

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Seconds since the first arrival was due.
    pub elapsed_s: f64,
    /// Seconds that the run lasts at most.
    pub duration_s: f64,
    /// Peers in the scenario.
    pub peers: u32,
    /// Peers that have started.
    pub started: u32,
    /// Peers that were established at least once.
    pub established: u32,
    /// Peers with a tunnel now.
    pub up: u32,
    /// Peers that gave up before they were established.
    pub failed: u32,
    /// Peers that died.
    pub dead: u32,
    /// Every peer is up or has failed.
    pub settled: bool,
    /// Peers that were established in the last second.
    pub setup_per_second: f64,
    /// ESP packets sent.
    pub esp_sent: u64,
    /// ESP packets that came back with the right plaintext.
    pub esp_verified: u64,
    /// ESP packets that came back with anything else.
    pub esp_mismatched: u64,
    /// Liveness checks that were answered.
    pub probes_answered: u64,
    /// Verdicts that the headend passed on dead peers, if its event stream is read.
    pub verdicts: u32,
    /// Verdicts that it passed on living ones.
    pub false_verdicts: u32,
}

/// What only the generator can know.
pub(crate) enum News {
    /// A peer has died.
    Died(Death),
    /// It begins again.
    Returned(Moment),
    /// It has a tunnel, for the first time or again.
    Up(Moment),
    /// Its tunnel is gone though it did not want that.
    Lost(Moment),
}

/// When something happened to a peer.
pub(crate) struct Moment {
    /// Number of the peer.
    pub(crate) peer: u32,
    /// When: nanoseconds of the wall clock since 1970.
    pub(crate) unix_ns: u64,
}

/// The truth about one death.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Death {
    /// Number of the peer.
    pub peer: u32,
    /// Its identity.
    pub identity: String,
    /// When it died: nanoseconds of the wall clock since 1970.
    pub unix_ns: u64,
    /// The same in nanoseconds since the first arrival was due.
    pub run_ns: u64,
}
