use super::{Payload, PayloadType, parse};
use crate::Malformed;
use crate::read::Reader;

/// Most payloads in one chain.
pub const PAYLOADS_MAX: usize = 64;

/// The critical bit of the generic payload header (RFC 7296 §3.2).
const CRITICAL: u8 = 0x80;

/// One payload of a chain before its body is understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawPayload<'a> {
    pub(super) kind: PayloadType,
    pub(super) next: PayloadType,
    pub(super) critical: bool,
    pub(super) body: &'a [u8],
}

impl<'a> RawPayload<'a> {
    pub(super) fn parse(&self) -> Result<Payload<'a>, Malformed> {
        parse::body(self)
    }
}

/// Walks generic payload headers (RFC 7296 §3.2).
#[derive(Debug)]
pub(super) struct Chain<'a> {
    next: PayloadType,
    reader: Reader<'a>,
    count: usize,
    seen: u32,
}

impl<'a> Chain<'a> {
    pub(super) const fn new(first: PayloadType, octets: &'a [u8]) -> Self {
        Self {
            next: first,
            reader: Reader::new(octets),
            count: 0,
            seen: 0,
        }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.reader.is_empty()
    }

    /// The next payload, or `None` after the last. Octets after the last are an error.
    pub(super) fn next_payload(&mut self) -> Result<Option<RawPayload<'a>>, Malformed> {
        if self.next == PayloadType::NONE {
            return if self.reader.is_empty() {
                Ok(None)
            } else {
                Err(Malformed::BadLength)
            };
        }
        if self.count == PAYLOADS_MAX {
            return Err(Malformed::TooMany);
        }
        self.count += 1;
        let kind = self.next;
        self.refuse_second(kind)?;
        let [next, flags] = self.reader.array()?;
        let length = self.reader.u16()?;
        let body = self.reader.body(length, 4)?.rest();
        self.next = PayloadType(next);
        Ok(Some(RawPayload {
            kind,
            next: self.next,
            critical: flags & CRITICAL != 0,
            body,
        }))
    }

    fn refuse_second(&mut self, kind: PayloadType) -> Result<(), Malformed> {
        if !is_single(kind) {
            return Ok(());
        }
        let bit = 1 << (kind.0 - PayloadType::SA.0);
        if self.seen & bit != 0 {
            return Err(Malformed::TooMany);
        }
        self.seen |= bit;
        Ok(())
    }
}

/// Whether no exchange of RFC 7296 §1.2-1.4 carries two of the kind in one message.
const fn is_single(kind: PayloadType) -> bool {
    matches!(
        kind,
        PayloadType::SA
            | PayloadType::KE
            | PayloadType::IDI
            | PayloadType::IDR
            | PayloadType::AUTH
            | PayloadType::NONCE
            | PayloadType::TSI
            | PayloadType::TSR
            | PayloadType::CP
            | PayloadType::EAP
    )
}

/// Reads a chain of payloads that stood inside an Encrypted payload, padding already removed.
///
/// # Errors
/// [`Malformed`] as the first payload that is wrong deserves; an Encrypted payload inside an
/// Encrypted payload is [`Malformed::BadValue`].
pub fn parse_payloads(first: PayloadType, octets: &[u8]) -> Result<Vec<Payload<'_>>, Malformed> {
    let mut chain = Chain::new(first, octets);
    let mut payloads = Vec::new();
    while let Some(raw) = chain.next_payload()? {
        if raw.kind == PayloadType::SK || raw.kind == PayloadType::SKF {
            return Err(Malformed::BadValue);
        }
        payloads.push(raw.parse()?);
    }
    Ok(payloads)
}
