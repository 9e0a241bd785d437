//! What a watching operator is told, as it stands in JSON: one record a line.
//!
//! Names of exchanges, payloads and notifies are the RFCs'; stages are `main-mode-3` and the like.

mod stage;
mod step;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use stage::Stage;
pub use step::{Input, LivenessMessage, Message, Notify, Reason, Step, Way};

/// What may be watched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// IKEv1.
    Isakmp,
    /// IKEv2.
    Ikev2,
    /// Child SAs.
    Ipsec,
    /// Dead peer detection.
    Dpd,
}

/// What is to be watched.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TraceQuery {
    /// One topic.
    pub topic: Topic,
    /// Only the peer at this outer address or with this identity; everybody if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

/// One step in the life of a peer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TraceRecord {
    /// Wall clock.
    pub unix_ns: u64,
    /// Monotonic clock of the process, from its start.
    pub monotonic_ns: u64,
    /// Worker that reports it.
    pub shard: u16,
    /// Major version of IKE; 0 when unknown.
    pub version: u8,
    /// Short number of the IKE SA; 0 before there is one.
    pub number: u32,
    /// `initiator` or `responder`; empty before there is an IKE SA.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// How far the IKE SA has come.
    pub stage: Stage,
    /// Number of the peer, as in the list of peers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub peer: String,
    /// Identity of the peer, from its authentication on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identity: String,
    /// Connection, once known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub connection: String,
    /// Our outer address and port.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub local: String,
    /// The peer's outer address and port.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remote: String,
    /// Front-door VRF, unless it is that of everything which names none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fvrf: String,
    /// What happened.
    #[serde(flatten)]
    pub step: Step,
}

impl TraceRecord {
    /// The record that tells a watcher how much it missed.
    #[must_use]
    pub fn missed(count: u64) -> Self {
        Self {
            unix_ns: 0,
            monotonic_ns: 0,
            shard: 0,
            version: 0,
            number: 0,
            role: String::new(),
            stage: Stage::Idle,
            peer: String::new(),
            identity: String::new(),
            connection: String::new(),
            local: String::new(),
            remote: String::new(),
            fvrf: String::new(),
            step: Step::Missed { count },
        }
    }
}

/// What the service gives to a watcher.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// A record.
    Record(Box<TraceRecord>),
    /// Nothing happened for a while.
    Nothing,
    /// The service ends.
    End,
}

/// The service's end of a watch. Dropping it ends the watch.
pub trait TraceSource: Send {
    /// Waits a short while for the next record.
    fn next(&mut self) -> Next;
}
