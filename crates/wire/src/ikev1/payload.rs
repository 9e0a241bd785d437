use core::net::IpAddr;

use super::attribute::Attribute;
use super::{ConfigurationKind, Sa};

/// A payload type (RFC 2408 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PayloadType(pub u8);

/// A notify message type (RFC 2408 §3.14.1, RFC 2407 §4.6.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct NotifyType(pub u16);

/// Identification payload body (RFC 2407 §4.6.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identification<'a> {
    /// ID type ([`identification`](super::numbers::identification)).
    pub id_type: u8,
    /// IP protocol; 0 for any.
    pub protocol: u8,
    /// Port; 0 for any.
    pub port: u16,
    /// ID data.
    pub data: &'a [u8],
}

/// Notification payload body (RFC 2408 §3.14).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notification<'a> {
    /// Domain of interpretation: 0 ISAKMP, 1 IPsec.
    pub doi: u32,
    /// Protocol ([`protocol`](super::numbers::protocol)).
    pub protocol: u8,
    /// SPI of any size, none too: senders do not agree on what it shall be.
    pub spi: &'a [u8],
    /// What is notified.
    pub notify_type: NotifyType,
    /// Notification data.
    pub data: &'a [u8],
}

/// Delete payload body (RFC 2408 §3.15).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delete<'a> {
    /// Domain of interpretation: 0 ISAKMP, 1 IPsec.
    pub doi: u32,
    /// Protocol ([`protocol`](super::numbers::protocol)).
    pub protocol: u8,
    /// The SPIs, all of one size: 4 octets for AH and ESP, 16 (both cookies) for ISAKMP.
    pub spis: Vec<&'a [u8]>,
}

/// Attributes payload body (draft-dukes-ike-mode-cfg §3.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes<'a> {
    /// Request, reply, set or acknowledge.
    pub kind: ConfigurationKind,
    /// Ties the messages of a transaction together.
    pub identifier: u16,
    /// Attributes, in order.
    pub attributes: Vec<Attribute<'a>>,
}

/// Under which numbers the payloads of NAT traversal travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NatNumbers {
    /// 20 and 21 (RFC 3947 §3.2, §5.2).
    Rfc3947,
    /// 130 and 131, of the private range (draft-ietf-ipsec-nat-t-ike-02 and -03).
    Drafts,
}

/// A piece of a message (Cisco's fragmentation, which no document describes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment<'a> {
    /// Which message it is a piece of.
    pub id: u16,
    /// Which piece, from 1.
    pub number: u8,
    /// Whether it is the last piece.
    pub last: bool,
    /// Octets of the whole message, its header included in the first piece.
    pub data: &'a [u8],
}

/// One payload, without its generic header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// SA.
    Sa(Sa<'a>),
    /// KE: public value.
    KeyExchange(&'a [u8]),
    /// ID.
    Identification(Identification<'a>),
    /// CERT.
    Certificate {
        /// Encoding.
        encoding: u8,
        /// Certificate data.
        data: &'a [u8],
    },
    /// CR.
    CertificateRequest {
        /// Encoding.
        encoding: u8,
        /// Authority.
        data: &'a [u8],
    },
    /// HASH.
    Hash(&'a [u8]),
    /// SIG.
    Signature(&'a [u8]),
    /// NONCE: 8 to 256 octets.
    Nonce(&'a [u8]),
    /// N.
    Notification(Notification<'a>),
    /// D.
    Delete(Delete<'a>),
    /// VID.
    VendorId(&'a [u8]),
    /// ATTR.
    Attributes(Attributes<'a>),
    /// NAT-D: the hash of an address and a port.
    NatD {
        /// RFC or drafts.
        numbers: NatNumbers,
        /// Hash.
        hash: &'a [u8],
    },
    /// NAT-OA: an address as it is on the sender's side of the NAT.
    NatOa {
        /// RFC or drafts.
        numbers: NatNumbers,
        /// Original address.
        address: IpAddr,
    },
    /// A piece of a message.
    Fragment(Fragment<'a>),
    /// Anything else.
    Unknown {
        /// Payload type.
        kind: PayloadType,
        /// Body.
        data: &'a [u8],
    },
}

impl Payload<'_> {
    /// The type under which it is announced.
    #[must_use]
    pub const fn payload_type(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::KeyExchange(_) => PayloadType::KE,
            Self::Identification(_) => PayloadType::ID,
            Self::Certificate { .. } => PayloadType::CERT,
            Self::CertificateRequest { .. } => PayloadType::CERTREQ,
            Self::Hash(_) => PayloadType::HASH,
            Self::Signature(_) => PayloadType::SIG,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notification(_) => PayloadType::NOTIFICATION,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::Attributes(_) => PayloadType::ATTRIBUTES,
            Self::NatD { numbers, .. } => match numbers {
                NatNumbers::Rfc3947 => PayloadType::NAT_D,
                NatNumbers::Drafts => PayloadType::NAT_D_DRAFTS,
            },
            Self::NatOa { numbers, .. } => match numbers {
                NatNumbers::Rfc3947 => PayloadType::NAT_OA,
                NatNumbers::Drafts => PayloadType::NAT_OA_DRAFTS,
            },
            Self::Fragment(_) => PayloadType::FRAGMENT,
            Self::Unknown { kind, .. } => *kind,
        }
    }
}

/// The SPI of an ISAKMP SA in notifications and deletes: CKY-I and CKY-R (RFC 2408 §3.14, RFC 3706
/// §5.4).
#[must_use]
pub fn isakmp_spi(initiator_cookie: u64, responder_cookie: u64) -> [u8; 16] {
    ((u128::from(initiator_cookie) << 64) | u128::from(responder_cookie)).to_be_bytes()
}
