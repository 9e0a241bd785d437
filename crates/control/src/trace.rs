//! What a watching operator is told, as it stands in JSON: one record a line.
//!
//! Names of exchanges, payloads and notifies are the RFCs'; stages are `main-mode-3` and the like.

use serde::{Deserialize, Serialize};

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

/// How far an IKE SA has come, or an exchange of quick mode. In JSON a string such as `established`
/// or `main-mode-3`, where the number is that of the messages so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Stage {
    /// Nothing was said yet.
    #[default]
    Idle,
    /// Main mode.
    Main(u8),
    /// Aggressive mode.
    Aggressive(u8),
    /// Extended authentication.
    Xauth,
    /// Mode configuration.
    ModeConfig,
    /// IKE_SA_INIT.
    Init,
    /// IKE_AUTH.
    Auth,
    /// Both ends are authenticated.
    Established,
    /// It is gone, or about to go.
    Closed,
    /// Quick mode.
    Quick(u8),
    /// Quick mode is complete.
    QuickDone,
}

impl core::fmt::Display for Stage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Main(messages) => return write!(f, "main-mode-{messages}"),
            Self::Aggressive(messages) => return write!(f, "aggressive-mode-{messages}"),
            Self::Quick(messages) => return write!(f, "quick-mode-{messages}"),
            Self::Idle => "idle",
            Self::Xauth => "xauth",
            Self::ModeConfig => "mode-config",
            Self::Init => "ike-sa-init",
            Self::Auth => "ike-auth",
            Self::Established => "established",
            Self::Closed => "closed",
            Self::QuickDone => "quick-mode-done",
        })
    }
}

impl From<Stage> for String {
    fn from(stage: Stage) -> Self {
        stage.to_string()
    }
}

impl TryFrom<String> for Stage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let numbered = |prefix: &str| text.strip_prefix(prefix)?.parse().ok();
        Ok(match text.as_str() {
            "idle" => Self::Idle,
            "xauth" => Self::Xauth,
            "mode-config" => Self::ModeConfig,
            "ike-sa-init" => Self::Init,
            "ike-auth" => Self::Auth,
            "established" => Self::Established,
            "closed" => Self::Closed,
            "quick-mode-done" => Self::QuickDone,
            _ => numbered("main-mode-")
                .map(Self::Main)
                .or_else(|| numbered("aggressive-mode-").map(Self::Aggressive))
                .or_else(|| numbered("quick-mode-").map(Self::Quick))
                .ok_or_else(|| format!("`{text}` is no stage"))?,
        })
    }
}

/// What made a state machine move.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A message of the exchange of this stage.
    Message,
    /// A notify of the peer.
    PeerNotify,
    /// A delete of the peer.
    PeerDelete,
    /// A message was understood and its consequences follow.
    Process,
    /// The exchange is complete.
    Complete,
    /// An IKE SA is wanted.
    WantIkeSa,
    /// A Child SA is wanted.
    WantChildSa,
    /// It is time to ask whether the peer lives.
    PeersAlive,
    /// It is time to send a message again.
    Retransmit,
    /// A lifetime is over.
    Lifetime,
    /// The IKE SA is to go.
    Delete,
}

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
}

/// A message that asks whether the other end lives, or says that it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LivenessMessage {
    /// R-U-THERE (RFC 3706).
    RUThere,
    /// R-U-THERE-ACK.
    RUThereAck,
    /// The older keepalive of IOS.
    Keepalive,
    /// Its acknowledgement.
    KeepaliveAck,
    /// An empty INFORMATIONAL request (RFC 7296 §1.4).
    Check,
    /// Its response.
    CheckAnswer,
}

/// The header of a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Exchange type, in the RFC's word.
    pub exchange: String,
    /// Message ID.
    pub message_id: u32,
    /// SPI or cookie of the initiator, hexadecimal.
    pub initiator_spi: String,
    /// SPI or cookie of the responder, hexadecimal.
    pub responder_spi: String,
    /// IKEv2: it is a response.
    pub response: bool,
    /// Octets.
    pub length: usize,
}

/// A notify.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notify {
    /// Message ID.
    pub message_id: u32,
    /// Protocol ID.
    pub protocol: u8,
    /// SPI of a Child SA; 0 when it names none.
    pub spi: u32,
    /// Its type, in the RFC's word, or the number of one that is not known.
    pub notify: String,
}

/// Why something went.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reason {
    /// The label of the reason, as in the metrics; empty when it has been said already.
    pub reason: String,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sentence: String,
}

/// What happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A message came.
    Received(Message),
    /// A message was handed to the socket.
    Sent {
        /// Its header.
        #[serde(flatten)]
        message: Message,
        /// The socket took it.
        left: bool,
    },
    /// A message was dropped.
    Dropped(Reason),
    /// A payload is looked at.
    Payload {
        /// Message ID.
        message_id: u32,
        /// Payload type, in the RFC's word.
        payload: String,
    },
    /// A notify is looked at.
    Notify(Notify),
    /// A notify is about to be sent.
    Notifying(Notify),
    /// The IKE SA, or an exchange under it, went from one stage to another, perhaps the same.
    Turned {
        /// Message ID of the exchange; absent for the IKE SA itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exchange: Option<u32>,
        /// What made it.
        input: Input,
        /// From this stage.
        from: Stage,
        /// To this one.
        to: Stage,
    },
    /// State for an exchange with a message ID of its own (IKEv1).
    ExchangeBegun {
        /// Message ID.
        message_id: u32,
        /// Stage of the IKE SA.
        at: Stage,
    },
    /// That state is gone.
    ExchangeEnded {
        /// Message ID.
        message_id: u32,
        /// `informational`, `complete`, `given-up` or `sa-closed`.
        end: String,
        /// Why, for the last two.
        #[serde(flatten)]
        why: Reason,
    },
    /// What was kept of an exchange to recognise repetitions is gone, too.
    ExchangeForgotten {
        /// Message ID.
        message_id: u32,
    },
    /// A question after the peer's life, or the answer to one.
    Liveness {
        /// Who sent it.
        way: Way,
        /// Question or answer, and of which kind.
        message: LivenessMessage,
        /// Its sequence number (IKEv1) or message ID (IKEv2).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sequence: Option<u32>,
    },
    /// The IKE SA goes.
    Deleting {
        /// Why.
        #[serde(flatten)]
        why: Reason,
        /// The stage in which it was.
        at: Stage,
    },
    /// All that was kept of the IKE SA is gone.
    Gone,
    /// Something that fits nowhere else.
    Remark {
        /// What.
        text: String,
    },
    /// The peer is watched by dead peer detection from now on.
    DpdEnabled {
        /// The policy in a line.
        policy: String,
    },
    /// The peer is asked for a sign of life.
    Asking {
        /// Number of the try, from 1; 0 on suspicion.
        try_number: u8,
    },
    /// A try went unanswered.
    Unanswered,
    /// The fault may be our own; the peer is kept for now.
    Suspect,
    /// The suspected peer lives.
    Recovered,
    /// The peer is dead.
    NotResponding,
    /// A Child SA can receive.
    ChildInstalled {
        /// Our SPI, hexadecimal.
        spi_in: String,
        /// The peer's SPI, hexadecimal.
        spi_out: String,
        /// Our SPI of the Child SA that it replaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<String>,
    },
    /// Outbound traffic uses a Child SA from now on.
    ChildActive {
        /// Our SPI, hexadecimal.
        spi_in: String,
        /// The peer's SPI, hexadecimal.
        spi_out: String,
    },
    /// A Child SA reached a limit and is to be replaced or to go.
    ChildAged {
        /// Our SPI, hexadecimal.
        spi_in: String,
    },
    /// A Child SA is gone.
    ChildRemoved {
        /// Our SPI, hexadecimal.
        spi_in: String,
        /// Why.
        #[serde(flatten)]
        why: Reason,
        /// Child SAs that the peer has left.
        left: usize,
    },
    /// A Child SA that was wanted did not come to be.
    ChildFailed(Reason),
    /// The peer has its first Child SA.
    SessionUp,
    /// The peer lost its last Child SA.
    SessionDown,
    /// This watcher lagged.
    Missed {
        /// How many records were dropped.
        count: u64,
    },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_words() {
        for (stage, word) in [
            (Stage::Main(3), "main-mode-3"),
            (Stage::Aggressive(1), "aggressive-mode-1"),
            (Stage::Quick(0), "quick-mode-0"),
            (Stage::QuickDone, "quick-mode-done"),
            (Stage::Established, "established"),
        ] {
            assert_eq!(stage.to_string(), word);
            assert_eq!(Stage::try_from(word.to_owned()), Ok(stage));
        }
        assert!(Stage::try_from("main-mode-".to_owned()).is_err());
    }

    #[test]
    fn a_record_is_one_flat_object() {
        let record = TraceRecord {
            number: 1001,
            version: 1,
            step: Step::Sent {
                message: Message {
                    exchange: "INFORMATIONAL".into(),
                    message_id: 7,
                    initiator_spi: "01".into(),
                    responder_spi: "02".into(),
                    response: false,
                    length: 92,
                },
                left: true,
            },
            ..TraceRecord::missed(0)
        };
        let json = serde_json::to_value(&record).expect("JSON");
        assert_eq!(json["step"], "sent");
        assert_eq!(json["exchange"], "INFORMATIONAL");
        assert_eq!(json["stage"], "idle");
        assert_eq!(json["left"], true);
        assert_eq!(json.get("identity"), None);
        let back: TraceRecord = serde_json::from_value(json).expect("a record");
        assert_eq!(back, record);
    }

    #[test]
    fn every_kind_of_step_survives_its_way() {
        let why = Reason {
            reason: "deleted".into(),
            sentence: "We deleted it.".into(),
        };
        let notify = Notify {
            message_id: 3_851_043_653,
            protocol: 1,
            spi: 0,
            notify: "R_U_THERE".into(),
        };
        let message = Message {
            exchange: "IKE_AUTH".into(),
            message_id: 1,
            initiator_spi: "01".into(),
            responder_spi: "02".into(),
            response: true,
            length: 92,
        };
        for step in [
            Step::Received(message.clone()),
            Step::Sent {
                message,
                left: false,
            },
            Step::Payload {
                message_id: 1,
                payload: "HASH".into(),
            },
            Step::ExchangeBegun {
                message_id: 1,
                at: Stage::Established,
            },
            Step::ExchangeForgotten { message_id: 1 },
            Step::Remark {
                text: "a word".into(),
            },
            Step::DpdEnabled {
                policy: "on-demand".into(),
            },
            Step::Asking { try_number: 2 },
            Step::Unanswered,
            Step::Suspect,
            Step::Recovered,
            Step::NotResponding,
            Step::ChildInstalled {
                spi_in: "c0".into(),
                spi_out: "c1".into(),
                replaces: Some("c2".into()),
            },
            Step::ChildActive {
                spi_in: "c0".into(),
                spi_out: "c1".into(),
            },
            Step::ChildAged {
                spi_in: "c0".into(),
            },
            Step::SessionUp,
            Step::SessionDown,
            Step::Missed { count: 7 },
            Step::Dropped(why.clone()),
            Step::Notify(notify.clone()),
            Step::Notifying(notify),
            Step::ExchangeEnded {
                message_id: 1,
                end: "complete".into(),
                why: Reason::default(),
            },
            Step::Deleting {
                why: why.clone(),
                at: Stage::Established,
            },
            Step::ChildRemoved {
                spi_in: "c0".into(),
                why: why.clone(),
                left: 0,
            },
            Step::ChildFailed(why),
            Step::Gone,
            Step::Liveness {
                way: Way::Sent,
                message: LivenessMessage::RUThere,
                sequence: Some(9),
            },
            Step::Turned {
                exchange: None,
                input: Input::PeersAlive,
                from: Stage::Established,
                to: Stage::Closed,
            },
        ] {
            let record = TraceRecord {
                step,
                ..TraceRecord::missed(0)
            };
            let line = serde_json::to_string(&record).expect("JSON");
            let back: TraceRecord = serde_json::from_str(&line).expect(&line);
            assert_eq!(back, record);
        }
    }
}
