//! IKEv2 messages (RFC 7296 §3).

mod chain;
mod encode;
mod glance;
mod header;
mod message;
pub mod numbers;
mod parse;
mod payload;
mod security_association;

pub use chain::{PAYLOADS_MAX, parse_payloads};
pub use encode::{encode_encrypted_head, encode_message, encode_message_into, encode_payloads};
pub use glance::Glance;
pub use header::{ExchangeType, Flags, HEADER_LEN, Header, NON_ESP_MARKER};
pub use message::{Encrypted, Message};
pub use parse::{ATTRIBUTES_MAX, DELETED_SPIS_MAX, SELECTORS_MAX};
pub use payload::{
    Attribute, Configuration, ConfigurationKind, Delete, Identification, Notify, NotifyType,
    Payload, PayloadType, Proposal, Puzzle, TrafficSelector, Transform, TransformType,
};
pub use security_association::{PROPOSALS_MAX, TRANSFORMS_MAX};
