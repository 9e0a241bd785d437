use super::chain::{Trailing, walk};
use super::{HEADER_LEN, Header, PayloadType, Payloads};
use crate::Malformed;

/// What follows the header of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// Payloads in the clear.
    Clear(Payloads<'a>),
    /// Ciphertext. Decrypted, it is read with [`parse_payloads`](super::parse_payloads), whose first
    /// type is the header's `next_payload`.
    Encrypted(&'a [u8]),
}

/// A message as read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// Payloads or ciphertext.
    pub body: Body<'a>,
}

impl<'a> Message<'a> {
    /// Reads a whole datagram (after the non-ESP marker, if there was one).
    ///
    /// # Errors
    /// [`Malformed::BadValue`] for a major version other than 1, [`Malformed::BadLength`] if the
    /// header's length is not that of the datagram, and whatever payloads in the clear are guilty of.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let header = Header::parse(datagram)?;
        if header.major != 1 {
            return Err(Malformed::BadValue);
        }
        if usize::try_from(header.length) != Ok(datagram.len()) {
            return Err(Malformed::BadLength);
        }
        let octets = datagram.get(HEADER_LEN..).ok_or(Malformed::Truncated)?;
        let first = PayloadType(header.next_payload);
        // Some peers copy the flags of the whole message into the headers of its fragments. A
        // fragment itself is never encrypted.
        let body = if header.flags.encryption && first != PayloadType::FRAGMENT {
            Body::Encrypted(octets)
        } else {
            Body::Clear(walk(first, octets, Trailing::Refused)?)
        };
        Ok(Self { header, body })
    }
}
