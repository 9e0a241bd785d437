//! What a watching operator is told of an IKE SA's life, as data: who shows it finds the words.
//!
//! Nothing of this is built unless somebody watches: see [`Context::trace`].

use crate::{Action, CloseReason, Context, Path, Rejection};

/// One step in the life of an IKE SA.
///
/// Messages that come, go and are dropped are told by the owner of the IKE SA, who sees them all;
/// the state machines tell what they make of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trace {
    /// A message came.
    Received {
        /// Where it came from and to.
        path: Path,
        /// Its header.
        message: Summary,
    },
    /// A message was handed to the socket.
    Sent {
        /// Where it goes.
        path: Path,
        /// Its header.
        message: Summary,
        /// The socket took it.
        left: bool,
    },
    /// A message was dropped.
    Dropped {
        /// Where it came from and to.
        path: Path,
        /// Why.
        reason: Rejection,
    },
    /// A payload is looked at.
    Payload {
        /// Message ID.
        message_id: u32,
        /// Payload type; the numbers of the two versions do not overlap.
        payload: u8,
    },
    /// A notify is looked at.
    Notify {
        /// Message ID.
        message_id: u32,
        /// Protocol ID.
        protocol: u8,
        /// SPI of a Child SA, 0 when the notify names none.
        spi: u32,
        /// Notify message type.
        kind: u16,
    },
    /// A notify is about to be sent.
    Notifying {
        /// Message ID.
        message_id: u32,
        /// Protocol ID.
        protocol: u8,
        /// SPI of a Child SA, 0 when the notify names none.
        spi: u32,
        /// Notify message type.
        kind: u16,
    },
    /// The IKE SA, or one exchange under it, went from one stage to another, perhaps the same.
    Turned {
        /// Message ID of the exchange; `None` for the IKE SA itself.
        exchange: Option<u32>,
        /// What made it.
        input: Input,
        /// From this stage.
        from: Stage,
        /// To this one.
        to: Stage,
    },
    /// State for an exchange of its own message ID (IKEv1: quick mode, informational, transaction).
    ExchangeBegun {
        /// Message ID.
        message_id: u32,
        /// Stage of the IKE SA.
        stage: Stage,
    },
    /// That state is gone.
    ExchangeEnded {
        /// Message ID.
        message_id: u32,
        /// How it ended.
        end: ExchangeEnd,
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
        what: LivenessMessage,
    },
    /// The IKE SA goes.
    Deleting {
        /// Why; `None` when it has been said already.
        reason: Option<CloseReason>,
        /// The stage in which it was.
        stage: Stage,
    },
    /// Something that fits nowhere else, in words that hold nothing of the peer's.
    Remark(&'static str),
}

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
}

/// A message that asks whether the other end lives, or says that it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LivenessMessage {
    /// R-U-THERE (RFC 3706 §5.1).
    RUThere {
        /// Its sequence number.
        sequence: u32,
    },
    /// R-U-THERE-ACK.
    RUThereAck {
        /// The sequence number that it repeats.
        sequence: u32,
    },
    /// The older keepalive of IOS.
    Keepalive,
    /// Its acknowledgement.
    KeepaliveAck,
    /// An empty INFORMATIONAL request (RFC 7296 §1.4).
    Check {
        /// Message ID.
        message_id: u32,
    },
    /// Its response.
    CheckAnswer {
        /// Message ID.
        message_id: u32,
    },
}

/// How far an IKE SA has come, or (`Quick…`) an exchange under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nothing was said yet.
    Idle,
    /// Main mode, after this many messages (1 to 6).
    Main(u8),
    /// Aggressive mode, after this many messages (1 to 3).
    Aggressive(u8),
    /// Extended authentication.
    Xauth,
    /// Mode configuration.
    ModeConfig,
    /// IKE_SA_INIT is under way.
    Init,
    /// IKE_AUTH is under way.
    Auth,
    /// Both ends are authenticated.
    Established,
    /// It is gone, or about to go.
    Closed,
    /// Quick mode, after this many messages (0 to 3).
    Quick(u8),
    /// Quick mode is complete.
    QuickDone,
}

/// What made a state machine move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// The owner wants an IKE SA.
    WantIkeSa,
    /// The owner wants a Child SA.
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

impl Input {
    /// What ends an IKE SA for this reason.
    #[must_use]
    pub const fn ending(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Unresponsive => Self::PeersAlive,
            CloseReason::PeerDeleted => Self::PeerDelete,
            CloseReason::HalfOpenTimeout
            | CloseReason::HardLifetime
            | CloseReason::AuthenticationExpired => Self::Lifetime,
            _ => Self::Delete,
        }
    }
}

/// How the state of an exchange ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExchangeEnd {
    /// An informational message of the peer was handled.
    Informational,
    /// The exchange is complete.
    Complete,
    /// It was given up.
    GivenUp(&'static str),
    /// Its IKE SA goes; `None` when the reason has been said already.
    SaClosed(Option<CloseReason>),
}

/// What the header of a message says (RFC 2408 §3.1, RFC 7296 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Major version.
    pub version: u8,
    /// Exchange type.
    pub exchange: u8,
    /// Message ID.
    pub message_id: u32,
    /// SPI (IKEv1: cookie) of the initiator.
    pub initiator_spi: u64,
    /// SPI (IKEv1: cookie) of the responder.
    pub responder_spi: u64,
    /// IKEv2: it is a response.
    pub response: bool,
    /// Octets.
    pub length: usize,
}

impl Summary {
    /// Reads it from a message (without the non-ESP marker); `None` if there is no header.
    #[must_use]
    pub fn read(message: &[u8]) -> Option<Self> {
        let header = wire::ikev2::Header::parse(message).ok()?;
        Some(Self {
            version: header.major,
            exchange: header.exchange.0,
            message_id: header.message_id,
            initiator_spi: header.initiator_spi,
            responder_spi: header.responder_spi,
            response: header.flags.response,
            length: message.len(),
        })
    }
}

impl Context<'_> {
    /// Tells whoever watches. `trace` is not called when nobody does.
    #[inline]
    pub fn trace(&self, actions: &mut Vec<Action>, trace: impl FnOnce() -> Trace) {
        if self.tracing {
            actions.push(Action::Trace(Box::new(trace())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_reads_both_versions_and_nothing_else() {
        let mut message = vec![0_u8; 28];
        message[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        message[8..16].copy_from_slice(&[9; 8]);
        for (version, exchange, flags, response) in [(0x20, 37, 0x20, true), (0x10, 5, 0x01, false)]
        {
            (message[17], message[18], message[19]) = (version, exchange, flags);
            message[20..24].copy_from_slice(&0xe58a_3c65_u32.to_be_bytes());
            message[24..28].copy_from_slice(&28_u32.to_be_bytes());
            let summary = Summary::read(&message).expect("a header");
            assert_eq!(
                summary,
                Summary {
                    version: version >> 4,
                    exchange,
                    message_id: 0xe58a_3c65,
                    initiator_spi: 0x0102_0304_0506_0708,
                    responder_spi: 0x0909_0909_0909_0909,
                    response,
                    length: 28,
                }
            );
        }
        assert_eq!(Summary::read(&message[..27]), None);
    }
}
