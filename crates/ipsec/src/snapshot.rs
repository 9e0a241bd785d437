use core::net::IpAddr;
use std::sync::Arc;

use crate::{
    AddressPool, ConnectionPolicy, Connections, FrontVrf, Identity, IdentityPattern, PreSharedKey,
    Secrets, Users,
};

/// Everything that the operator allows, at one moment. A reload makes a new one.
#[derive(Clone, Default)]
pub struct PolicySnapshot {
    /// In the order of the configuration, which is the order of preference.
    pub connections: Connections,
    /// Secrets and whose they are.
    pub secrets: Secrets,
    /// Pools of virtual addresses.
    pub pools: Vec<AddressPool>,
    /// Local users of XAUTH.
    pub users: Users,
}

impl PolicySnapshot {
    /// The secret between two identities in a front-door VRF; see [`Secrets::find`].
    #[must_use]
    pub fn secret_for(
        &self,
        fvrf: FrontVrf,
        local: &Identity,
        remote: &Identity,
    ) -> Option<&PreSharedKey> {
        self.secrets.find(fvrf, local, remote)
    }

    /// The secret for IKEv1's main mode on `connection`. The PSK goes into the keys before the peer
    /// can say who it is (RFC 2409 §5.4), so it is found by the addresses, and by the identity that
    /// the connection expects where it expects one alone; the closest description wins.
    #[must_use]
    pub fn secret_by_address(
        &self,
        connection: &ConnectionPolicy,
        local: IpAddr,
        remote: IpAddr,
    ) -> Option<&PreSharedKey> {
        let (here, there) = (Identity::from(local), Identity::from(remote));
        let own = connection.local_id.as_ref().unwrap_or(&here);
        let expected = match &connection.remote_id {
            IdentityPattern::Exact(peer) => peer,
            _ => &there,
        };
        self.secrets.find_closest(
            connection.fvrf,
            &[(&here, &there), (own, &there), (own, expected)],
        )
    }

    /// The connections that speak IKEv1.
    pub fn deprecated(&self) -> impl Iterator<Item = &Arc<ConnectionPolicy>> {
        let old = |connection: &&Arc<ConnectionPolicy>| connection.versions.v1;
        self.connections.iter().filter(old)
    }

    /// A pool by its name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&AddressPool> {
        self.pools.iter().find(|pool| &*pool.name == name)
    }
}

impl ConnectionPolicy {
    /// Whether either end authenticates by certificate.
    #[must_use]
    pub fn uses_certificates(&self) -> bool {
        self.local_auth.certificate().is_some() || self.remote_auth.certificate().is_some()
    }

    /// Whether a peer at `remote` may use this connection on our address `local`.
    #[must_use]
    pub fn accepts(&self, local: IpAddr, remote: IpAddr) -> bool {
        let source = |(first, last): &(IpAddr, IpAddr)| {
            first.is_ipv4() == remote.is_ipv4() && *first <= remote && remote <= *last
        };
        (self.local_addrs.is_empty() || self.local_addrs.contains(&local))
            && (self.remote_sources.is_empty() || self.remote_sources.iter().any(source))
    }
}
