//! The nouns of RFC 4301: SPIs, traffic selectors, security associations, their databases, and the
//! policy that says which may exist.
//!
//! | to | use |
//! |---|---|
//! | choose and find inbound SAs | [`Sad`], [`EspSpiLayout`] |
//! | find the SA of an outbound packet | [`Spd`], [`FlowTable`] |
//! | say which packets an SA may carry | [`TrafficSelector`], [`Selectors`], [`narrow`] |
//! | count what came and went | [`ReplayWindow`], [`SequenceNumbers`], [`VolumeLimits`] |
//! | decide who may connect | [`PolicySnapshot`], [`Connections`], [`IdentityPattern`], [`Secrets`] |
//! | give virtual addresses | [`Pool`] |
#![forbid(unsafe_code)]

pub mod ahead;
mod by_source;
mod connections;
mod counters;
mod flow_table;
mod hash;
mod identity;
mod inbound;
mod lifetime;
mod outbound;
mod pattern;
mod pattern_index;
mod policy;
mod pool;
mod prefix;
mod replay;
mod sad;
mod secrets;
mod selector;
mod selector_text;
mod selectors;
mod sequence;
mod sequence_pool;
mod shared_window;
mod slab;
mod snapshot;
mod spd;
mod spi;
mod users;
mod v1_policy;
mod vrf;

// Policy is made of algorithms: whoever writes policy needs no other room for them.
pub use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};

pub use connections::{Connections, OwnChild};
pub use counters::{InboundCounters, OutboundCounters};
pub use flow_table::FlowTable;
pub use identity::{Identity, IdentityParseError};
pub use inbound::{InboundParameters, InboundSa};
pub use lifetime::{LifeStage, VolumeLimits};
pub use outbound::{Encapsulation, EspPath, OutboundParameters, OutboundSa, OuterHeaderPolicy};
pub use pattern::{IdentityPattern, Specificity};
pub use policy::{
    AddressPool, AuthPolicy, ChildPolicy, ConnectionPolicy, DfPolicy, EspProposal, IkeProposal,
    PeerEndpoint, PoolName, PreSharedKey, RekeyPolicy, SecretEntry, StartAction,
};
pub use pool::Pool;
pub use replay::{Refused, ReplayWindow};
pub use sad::{IkeSlot, NotReserved, OutboundHandle, Sad};
pub use secrets::Secrets;
pub use selector::{SELECTORS_MAX, TrafficSelector, narrow};
pub use selector_text::SelectorParseError;
pub use selectors::{Flow, Selectors};
pub use sequence::SequenceNumbers;
pub use sequence_pool::SequencePool;
pub use shared_window::SharedWindow;
pub use slab::Slab;
pub use snapshot::PolicySnapshot;
pub use spd::Spd;
pub use spi::{EspSpi, EspSpiLayout, IkeSpi};
pub use users::Users;
pub use v1_policy::{IkeVersion, ModeConfig, V1Policy, Versions, Xauth};
pub use vrf::{FrontVrf, GLOBAL_VRF, InnerVrf};
// The time of counters, for rooms that know no timer.
pub use timer::Instant;
