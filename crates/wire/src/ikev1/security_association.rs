//! The Security Association payload (RFC 2408 §3.4-3.6, RFC 2407 §4.6.1), both directions.

use super::attribute::{self, Attribute};
use super::encode::fix_length;
use super::numbers::{doi, protocol, situation};
use crate::Malformed;
use crate::read::Reader;

/// Most proposals in one payload.
pub const PROPOSALS_MAX: usize = 64;
/// Most transforms in one proposal, and a quarter of the most in all proposals together.
pub const TRANSFORMS_MAX: usize = 128;
/// Most attributes of one transform.
pub const TRANSFORM_ATTRIBUTES_MAX: usize = 32;

const LAST: u8 = 0;
const MORE_PROPOSALS: u8 = 2;
const MORE_TRANSFORMS: u8 = 3;

/// One transform of a proposal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transform<'a> {
    /// Transform number, as the sender counts.
    pub number: u8,
    /// Transform ID: KEY_IKE, or an ESP, AH or IPCOMP algorithm.
    pub id: u8,
    /// Attributes, in the sender's order.
    pub attributes: Vec<Attribute<'a>>,
}

/// One proposal. Proposals with one number belong together, those with different numbers are
/// alternatives (RFC 2408 §4.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal<'a> {
    /// Proposal number.
    pub number: u8,
    /// Protocol ([`protocol`]).
    pub protocol: u8,
    /// Sender's SPI: 4 octets for AH and ESP, 2 or 4 for IPCOMP, up to 16 without meaning for ISAKMP.
    pub spi: &'a [u8],
    /// Transforms, alternatives in the sender's order.
    pub transforms: Vec<Transform<'a>>,
}

/// A Security Association payload of the IPsec DOI whose situation is identity only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sa<'a> {
    /// Domain of interpretation ([`doi`]): always the IPsec DOI when read.
    pub doi: u32,
    /// Situation ([`situation`]): always identity only when read.
    pub situation: u32,
    /// Proposals, in the sender's order.
    pub proposals: Vec<Proposal<'a>>,
}

impl<'a> Sa<'a> {
    /// A payload of the IPsec DOI with the situation identity only.
    #[must_use]
    pub const fn new(proposals: Vec<Proposal<'a>>) -> Self {
        Self {
            doi: doi::IPSEC,
            situation: situation::IDENTITY_ONLY,
            proposals,
        }
    }
}

/// Reads the body. Another DOI or situation is [`Malformed::BadValue`]: what follows it has a form that
/// we do not know.
pub(super) fn parse<'a>(reader: &mut Reader<'a>) -> Result<Sa<'a>, Malformed> {
    let doi = reader.u32()?;
    let situation = reader.u32()?;
    if doi != doi::IPSEC || situation != situation::IDENTITY_ONLY {
        return Err(Malformed::BadValue);
    }
    let mut proposals = Vec::new();
    let mut transforms = 0;
    loop {
        if proposals.len() == PROPOSALS_MAX {
            return Err(Malformed::TooMany);
        }
        let [more, _reserved] = reader.array()?;
        let length = reader.u16()?;
        let proposal = parse_proposal(reader.body(length, 4)?)?;
        transforms += proposal.transforms.len();
        if transforms > 4 * TRANSFORMS_MAX {
            return Err(Malformed::TooMany);
        }
        proposals.push(proposal);
        if is_last(more, MORE_PROPOSALS, reader)? {
            return Ok(Sa {
                doi,
                situation,
                proposals,
            });
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

/// RFC 2408 §3.5. An SPI for ISAKMP has up to 16 octets and no meaning (§2.4); AH and ESP have four
/// (RFC 2407 §4.6.1), IPCOMP two, which may be sent as four (RFC 3173 §4.1).
const fn spi_fits(protocol: u8, spi_len: u8) -> bool {
    match protocol {
        protocol::ISAKMP => spi_len <= 16,
        protocol::AH | protocol::ESP => spi_len == 4,
        protocol::IPCOMP => spi_len == 2 || spi_len == 4,
        _ => true,
    }
}

fn parse_proposal(mut reader: Reader<'_>) -> Result<Proposal<'_>, Malformed> {
    let [number, protocol, spi_len, count] = reader.array()?;
    if !spi_fits(protocol, spi_len) {
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
        let [more, _reserved] = reader.array()?;
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

fn parse_transform(mut reader: Reader<'_>) -> Result<Transform<'_>, Malformed> {
    let [number, id, _, _] = reader.array()?;
    Ok(Transform {
        number,
        id,
        attributes: attribute::parse(&mut reader, TRANSFORM_ATTRIBUTES_MAX)?,
    })
}

/// Appends the payload's body.
pub(super) fn write(sa: &Sa<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&sa.doi.to_be_bytes());
    out.extend_from_slice(&sa.situation.to_be_bytes());
    for (index, proposal) in sa.proposals.iter().enumerate() {
        let more = index + 1 < sa.proposals.len();
        write_proposal(proposal, more, out);
    }
}

fn write_proposal(proposal: &Proposal<'_>, more: bool, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[if more { MORE_PROPOSALS } else { LAST }, 0, 0, 0]);
    out.extend_from_slice(&[
        proposal.number,
        proposal.protocol,
        u8::try_from(proposal.spi.len()).expect("an SPI has at most sixteen octets"),
        u8::try_from(proposal.transforms.len()).expect("a proposal has at most 128 transforms"),
    ]);
    out.extend_from_slice(proposal.spi);
    for (index, transform) in proposal.transforms.iter().enumerate() {
        let more = index + 1 < proposal.transforms.len();
        write_transform(transform, more, out);
    }
    fix_length(out, start, start + 2);
}

fn write_transform(transform: &Transform<'_>, more: bool, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[if more { MORE_TRANSFORMS } else { LAST }, 0, 0, 0]);
    out.extend_from_slice(&[transform.number, transform.id, 0, 0]);
    attribute::write(&transform.attributes, out);
    fix_length(out, start, start + 2);
}
