use crate::Malformed;
use crate::header::Layout;

/// An exchange type (RFC 2408 §3.1, RFC 2409 appendix A, draft-dukes-ike-mode-cfg §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ExchangeType(pub u8);

impl ExchangeType {
    /// Base.
    pub const BASE: Self = Self(1);
    /// Identity Protection: main mode.
    pub const IDENTITY_PROTECTION: Self = Self(2);
    /// Authentication Only.
    pub const AUTHENTICATION_ONLY: Self = Self(3);
    /// Aggressive: aggressive mode.
    pub const AGGRESSIVE: Self = Self(4);
    /// Informational.
    pub const INFORMATIONAL: Self = Self(5);
    /// Transaction: configuration and extended authentication.
    pub const TRANSACTION: Self = Self(6);
    /// Quick Mode.
    pub const QUICK_MODE: Self = Self(32);
    /// New Group Mode.
    pub const NEW_GROUP_MODE: Self = Self(33);
}

/// The flags octet (RFC 2408 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags {
    /// E: everything after the header is encrypted.
    pub encryption: bool,
    /// C: the sender wants CONNECTED before the SA is used.
    pub commit: bool,
    /// A: authenticated, not encrypted; informational exchanges only.
    pub authentication_only: bool,
}

const FLAG_ENCRYPTION: u8 = 0x01;
const FLAG_COMMIT: u8 = 0x02;
const FLAG_AUTHENTICATION_ONLY: u8 = 0x04;

impl Flags {
    /// Reads the octet; the reserved bits are ignored.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        Self {
            encryption: octet & FLAG_ENCRYPTION != 0,
            commit: octet & FLAG_COMMIT != 0,
            authentication_only: octet & FLAG_AUTHENTICATION_ONLY != 0,
        }
    }

    /// The octet, reserved bits zero.
    #[must_use]
    pub const fn to_octet(self) -> u8 {
        (if self.encryption { FLAG_ENCRYPTION } else { 0 })
            | (if self.commit { FLAG_COMMIT } else { 0 })
            | (if self.authentication_only {
                FLAG_AUTHENTICATION_ONLY
            } else {
                0
            })
    }
}

/// The ISAKMP header (RFC 2408 §3.1). Its layout is that of IKEv2; the flags are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// CKY-I.
    pub initiator_cookie: u64,
    /// CKY-R; 0 in the first message.
    pub responder_cookie: u64,
    /// Type of the first payload.
    pub next_payload: u8,
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
    /// Exchange type.
    pub exchange: ExchangeType,
    /// Flags.
    pub flags: Flags,
    /// M-ID: 0 in phase 1.
    pub message_id: u32,
    /// Octets of the whole message, header and padding included.
    pub length: u32,
}

impl Header {
    /// Reads the 28 octets at the start of a message, whatever its version. The length field is
    /// not compared with the datagram: [`Message::parse`](super::Message::parse) does that.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 28 octets.
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let layout = Layout::parse(message)?;
        Ok(Self {
            initiator_cookie: layout.initiator,
            responder_cookie: layout.responder,
            next_payload: layout.next_payload,
            major: layout.major,
            minor: layout.minor,
            exchange: ExchangeType(layout.exchange),
            flags: Flags::from_octet(layout.flags),
            message_id: layout.message_id,
            length: layout.length,
        })
    }

    /// Appends the 28 octets, with `next_payload` and `length` as they stand.
    pub fn write(&self, out: &mut Vec<u8>) {
        let layout = Layout {
            initiator: self.initiator_cookie,
            responder: self.responder_cookie,
            next_payload: self.next_payload,
            major: self.major,
            minor: self.minor,
            exchange: self.exchange.0,
            flags: self.flags.to_octet(),
            message_id: self.message_id,
            length: self.length,
        };
        layout.write(out);
    }
}
