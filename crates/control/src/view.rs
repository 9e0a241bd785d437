//! What the control interface says, as it stands in JSON. Times on the wall clock are nanoseconds
//! since 1970 (`…_unix_ns`), durations are seconds unless their name says otherwise.

mod clear;
mod ike;
mod sample;

use serde::{Deserialize, Serialize};

use crate::trace::Stage;

pub use clear::{ClearRequest, Cleared, SessionView};
pub use ike::{DpdSettings, IkeTerms};
pub use sample::{HistoryQuery, Sample, Span};

/// Answer of `/readyz`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether peers are accepted.
    pub ready: bool,
    /// What is amiss when they are not, empty otherwise.
    pub reason: String,
}

/// Answer of `/v1/status`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Process ID.
    pub pid: u32,
    /// When the process started.
    pub started_unix_ns: u64,
    /// Seconds since then.
    pub uptime_s: f64,
    /// Configuration file, or "embedded default".
    pub configuration: String,
    /// Addresses on which IKE is served.
    pub listen: Vec<String>,
    /// Packet engine in use.
    pub engine: String,
    /// Inner device and its MTU.
    pub inner: String,
    /// Where metrics are served; empty when they are not.
    pub metrics: String,
    /// Whether peers are accepted.
    pub ready: bool,
    /// Worker threads.
    pub shards: Vec<ShardStatus>,
    /// Established IKE SAs.
    pub ike_established: u64,
    /// IKE SAs whose peer is not authenticated yet.
    pub ike_half_open: u64,
    /// IKE SAs of IKEv1, half-open ones included.
    #[serde(default)]
    pub ike_v1: u64,
    /// Pairs of Child SAs.
    pub child_sas: u64,
    /// IKE SAs established since the start.
    pub setups: u64,
    /// IKE SAs that failed before they were established.
    pub setup_failures: u64,
    /// Verdicts "dead" since the start.
    pub dead: u64,
    /// IKE SAs established per second, lately.
    #[serde(default)]
    pub setups_per_second: f64,
    /// Established peers that have left more than one try unanswered and were not heard since.
    #[serde(default)]
    pub silent: u64,
    /// Seconds until half-open and silent peers are back if set-up goes on as it does; absent when nobody waits or nothing is
    /// set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_s: Option<f64>,
    /// Verdicts that wait for the budget of teardowns.
    #[serde(default)]
    pub verdicts_waiting: u64,
    /// Seconds until the last of them has its turn.
    #[serde(default)]
    pub verdicts_wait_s: f64,
    /// Tries of probes sent.
    #[serde(default)]
    pub dpd_tries: u64,
    /// Tries that could have been answered and were not.
    #[serde(default)]
    pub dpd_unanswered: u64,
    /// ESP packets opened.
    pub esp_packets_in: u64,
    /// ESP packets sealed.
    pub esp_packets_out: u64,
    /// Octets of inner packets opened.
    pub esp_bytes_in: u64,
    /// Octets of inner packets sealed.
    pub esp_bytes_out: u64,
    /// Packets dropped by the ESP path.
    pub esp_drops: u64,
    /// Probes sent.
    pub dpd_probes: u64,
    /// Resident memory of the process, in octets.
    pub resident_bytes: u64,
    /// Processor time of the process, in seconds.
    pub cpu_s: f64,
}

/// One worker in [`Status`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ShardStatus {
    /// Its number.
    pub shard: u16,
    /// Established peers that it owns.
    pub peers: u64,
    /// Timers armed.
    pub timers: u64,
    /// Messages waiting in its mailbox.
    pub mailbox: u64,
    /// Processor time, in seconds.
    pub cpu_s: f64,
}

/// Which page of peers or SAs is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PeerQuery {
    /// As given in the page before; empty for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Entries wanted; the service may give fewer and caps it at 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only peers of this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
}

impl PeerQuery {
    /// Entries to give: what was asked for, within 1 to 1,000; 100 when nothing was.
    #[must_use]
    pub fn limit_or_default(&self) -> usize {
        usize::try_from(self.limit.unwrap_or(100).clamp(1, 1_000)).unwrap_or(100)
    }
}

/// One page of `/v1/peers`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PeerPage {
    /// The entries.
    pub peers: Vec<PeerView>,
    /// Cursor of the next page; absent on the last.
    pub next: Option<String>,
}

/// One peer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PeerView {
    /// Number by which commands name it: our SPI of the IKE SA, hexadecimal.
    pub id: String,
    /// A short number, unlike that of any other IKE SA at the same time.
    pub number: u32,
    /// Version of IKE, 1 or 2.
    pub version: u8,
    /// Our role in the exchange that made the IKE SA: `initiator` or `responder`.
    pub role: String,
    /// How far its IKE SA has come, such as `main-mode-4`, `xauth` or `established`.
    pub stage: Stage,
    /// SPIs, initiator's then responder's, hexadecimal.
    pub spis: (String, String),
    /// Front-door VRF.
    pub fvrf: String,
    /// Inner VRF.
    pub ivrf: String,
    /// On what both ends agreed, once there are keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ike: Option<IkeTerms>,
    /// Its dead peer detection, unless there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpd_settings: Option<DpdSettings>,
    /// Identity that it authenticated.
    pub identity: String,
    /// Identity that we authenticated.
    pub local_identity: String,
    /// Connection under which it is accepted.
    pub connection: String,
    /// `connecting` or `established`.
    pub state: String,
    /// Our outer address and port.
    pub local: String,
    /// Its outer address and port.
    pub remote: String,
    /// Virtual addresses that it was given.
    pub virtual_addresses: Vec<String>,
    /// Worker that owns it.
    pub shard: u16,
    /// When its first message came.
    pub since_unix_ns: u64,
    /// Seconds since its last proof of life.
    pub heard_s: Option<f64>,
    /// `alive`, `worried`, `probing`, `suspect`, `dead`, or `off` before it is authenticated and
    /// where the peer (IKEv1) does not know dead peer detection.
    pub liveness: String,
    /// Whether a NAT is between us.
    pub nat: bool,
    /// Pairs of Child SAs.
    pub child_sas: u32,
    /// Octets received through its tunnels.
    pub bytes_in: u64,
    /// Octets sent through its tunnels.
    pub bytes_out: u64,
}

/// Answer of `/v1/peers/{id}`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PeerDetail {
    /// What the list says as well.
    #[serde(flatten)]
    pub peer: PeerView,
    /// Tries of the current probe so far; 0 when none is under way.
    pub tries: u8,
    /// Its dead peer detection in one line.
    pub dpd: String,
    /// Longest time in which a death is found, in seconds; absent when none is looked for.
    pub detection_bound_s: Option<f64>,
    /// Its Child SAs.
    pub children: Vec<SaView>,
}

/// One page of `/v1/sas`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SaPage {
    /// The entries.
    pub sas: Vec<SaView>,
    /// Cursor of the next page; absent on the last.
    pub next: Option<String>,
}

/// A pair of Child SAs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SaView {
    /// Peer that it belongs to.
    pub peer: String,
    /// Identity of the peer.
    pub identity: String,
    /// Name of the child in the configuration.
    pub child: String,
    /// Front-door VRF in which its peer was met.
    pub fvrf: String,
    /// Inner VRF of its traffic.
    pub ivrf: String,
    /// `installed`, or `draining` once another has replaced it.
    pub state: String,
    /// SPI on which we receive, hexadecimal.
    pub spi_in: String,
    /// SPI to which we send, hexadecimal.
    pub spi_out: String,
    /// Algorithms in swanctl's words.
    pub proposal: String,
    /// `udp` or `esp`.
    pub encapsulation: String,
    /// Our traffic selectors.
    pub local_ts: Vec<String>,
    /// The peer's traffic selectors.
    pub remote_ts: Vec<String>,
    /// Whether sequence numbers have 64 bits.
    pub esn: bool,
    /// Number of the group of its own key exchange, with perfect forward secrecy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pfs_group: Option<u16>,
    /// Octets that an outer packet may have.
    pub path_mtu: u16,
    /// Octets of the biggest inner packet that fits.
    pub mtu: u16,
    /// Packets that may overtake each other.
    pub replay_window: u32,
    /// Seconds until it must be gone; absent when it may stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_s: Option<f64>,
    /// Octets that may still come in; absent without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_bytes_in: Option<u64>,
    /// Octets that may still go out; absent without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_bytes_out: Option<u64>,
    /// Counters of the inbound SA.
    pub inbound: SaCounters,
    /// Counters of the outbound SA.
    pub outbound: SaCounters,
}

/// What one SA has seen.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SaCounters {
    /// Packets that went through.
    pub packets: u64,
    /// Octets of inner packets.
    pub bytes: u64,
    /// Sequence numbers that never arrived.
    pub lost: u64,
    /// Dropped as replayed.
    pub replay: u64,
    /// Dropped because the ICV was wrong.
    pub integrity: u64,
    /// Dropped as malformed.
    pub malformed: u64,
    /// Dropped because the inner header is outside the traffic selectors.
    pub selector_mismatch: u64,
    /// Dropped because sequence numbers ran out.
    pub sequence_exhausted: u64,
    /// Dropped because they do not fit into the path.
    pub too_big: u64,
    /// Dropped for another reason.
    pub refused: u64,
    /// Seconds since the last packet.
    pub last_s: Option<f64>,
}

/// Why a peer was declared dead.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DeathRecord {
    /// Identity of the peer.
    pub identity: String,
    /// Number that it had.
    pub id: String,
    /// Its outer address and port at the time.
    pub remote: String,
    /// When the verdict was passed.
    pub verdict_unix_ns: u64,
    /// The verdict: `dead`, or what else became of it.
    pub verdict: String,
    /// What proved it alive last.
    pub last_proof: String,
    /// Seconds from that proof to the verdict.
    pub silent_s: f64,
    /// Longest time that the policy allows for that, in seconds.
    pub bound_s: f64,
    /// The tries.
    pub tries: Vec<TryView>,
    /// Longest delay of our own receive queue meanwhile, in seconds.
    pub queue_delay_s: f64,
    /// Whether a NAT was between us.
    pub nat: bool,
    /// State of the mass-death breaker.
    pub breaker: String,
    /// The policy in one line.
    pub policy: String,
    /// What was done.
    pub action: String,
}

/// One try of a probe.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TryView {
    /// Its number, from 1.
    pub number: u32,
    /// Seconds before the verdict at which it was sent.
    pub before_verdict_s: f64,
    /// Whether it counted, or why it did not.
    pub counted: String,
}

/// What a POST asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Establish a connection, or one of its children.
    Initiate {
        /// Name of the connection; may be left out when the child's name is unique.
        connection: Option<String>,
        /// Name of the child.
        child: Option<String>,
    },
    /// Delete a peer's IKE SA with everything under it, or one Child SA.
    Terminate {
        /// Number, identity or address of the peer.
        peer: String,
        /// Only this child.
        child: Option<String>,
    },
    /// Rekey a peer's IKE SA, or one Child SA.
    Rekey {
        /// Number, identity or address of the peer.
        peer: String,
        /// Only this child.
        child: Option<String>,
    },
}

/// Answer to a [`Command`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// How many SAs are affected.
    pub affected: u32,
    /// What was set in motion, in a sentence.
    pub text: String,
}

/// Body of an answer that is not 200.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// What went wrong and what to do.
    pub error: String,
}

/// One line of the event stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Wall clock.
    pub unix_ns: u64,
    /// Monotonic clock of the process, from its start.
    pub monotonic_ns: u64,
    /// Worker that reports it.
    pub shard: u16,
    /// What happened.
    pub event: EventKind,
    /// Number of the peer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub peer: String,
    /// Identity of the peer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identity: String,
    /// Connection.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub connection: String,
    /// Our outer address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub local: String,
    /// The peer's outer address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remote: String,
    /// More about it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// With [`EventKind::Dead`]: on what evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<DeathRecord>>,
}

/// What can happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// An IKE SA was established.
    Established,
    /// An IKE SA could not be established.
    Failed,
    /// An IKE SA replaced another.
    Rekeyed,
    /// A Child SA was installed.
    ChildEstablished,
    /// A Child SA replaced another.
    ChildRekeyed,
    /// A Child SA that was wanted did not come to be.
    ChildFailed,
    /// A Child SA was deleted.
    ChildDeleted,
    /// An IKE SA was deleted.
    Deleted,
    /// A peer was declared dead.
    Dead,
    /// A peer is silent, and the fault is probably ours.
    Suspect,
    /// A suspected peer showed that it lives.
    Recovered,
    /// A peer's outer address changed.
    Moved,
    /// A Child SA carries more than one worker can; the others help.
    ElephantBegan,
    /// It does so no longer.
    ElephantEnded,
    /// The host name of a peer could not be resolved.
    Unresolved,
    /// The mass-death breaker opened.
    BreakerOpened,
    /// The mass-death breaker closed.
    BreakerClosed,
    /// This reader was too slow; `detail` says how many events it missed.
    Missed,
}

impl EventKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 18] = [
        Self::Established,
        Self::Failed,
        Self::Rekeyed,
        Self::ChildEstablished,
        Self::ChildRekeyed,
        Self::ChildFailed,
        Self::ChildDeleted,
        Self::Deleted,
        Self::Dead,
        Self::Suspect,
        Self::Recovered,
        Self::Moved,
        Self::ElephantBegan,
        Self::ElephantEnded,
        Self::Unresolved,
        Self::BreakerOpened,
        Self::BreakerClosed,
        Self::Missed,
    ];

    /// The word in JSON and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Failed => "failed",
            Self::Rekeyed => "rekeyed",
            Self::ChildEstablished => "child-established",
            Self::ChildRekeyed => "child-rekeyed",
            Self::ChildFailed => "child-failed",
            Self::ChildDeleted => "child-deleted",
            Self::Deleted => "deleted",
            Self::Dead => "dead",
            Self::Suspect => "suspect",
            Self::Recovered => "recovered",
            Self::Moved => "moved",
            Self::ElephantBegan => "elephant-began",
            Self::ElephantEnded => "elephant-ended",
            Self::Unresolved => "unresolved",
            Self::BreakerOpened => "breaker-opened",
            Self::BreakerClosed => "breaker-closed",
            Self::Missed => "missed",
        }
    }
}
