use ipsec::IkeSpi;
use wire::ikev2::{ExchangeType, Header};

use crate::Rejection;

/// Exchange types that open an IKEv1 phase 1 (RFC 2408 §3.1).
const IDENTITY_PROTECTION: u8 = 2;
const AGGRESSIVE: u8 = 4;

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// A request whose integrity was verified and which was not seen before: proof of life.
    FreshRequest {
        /// It is a liveness check: an INFORMATIONAL request without payloads.
        liveness: bool,
    },
    /// The response to an outstanding request, integrity verified: proof of life.
    FreshResponse {
        /// It answers a liveness check.
        liveness: bool,
    },
    /// A verified fragment of a message that is not complete yet. No proof of life: it may be a
    /// repetition.
    Fragment,
    /// A message of IKE_SA_INIT, which nothing protects. No proof of life.
    Unauthenticated,
    /// A request that was answered before; the same answer was sent again. No proof of life.
    Retransmission,
    /// The peer asks over IKEv1 whether we live (R-U-THERE, RFC 3706 §5.3): integrity verified, its
    /// message not seen before. Whether its sequence is fresh, and so a proof of life, and whether
    /// it is to be acknowledged, is up to the caller
    /// ([`v1::IkeSa::acknowledge`](crate::v1::IkeSa::acknowledge)).
    RUThere {
        /// The number to be acknowledged.
        sequence: u32,
    },
    /// The peer's acknowledgement of an R-U-THERE, integrity verified. A proof of life if we asked
    /// with this number, which the caller knows.
    RUThereAck {
        /// The number that it acknowledges.
        sequence: u32,
    },
    /// A keepalive as IOS sent before RFC 3706, integrity verified; it was answered.
    Keepalive,
    /// The answer to a keepalive as IOS sent before RFC 3706, integrity verified.
    KeepaliveAck,
    /// Dropped.
    Rejected(Rejection),
}

/// What became of a liveness check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A request was sent. Its retransmission is up to the caller
    /// ([`IkeSa::retransmit_outstanding`](crate::v2::IkeSa::retransmit_outstanding)).
    Sent,
    /// Another request is outstanding: its retransmission is the check.
    RequestOutstanding,
    /// An exchange of ours waits for a computation; the check is sent when it is done.
    Deferred,
    /// The IKE SA is not established.
    NotEstablished,
    /// The peer knows no way to be asked (IKEv1 without RFC 3706): nothing was sent.
    Unsupported,
}

/// Who must see a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// An IKE_SA_INIT request of IKEv2: the front door.
    FrontDoor,
    /// The IKE SA of IKEv2 whose SPI we chose.
    Sa(IkeSpi),
    /// The first message of an IKEv1 phase 1: the front door.
    FrontDoorV1,
    /// An IKE SA of IKEv1. Nothing in the header says which end sent it: the responder's cookie is
    /// tried as ours first, then the initiator's, each against the whole cookie of its slot.
    SaV1 {
        /// CKY-R; zero until the responder's first message.
        responder: IkeSpi,
        /// CKY-I.
        initiator: IkeSpi,
    },
}

/// Reads from the header who must see a message.
///
/// # Errors
///
/// When the header cannot be read. A header with a major version above 2 goes to the front door if
/// it is a request, since only there an answer is due.
pub fn route(message: &[u8]) -> Result<Route, Rejection> {
    let header = Header::parse(message).map_err(|_| Rejection::Malformed)?;
    match header.major {
        1 => route_v1(&header),
        2 => route_v2(&header),
        3.. if !header.flags.response => Ok(Route::FrontDoor),
        _ => Err(Rejection::UnsupportedVersion),
    }
}

fn route_v2(header: &Header) -> Result<Route, Rejection> {
    let opens = header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.response;
    if opens && header.responder_spi == 0 {
        return Ok(Route::FrontDoor);
    }
    let ours = if header.flags.initiator {
        header.responder_spi
    } else {
        header.initiator_spi
    };
    if ours == 0 {
        return Err(Rejection::UnknownSpi);
    }
    Ok(Route::Sa(IkeSpi(ours)))
}

/// RFC 2408 §3.1: the cookies name the SA, and only the first message of a phase 1 comes without the
/// responder's.
fn route_v1(header: &Header) -> Result<Route, Rejection> {
    if header.initiator_spi == 0 {
        return Err(Rejection::UnknownSpi);
    }
    let opens = header.exchange.0 == IDENTITY_PROTECTION || header.exchange.0 == AGGRESSIVE;
    if opens && header.responder_spi == 0 {
        return Ok(Route::FrontDoorV1);
    }
    Ok(Route::SaV1 {
        responder: IkeSpi(header.responder_spi),
        initiator: IkeSpi(header.initiator_spi),
    })
}
