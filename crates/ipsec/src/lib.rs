//! The nouns of RFC 4301: SPIs, traffic selectors, security associations, their databases, and the
//! policy that says which may exist.
#![forbid(unsafe_code)]

mod identity;
mod policy;
mod selector;
mod snapshot;
mod spi;

pub use identity::{Identity, IdentityPattern};
pub use policy::{
    AddressPool, AuthPolicy, ChildPolicy, ConnectionPolicy, DfPolicy, EspProposal, IkeProposal,
    PeerEndpoint, PoolName, PreSharedKey, RekeyPolicy, SecretEntry, StartAction,
};
pub use selector::TrafficSelector;
pub use snapshot::PolicySnapshot;
pub use spi::{EspSpi, IkeSpi};
