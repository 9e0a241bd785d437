use super::chain::Chain;
use super::{HEADER_LEN, Header, Notify, NotifyType, Payload, PayloadType};

/// What an IKE_SA_INIT request shows without being read: as much as a cookie needs (RFC 7296 §2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance<'a> {
    /// The header.
    pub header: Header,
    /// The cookie that it returns, if it does. RFC 7296 §2.6 wants it first; here it may stand anywhere before the nonce.
    pub cookie: Option<&'a [u8]>,
    /// The nonce.
    pub nonce: &'a [u8],
}

impl<'a> Glance<'a> {
    /// Looks at a whole message (after the non-ESP marker, if there was one) up to its nonce. `None` for what cannot be an
    /// IKEv2 message with a nonce. For every message that [`Message::parse`](super::Message::parse) takes and that has a nonce it is `Some`.
    #[must_use]
    pub fn at(message: &'a [u8]) -> Option<Self> {
        let header = Header::parse(message).ok()?;
        if header.major != 2 || usize::try_from(header.length) != Ok(message.len()) {
            return None;
        }
        let mut chain = Chain::new(PayloadType(header.next_payload), message.get(HEADER_LEN..)?);
        let mut cookie = None;
        while let Some(raw) = chain.next_payload().ok()? {
            match raw.kind {
                PayloadType::NONCE => {
                    return Some(Self {
                        header,
                        cookie,
                        nonce: raw.body,
                    });
                }
                PayloadType::NOTIFY => {
                    if let Payload::Notify(Notify { kind, data, .. }) = raw.parse().ok()?
                        && kind == NotifyType::COOKIE
                    {
                        cookie = cookie.or(Some(data));
                    }
                }
                _ => {}
            }
        }
        None
    }
}
