use serde::{Deserialize, Serialize};

use super::Stage;

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
