use super::{Header, Payload, PayloadType};

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
