//! ISAKMP and IKEv1 messages (RFC 2408, RFC 2407, RFC 2409), with NAT traversal (RFC 3947 and its
//! drafts 02 and 03), dead peer detection (RFC 3706), configuration and extended authentication
//! (draft-dukes-ike-mode-cfg, draft-beaulieu-ike-xauth), and Cisco's fragments and Unity attributes.
//!
//! Hashes of IKEv1 run over octets as they came, so what is read keeps them beside their meaning:
//! [`Part::body`] and [`Payloads::hashed`].

mod attribute;
mod chain;
mod encode;
mod header;
mod message;
pub mod numbers;
mod parse;
mod payload;
mod security_association;
mod vendor_id;

pub use crate::ikev2::{ConfigurationKind, HEADER_LEN, NON_ESP_MARKER};
pub use attribute::{Attribute, Value, encode_attributes, parse_attributes};
pub use chain::{PAYLOADS_MAX, Part, Payloads, parse_payloads};
pub use encode::{encode_body, encode_message, encode_payloads, hash_range, pad_to_block};
pub use header::{ExchangeType, Flags, Header};
pub use message::{Body, Message};
pub use parse::{CONFIGURATION_ATTRIBUTES_MAX, DELETED_SPIS_MAX};
pub use payload::{
    Attributes, Delete, Fragment, Identification, NatNumbers, Notification, NotifyType, Payload,
    PayloadType, isakmp_spi,
};
pub use security_association::{
    PROPOSALS_MAX, Proposal, Sa, TRANSFORM_ATTRIBUTES_MAX, TRANSFORMS_MAX, Transform,
};
pub use vendor_id::Vendor;
