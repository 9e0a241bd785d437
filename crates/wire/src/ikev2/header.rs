use crate::Malformed;
use crate::header::Layout;

/// Octets of an IKE header.
pub const HEADER_LEN: usize = 28;

/// The four zero octets that precede IKE on port 4500 (RFC 3948 §2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// An exchange type (RFC 7296 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ExchangeType(pub u8);

impl ExchangeType {
    /// IKE_SA_INIT.
    pub const IKE_SA_INIT: Self = Self(34);
    /// IKE_AUTH.
    pub const IKE_AUTH: Self = Self(35);
    /// CREATE_CHILD_SA.
    pub const CREATE_CHILD_SA: Self = Self(36);
    /// INFORMATIONAL.
    pub const INFORMATIONAL: Self = Self(37);
}

/// The flags octet (RFC 7296 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags {
    /// I: sent by the original initiator of the IKE SA.
    pub initiator: bool,
    /// V: can speak a higher major version; sent as 0, ignored on receipt.
    pub version: bool,
    /// R: this is a response.
    pub response: bool,
}

/// The IKE header (RFC 7296 §3.1), common to IKEv1 and IKEv2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Initiator's SPI.
    pub initiator_spi: u64,
    /// Responder's SPI; 0 in the first message.
    pub responder_spi: u64,
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
    /// Message ID.
    pub message_id: u32,
    /// Octets of the whole message, header included.
    pub length: u32,
}

/// I flag: sent by the original initiator.
const FLAG_INITIATOR: u8 = 0x08;
/// V flag: a higher major version could be spoken.
const FLAG_VERSION: u8 = 0x10;
/// R flag: a response.
const FLAG_RESPONSE: u8 = 0x20;

impl Flags {
    /// Reads the octet; the reserved bits are ignored (RFC 7296 §3.1).
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        Self {
            initiator: octet & FLAG_INITIATOR != 0,
            version: octet & FLAG_VERSION != 0,
            response: octet & FLAG_RESPONSE != 0,
        }
    }

    /// The octet, reserved bits zero.
    #[must_use]
    pub const fn to_octet(self) -> u8 {
        (if self.initiator { FLAG_INITIATOR } else { 0 })
            | (if self.version { FLAG_VERSION } else { 0 })
            | (if self.response { FLAG_RESPONSE } else { 0 })
    }
}

impl Header {
    /// Reads the 28 octets at the start of a message, whatever its version. The length field is
    /// not compared with the datagram: [`Message::parse`](super::Message::parse) does that, after
    /// the version has been looked at.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 28 octets.
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let layout = Layout::parse(message)?;
        Ok(Self {
            initiator_spi: layout.initiator,
            responder_spi: layout.responder,
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
            initiator: self.initiator_spi,
            responder: self.responder_spi,
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
