use super::chain::Chain;
use super::{HEADER_LEN, Header, Payload, PayloadType};
use crate::Malformed;
use crate::read::Reader;

/// Where the Encrypted (SK) or Encrypted Fragment (SKF) payload stands in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encrypted {
    /// Type of the first payload inside (0 in fragments after the first).
    pub first: PayloadType,
    /// Fragment number and total for SKF, `None` for SK.
    pub fragment: Option<(u16, u16)>,
    /// Offset in the message at which the IV begins: everything before it is associated data.
    pub body: usize,
}

/// A message as read: header, cleartext payloads, and the place of the encrypted one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// Payloads in the clear, in order.
    pub payloads: Vec<Payload<'a>>,
    /// The encrypted payload, always the last of a message.
    pub encrypted: Option<Encrypted>,
}

impl<'a> Message<'a> {
    /// Reads a whole datagram (after the non-ESP marker, if there was one).
    ///
    /// # Errors
    /// [`Malformed::BadValue`] for a major version other than 2, [`Malformed::BadLength`] if the
    /// header's length is not that of the datagram, and whatever its payloads are guilty of.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let header = Header::parse(datagram)?;
        if header.major != 2 {
            return Err(Malformed::BadValue);
        }
        if usize::try_from(header.length) != Ok(datagram.len()) {
            return Err(Malformed::BadLength);
        }
        let body = datagram.get(HEADER_LEN..).ok_or(Malformed::Truncated)?;
        let mut chain = Chain::new(PayloadType(header.next_payload), body);
        let mut payloads = Vec::new();
        while let Some(raw) = chain.next_payload()? {
            if raw.kind == PayloadType::SK || raw.kind == PayloadType::SKF {
                let encrypted = read_encrypted(&raw, datagram.len(), &chain)?;
                return Ok(Self {
                    header,
                    payloads,
                    encrypted: Some(encrypted),
                });
            }
            payloads.push(raw.parse()?);
        }
        Ok(Self {
            header,
            payloads,
            encrypted: None,
        })
    }
}

fn read_encrypted(
    raw: &super::chain::RawPayload<'_>,
    message_len: usize,
    chain: &Chain<'_>,
) -> Result<Encrypted, Malformed> {
    // RFC 7296 §3.14: it is always the last payload of a message; its Next Payload field names the
    // first payload inside.
    if !chain.is_at_end() {
        return Err(Malformed::BadLength);
    }
    let mut body = Reader::new(raw.body);
    let fragment = if raw.kind == PayloadType::SKF {
        let number = body.u16()?;
        let total = body.u16()?;
        // RFC 7383 §2.5: numbers start at 1 and do not pass the total.
        if number == 0 || number > total {
            return Err(Malformed::BadValue);
        }
        Some((number, total))
    } else {
        None
    };
    Ok(Encrypted {
        first: raw.next,
        fragment,
        body: message_len
            .checked_sub(body.len())
            .ok_or(Malformed::BadLength)?,
    })
}
