use std::sync::Arc;

use crate::{AddressPool, ConnectionPolicy, SecretEntry};

/// Everything that the operator allows, at one moment. A reload makes a new one.
#[derive(Clone, Default)]
pub struct PolicySnapshot {
    /// In the order of the configuration, which is the order of preference.
    pub connections: Vec<Arc<ConnectionPolicy>>,
    /// Secrets and whose they are.
    pub secrets: Vec<SecretEntry>,
    /// Pools of virtual addresses.
    pub pools: Vec<AddressPool>,
}
