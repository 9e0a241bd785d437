use core::net::IpAddr;

use crate::Malformed;

/// A payload type (RFC 7296 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PayloadType(pub u8);

/// A notify message type (RFC 7296 §3.10.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct NotifyType(pub u16);

/// A transform type (RFC 7296 §3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct TransformType(pub u8);

/// One transform of a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transform {
    /// What it is for.
    pub kind: TransformType,
    /// Which algorithm.
    pub id: u16,
    /// Key Length attribute in bits, if present.
    pub key_bits: Option<u16>,
    /// Carries an attribute that we do not know: cannot be chosen (RFC 7296 §3.3.6).
    pub unknown_attribute: bool,
}

/// One proposal of a Security Association payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal<'a> {
    /// Proposal number, from 1.
    pub number: u8,
    /// 1 IKE, 2 AH, 3 ESP.
    pub protocol: u8,
    /// Sender's SPI: 0, 4 or 8 octets.
    pub spi: &'a [u8],
    /// Transforms, in the sender's order.
    pub transforms: Vec<Transform>,
}

/// Identification payload body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identification<'a> {
    /// ID type.
    pub kind: u8,
    /// ID data.
    pub data: &'a [u8],
}

/// Notify payload body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notify<'a> {
    /// Protocol ID, 0 unless `spi` is present.
    pub protocol: u8,
    /// SPI: 0, 4 or 8 octets.
    pub spi: &'a [u8],
    /// What is notified.
    pub kind: NotifyType,
    /// Notification data.
    pub data: &'a [u8],
}

/// Delete payload body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delete {
    /// 1 IKE (no SPIs), 2 AH, 3 ESP.
    pub protocol: u8,
    /// The SPIs on which the sender would have received.
    pub spis: Vec<u32>,
}

/// A traffic selector substructure. Unknown types are skipped by the parser and reported as `None`
/// entries never: they are dropped, as RFC 7296 §3.13.1 lets a receiver do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrafficSelector {
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// First port.
    pub start_port: u16,
    /// Last port.
    pub end_port: u16,
    /// First address.
    pub start: IpAddr,
    /// Last address, same family.
    pub end: IpAddr,
}

/// The kind of a Configuration payload (RFC 7296 §3.15).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConfigurationKind {
    /// CFG_REQUEST.
    Request,
    /// CFG_REPLY.
    Reply,
    /// CFG_SET.
    Set,
    /// CFG_ACK.
    Ack,
}

/// One configuration attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Attribute type, 15 bits.
    pub kind: u16,
    /// Value.
    pub value: &'a [u8],
}

/// Configuration payload body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Configuration<'a> {
    /// Request, reply, set or acknowledge.
    pub kind: ConfigurationKind,
    /// Attributes, in order.
    pub attributes: Vec<Attribute<'a>>,
}

/// One payload, without its generic header. The Encrypted payloads are not here: they are found in
/// [`Message::encrypted`](super::Message::encrypted).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// SA: proposals.
    SecurityAssociation(Vec<Proposal<'a>>),
    /// KE.
    KeyExchange {
        /// Group number.
        group: u16,
        /// Public value.
        data: &'a [u8],
    },
    /// IDi.
    IdentificationInitiator(Identification<'a>),
    /// IDr.
    IdentificationResponder(Identification<'a>),
    /// CERT.
    Certificate {
        /// Encoding.
        encoding: u8,
        /// Certificate data.
        data: &'a [u8],
    },
    /// CERTREQ.
    CertificateRequest {
        /// Encoding.
        encoding: u8,
        /// Authorities.
        data: &'a [u8],
    },
    /// AUTH.
    Authentication {
        /// Method.
        method: u8,
        /// Authentication data.
        data: &'a [u8],
    },
    /// Ni or Nr.
    Nonce(&'a [u8]),
    /// N.
    Notify(Notify<'a>),
    /// D.
    Delete(Delete),
    /// V.
    VendorId(&'a [u8]),
    /// TSi.
    TrafficSelectorsInitiator(Vec<TrafficSelector>),
    /// TSr.
    TrafficSelectorsResponder(Vec<TrafficSelector>),
    /// CP.
    Configuration(Configuration<'a>),
    /// EAP.
    Eap(&'a [u8]),
    /// PS: four keys of one size, one after the other (RFC 8019 §8.2).
    PuzzleSolution(&'a [u8]),
    /// Anything else. With `critical` set the message must be rejected (RFC 7296 §2.5).
    Unknown {
        /// Payload type.
        kind: PayloadType,
        /// The critical bit.
        critical: bool,
        /// Body.
        data: &'a [u8],
    },
}

/// Data of a PUZZLE notify (RFC 8019 §8.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Puzzle {
    /// Transform ID of the pseudorandom function to be used.
    pub prf: u16,
    /// Zero bits that each result must end with; 0 leaves it to the initiator.
    pub difficulty: u8,
}

impl Puzzle {
    /// Reads the data of a notify.
    ///
    /// # Errors
    /// [`Malformed::BadLength`] if it does not have three octets.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let octets: [u8; 3] = data.try_into().map_err(|_| Malformed::BadLength)?;
        let [high, low, difficulty] = octets;
        Ok(Self {
            prf: u16::from_be_bytes([high, low]),
            difficulty,
        })
    }

    /// The data of a notify.
    #[must_use]
    pub fn data(self) -> [u8; 3] {
        let [high, low] = self.prf.to_be_bytes();
        [high, low, self.difficulty]
    }
}
