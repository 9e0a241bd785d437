//! IKEv2 messages (RFC 7296 §3).

mod header;
mod message;
mod payload;

pub use header::{ExchangeType, Flags, HEADER_LEN, Header, NON_ESP_MARKER};
pub use message::{Encrypted, Message};
pub use payload::{
    Attribute, Configuration, ConfigurationKind, Delete, Identification, Notify, NotifyType,
    Payload, PayloadType, Proposal, TrafficSelector, Transform, TransformType,
};
