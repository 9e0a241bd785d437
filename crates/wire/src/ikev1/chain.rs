use super::{Payload, PayloadType, parse};
use crate::Malformed;
use crate::read::Reader;

/// Most payloads in one chain.
pub const PAYLOADS_MAX: usize = 64;

/// Octets of a generic payload header (RFC 2408 §3.2).
pub(super) const GENERIC_LEN: usize = 4;

/// One payload: what it says, and the octets in which it said it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// What it says.
    pub payload: Payload<'a>,
    /// Its octets without the generic header, as RFC 2409 §3.2 means by `_b`.
    pub body: &'a [u8],
}

/// A chain of payloads as read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payloads<'a> {
    /// The payloads, in order.
    pub parts: Vec<Part<'a>>,
    /// The octets of the whole chain, generic headers included, padding excluded.
    pub octets: &'a [u8],
}

impl<'a> Payloads<'a> {
    /// The payloads, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Payload<'a>> {
        self.parts.iter().map(|part| &part.payload)
    }

    /// The body of the first payload of a type.
    #[must_use]
    pub fn body_of(&self, kind: PayloadType) -> Option<&'a [u8]> {
        self.parts
            .iter()
            .find(|part| part.payload.payload_type() == kind)
            .map(|part| part.body)
    }

    /// The value of the HASH payload and the octets after it, over which it was made, if HASH is the
    /// first payload as RFC 2409 §5.5 and §5.7 demand.
    #[must_use]
    pub fn hashed(&self) -> Option<(&'a [u8], &'a [u8])> {
        let Payload::Hash(hash) = self.parts.first()?.payload else {
            return None;
        };
        Some((hash, self.octets.get(GENERIC_LEN + hash.len()..)?))
    }
}

/// What may stand after the last payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trailing {
    Refused,
    Ignored,
}

/// Walks generic payload headers (RFC 2408 §3.2); the reserved octet is ignored.
pub(super) fn walk(
    first: PayloadType,
    octets: &[u8],
    trailing: Trailing,
) -> Result<Payloads<'_>, Malformed> {
    let mut reader = Reader::new(octets);
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut kind = first;
    while kind != PayloadType::NONE {
        if parts.len() == PAYLOADS_MAX || is_second_of_single(kind, &parts) {
            return Err(Malformed::TooMany);
        }
        let [next, _reserved] = reader.array()?;
        let length = reader.u16()?;
        let body = reader.body(length, GENERIC_LEN)?.rest();
        let payload = parse::body(kind, body)?;
        parts.push(Part { payload, body });
        kind = PayloadType(next);
    }
    if trailing == Trailing::Refused && !reader.is_empty() {
        return Err(Malformed::BadLength);
    }
    let used = octets.len().saturating_sub(reader.len());
    Ok(Payloads {
        parts,
        octets: octets.get(..used).unwrap_or(octets),
    })
}

/// Whether there is a payload of the kind already, and no exchange carries two in one message. Quick
/// mode may carry several SA payloads (RFC 2409 §5.5), and two of ID.
fn is_second_of_single(kind: PayloadType, parts: &[Part<'_>]) -> bool {
    matches!(
        kind,
        PayloadType::KE
            | PayloadType::HASH
            | PayloadType::SIG
            | PayloadType::NONCE
            | PayloadType::ATTRIBUTES
            | PayloadType::FRAGMENT
    ) && parts.iter().any(|part| part.payload.payload_type() == kind)
}

/// Reads a chain of payloads that was encrypted. Its end is where a payload says that it is the
/// last: what follows is padding, whose length and content RFC 2409 appendix B leaves unchecked.
///
/// # Errors
/// [`Malformed`] as the first payload that is wrong deserves.
pub fn parse_payloads(first: PayloadType, octets: &[u8]) -> Result<Payloads<'_>, Malformed> {
    walk(first, octets, Trailing::Ignored)
}
