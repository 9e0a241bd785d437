//! A request that comes once more. Of two copies of one, on their way while a threshold was passed, one may have been answered with
//! a cookie and the other let in: the initiator then signs the copy with the cookie (RFC 7296 §2.15), which comes after.

use wire::ikev2::{HEADER_LEN, NotifyType, PayloadType};

/// What a request is to the one that was let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repetition {
    /// The same, octet for octet.
    Same,
    /// The same, and before it another cookie or the first: the initiator has said it since.
    Later,
    /// The same without the cookie: the initiator had said it before.
    Earlier,
    /// Something else.
    Changed,
}

/// A request without its cookie.
#[derive(PartialEq, Eq)]
struct Rest<'a> {
    spis: &'a [u8],
    first: u8,
    /// From the version to the message ID.
    about: &'a [u8],
    payloads: &'a [u8],
}

impl Repetition {
    /// Compares the request that was let in with another of the same SPI.
    pub(super) fn of(known: &[u8], other: &[u8]) -> Self {
        if known == other {
            return Self::Same;
        }
        let (Some(known), Some((cookie, rest))) = (part(known), part(other)) else {
            return Self::Changed;
        };
        match (known.1 == rest, cookie) {
            (false, _) => Self::Changed,
            (true, true) => Self::Later,
            (true, false) => Self::Earlier,
        }
    }
}

/// Whether a cookie stands first, where RFC 7296 §2.6 wants it, and the rest.
fn part(request: &[u8]) -> Option<(bool, Rest<'_>)> {
    let (header, payloads) = request.split_at_checked(HEADER_LEN)?;
    let rest = |first, payloads| {
        Some(Rest {
            spis: header.get(..16)?,
            first,
            about: header.get(17..24)?,
            payloads,
        })
    };
    let first = *header.get(16)?;
    // RFC 7296 §3.2 and §3.10: next payload, flags, length, protocol, SPI size, type.
    if let Some([next, _, high, low, _, _, kind @ ..]) = payloads.first_chunk::<8>()
        && first == PayloadType::NOTIFY.0
        && u16::from_be_bytes(*kind) == NotifyType::COOKIE.0
    {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        return Some((true, rest(*next, payloads.get(length..)?)?));
    }
    Some((false, rest(first, payloads)?))
}
