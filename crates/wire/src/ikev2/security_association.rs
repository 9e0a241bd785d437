//! The Security Association payload (RFC 7296 §3.3), both directions.

use super::numbers::{protocol, transform_attribute};
use super::{Proposal, Transform, TransformType};
use crate::Malformed;
use crate::read::Reader;

/// Most proposals in one payload.
pub const PROPOSALS_MAX: usize = 64;
/// Most transforms in one proposal, and a quarter of the most in all proposals together.
pub const TRANSFORMS_MAX: usize = 128;

const LAST: u8 = 0;
const MORE_PROPOSALS: u8 = 2;
const MORE_TRANSFORMS: u8 = 3;
/// Attribute format bit: type and value, no length (RFC 7296 §3.3.5).
const TYPE_VALUE: u16 = 0x8000;

pub(super) fn parse<'a>(reader: &mut Reader<'a>) -> Result<Vec<Proposal<'a>>, Malformed> {
    let mut proposals = Vec::new();
    let mut transforms = 0;
    loop {
        if proposals.len() == PROPOSALS_MAX {
            return Err(Malformed::TooMany);
        }
        let [more, _] = reader.array()?;
        let length = reader.u16()?;
        let proposal = parse_proposal(reader.body(length, 4)?)?;
        transforms += proposal.transforms.len();
        if transforms > 4 * TRANSFORMS_MAX {
            return Err(Malformed::TooMany);
        }
        proposals.push(proposal);
        if is_last(more, MORE_PROPOSALS, reader)? {
            return Ok(proposals);
        }
    }
}

/// Whether the list ends here; the marker and the octets that are left have to agree.
fn is_last(marker: u8, more: u8, reader: &Reader<'_>) -> Result<bool, Malformed> {
    match marker {
        LAST if reader.is_empty() => Ok(true),
        LAST => Err(Malformed::BadLength),
        _ if marker == more && !reader.is_empty() => Ok(false),
        _ if marker == more => Err(Malformed::Truncated),
        _ => Err(Malformed::BadValue),
    }
}

fn parse_proposal(mut reader: Reader<'_>) -> Result<Proposal<'_>, Malformed> {
    let [number, protocol, spi_len, count] = reader.array()?;
    // RFC 7296 §3.3.1. Protocols that we do not know may have SPIs of any size.
    let fits = match protocol {
        protocol::IKE => spi_len == 0 || spi_len == 8,
        protocol::AH | protocol::ESP => spi_len == 4,
        _ => true,
    };
    if !fits {
        return Err(Malformed::BadValue);
    }
    let spi = reader
        .take(usize::from(spi_len))
        .map_err(|_| Malformed::BadLength)?;
    if usize::from(count) > TRANSFORMS_MAX {
        return Err(Malformed::TooMany);
    }
    let mut transforms = Vec::with_capacity(usize::from(count));
    for index in 1..=count {
        let [more, _] = reader.array()?;
        let length = reader.u16()?;
        transforms.push(parse_transform(reader.body(length, 4)?)?);
        if is_last(more, MORE_TRANSFORMS, &reader)? != (index == count) {
            return Err(Malformed::BadLength);
        }
    }
    if !reader.is_empty() {
        return Err(Malformed::BadLength);
    }
    Ok(Proposal {
        number,
        protocol,
        spi,
        transforms,
    })
}

fn parse_transform(mut reader: Reader<'_>) -> Result<Transform, Malformed> {
    let [kind, _] = reader.array()?;
    let id = reader.u16()?;
    let mut transform = Transform {
        kind: TransformType(kind),
        id,
        key_bits: None,
        unknown_attribute: false,
    };
    while !reader.is_empty() {
        let kind = reader.u16()?;
        let value_or_len = reader.u16()?;
        if kind & TYPE_VALUE == 0 {
            reader.body(value_or_len, 0)?;
            transform.unknown_attribute = true;
        } else if kind & !TYPE_VALUE == transform_attribute::KEY_LENGTH
            && transform.key_bits.is_none()
        {
            transform.key_bits = Some(value_or_len);
        } else {
            transform.unknown_attribute = true;
        }
    }
    Ok(transform)
}

/// Appends the payload's body. `unknown_attribute` has no form on the wire and is not written.
pub(super) fn write(proposals: &[Proposal<'_>], out: &mut Vec<u8>) {
    for (index, proposal) in proposals.iter().enumerate() {
        let more = index + 1 < proposals.len();
        let start = out.len();
        out.extend_from_slice(&[if more { MORE_PROPOSALS } else { LAST }, 0, 0, 0]);
        out.extend_from_slice(&[
            proposal.number,
            proposal.protocol,
            u8::try_from(proposal.spi.len()).expect("an SPI has at most eight octets"),
            u8::try_from(proposal.transforms.len()).expect("a proposal has at most 128 transforms"),
        ]);
        out.extend_from_slice(proposal.spi);
        for (index, transform) in proposal.transforms.iter().enumerate() {
            write_transform(transform, index + 1 < proposal.transforms.len(), out);
        }
        super::encode::fix_length(out, start, start + 2);
    }
}

fn write_transform(transform: &Transform, more: bool, out: &mut Vec<u8>) {
    let length = if transform.key_bits.is_some() { 12 } else { 8 };
    out.extend_from_slice(&[if more { MORE_TRANSFORMS } else { LAST }, 0, 0, length]);
    out.extend_from_slice(&[transform.kind.0, 0]);
    out.extend_from_slice(&transform.id.to_be_bytes());
    if let Some(bits) = transform.key_bits {
        out.extend_from_slice(&(TYPE_VALUE | transform_attribute::KEY_LENGTH).to_be_bytes());
        out.extend_from_slice(&bits.to_be_bytes());
    }
}
