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
