use ipsec::IkeSpi;
use wire::ikev2::{ExchangeType, Header};

use crate::Rejection;

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
    /// Dropped.
    Rejected(Rejection),
}

/// What became of a liveness check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A request was sent. Its retransmission is up to the caller
    /// ([`IkeSa::retransmit_outstanding`](super::IkeSa::retransmit_outstanding)).
    Sent,
    /// Another request is outstanding: its retransmission is the check.
    RequestOutstanding,
    /// An exchange of ours waits for a computation; the check is sent when it is done.
    Deferred,
    /// The IKE SA is not established.
    NotEstablished,
}

/// Who must see a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// An IKE_SA_INIT request: the front door.
    FrontDoor,
    /// The IKE SA whose SPI we chose.
    Sa(IkeSpi),
}

/// Reads from the header who must see a message.
///
/// # Errors
///
/// When the header cannot be read. A header with another major version than 2 goes to the front
/// door if it is a request, since only there an answer is due.
pub fn route(message: &[u8]) -> Result<Route, Rejection> {
    let header = Header::parse(message).map_err(|_| Rejection::Malformed)?;
    if header.major != 2 {
        return if header.flags.response || header.major < 2 {
            Err(Rejection::UnsupportedVersion)
        } else {
            Ok(Route::FrontDoor)
        };
    }
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
