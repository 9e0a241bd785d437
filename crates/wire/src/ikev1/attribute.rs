//! Data attributes (RFC 2408 §3.3): of transforms and of configuration payloads.

use crate::Malformed;
use crate::read::Reader;

/// Attribute format bit: type and value, no length.
const BASIC: u16 = 0x8000;

/// The value of a data attribute, in the form in which it stood on the wire: a transform that is
/// chosen has to come back as it was (RFC 2409 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// Type and value, two octets.
    Basic(u16),
    /// Type, length and value.
    Variable(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The value as a number: basic, or up to eight octets in network order. Numbers that may be
    /// variable may be sent as either (RFC 2409 appendix A).
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Basic(value) => Some(u64::from(*value)),
            Self::Variable(octets) if octets.is_empty() || octets.len() > 8 => None,
            Self::Variable(octets) => Some(
                octets
                    .iter()
                    .fold(0, |number, octet| (number << 8) | u64::from(*octet)),
            ),
        }
    }

    /// The value as octets; none if it is basic.
    #[must_use]
    pub const fn octets(&self) -> Option<&'a [u8]> {
        match self {
            Self::Basic(_) => None,
            Self::Variable(octets) => Some(octets),
        }
    }
}

/// One data attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Attribute type, 15 bits.
    pub kind: u16,
    /// Value.
    pub value: Value<'a>,
}

impl<'a> Attribute<'a> {
    /// A basic attribute.
    #[must_use]
    pub const fn basic(kind: u16, value: u16) -> Self {
        Self {
            kind,
            value: Value::Basic(value),
        }
    }

    /// A variable attribute.
    #[must_use]
    pub const fn variable(kind: u16, value: &'a [u8]) -> Self {
        Self {
            kind,
            value: Value::Variable(value),
        }
    }
}

/// Most attributes in the data of a notification.
const LIST_MAX: usize = 16;

/// Reads a list of attributes that stands alone, as in the data of RESPONDER-LIFETIME (RFC 2407
/// §4.6.3.1).
///
/// # Errors
/// [`Malformed`] when an attribute is cut off or there are more than sixteen.
pub fn parse_attributes(octets: &[u8]) -> Result<Vec<Attribute<'_>>, Malformed> {
    parse(&mut Reader::new(octets), LIST_MAX)
}

/// Appends a list of attributes.
///
/// # Panics
/// If a variable attribute has more than 65535 octets.
pub fn encode_attributes(attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    write(attributes, out);
}

/// Reads attributes to the end, at most `limit`.
pub(super) fn parse<'a>(
    reader: &mut Reader<'a>,
    limit: usize,
) -> Result<Vec<Attribute<'a>>, Malformed> {
    let mut attributes = Vec::new();
    while !reader.is_empty() {
        if attributes.len() == limit {
            return Err(Malformed::TooMany);
        }
        let kind = reader.u16()?;
        let value_or_len = reader.u16()?;
        attributes.push(if kind & BASIC == 0 {
            Attribute::variable(kind, reader.body(value_or_len, 0)?.rest())
        } else {
            Attribute::basic(kind & !BASIC, value_or_len)
        });
    }
    Ok(attributes)
}

/// Appends attributes.
pub(super) fn write(attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    for attribute in attributes {
        match attribute.value {
            Value::Basic(value) => {
                out.extend_from_slice(&(attribute.kind | BASIC).to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
            Value::Variable(octets) => {
                let length =
                    u16::try_from(octets.len()).expect("an attribute has at most 65535 octets");
                out.extend_from_slice(&(attribute.kind & !BASIC).to_be_bytes());
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(octets);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_and_has_bounds() {
        let list = [
            Attribute::basic(1, 1),
            Attribute::variable(2, &[0, 0, 0x0e, 0x10]),
        ];
        let mut octets = Vec::new();
        encode_attributes(&list, &mut octets);
        assert_eq!(parse_attributes(&octets), Ok(list.to_vec()));
        assert!(parse_attributes(&octets[..octets.len() - 1]).is_err());
        let many = vec![Attribute::basic(1, 1); LIST_MAX + 1];
        let mut octets = Vec::new();
        encode_attributes(&many, &mut octets);
        assert_eq!(parse_attributes(&octets), Err(Malformed::TooMany));
    }
}
