use core::net::IpAddr;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ike::LeaseRequest;
use ipsec::{AddressPool, FrontVrf, Identity, InnerVrf, PoolName, TrafficSelector};
use netio::TunSteering;
use shard::{ShardId, Ticket};

use crate::leases::Leases;
use crate::prefixes::Prefixes;

/// What the shards share: who owns an identity, which shard reaches an inner address, and the
/// pools of virtual addresses. Asked in the course of exchanges, never for each packet.
pub(crate) struct Directory {
    identities: DashMap<(FrontVrf, Identity), Ticket>,
    prefixes: Prefixes,
    leases: Leases,
}

impl Directory {
    /// `seed` must be unpredictable.
    pub(crate) fn new(
        pools: &[AddressPool],
        seed: u64,
        steering: Vec<Option<TunSteering>>,
    ) -> Self {
        Self {
            identities: DashMap::new(),
            prefixes: Prefixes::new(steering),
            leases: Leases::new(pools, seed),
        }
    }

    /// Takes over the pools of a new policy.
    pub(crate) fn replace_pools(&self, pools: &[AddressPool]) {
        self.leases.replace(pools);
    }

    /// Virtual addresses in use, and all of them.
    pub(crate) fn addresses(&self) -> (u64, u64) {
        self.leases.totals()
    }
}

impl shard::Directory for Directory {
    fn lease(&self, request: &LeaseRequest<'_>) -> Option<(PoolName, IpAddr)> {
        self.leases.lease(request)
    }

    fn release(&self, pool: &PoolName, _identity: &Identity, address: IpAddr) {
        self.leases.release(pool, address);
    }

    fn claim_identity(&self, fvrf: FrontVrf, identity: &Identity, owner: Ticket) -> Option<Ticket> {
        let former = self.identities.insert((fvrf, identity.canonical()), owner);
        former.filter(|former| *former != owner)
    }

    fn release_identity(&self, fvrf: FrontVrf, identity: &Identity, owner: Ticket) {
        if let Entry::Occupied(entry) = self.identities.entry((fvrf, identity.canonical()))
            && *entry.get() == owner
        {
            entry.remove();
        }
    }

    fn owner_of_identity(&self, fvrf: FrontVrf, identity: &Identity) -> Option<Ticket> {
        self.identities
            .get(&(fvrf, identity.canonical()))
            .map(|owner| *owner)
    }

    fn announce(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId) {
        self.prefixes.announce(ivrf, selector, shard);
    }

    fn withdraw(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId) {
        self.prefixes.withdraw(ivrf, selector, shard);
    }

    fn spread(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId, spread: bool) {
        self.prefixes.spread(ivrf, selector, shard, spread);
    }

    fn owner_of_address(&self, ivrf: InnerVrf, address: IpAddr) -> Option<ShardId> {
        self.prefixes.owner(ivrf, address)
    }
}

#[cfg(test)]
mod tests {
    use ipsec::IkeSpi;
    use shard::Directory as _;

    use super::*;

    fn ticket(shard: u8, spi: u64) -> Ticket {
        Ticket {
            shard: ShardId(shard),
            spi: IkeSpi(spi),
        }
    }

    #[test]
    fn an_identity_has_one_owner_and_only_that_one_can_release_it() {
        let directory = Directory::new(&[], 1, Vec::new());
        let joe = Identity::Email("joe@example.org".into());
        let shouted = Identity::Email("JOE@EXAMPLE.ORG".into());
        assert_eq!(
            directory.claim_identity(FrontVrf::GLOBAL, &joe, ticket(0, 1)),
            None
        );
        assert_eq!(
            directory.claim_identity(FrontVrf::GLOBAL, &joe, ticket(0, 1)),
            None
        );
        let former = directory.claim_identity(FrontVrf::GLOBAL, &shouted, ticket(1, 2));
        assert_eq!(former, Some(ticket(0, 1)));
        directory.release_identity(FrontVrf::GLOBAL, &joe, ticket(0, 1));
        assert_eq!(
            directory.owner_of_identity(FrontVrf::GLOBAL, &joe),
            Some(ticket(1, 2))
        );
        directory.release_identity(FrontVrf::GLOBAL, &joe, ticket(1, 2));
        assert_eq!(directory.owner_of_identity(FrontVrf::GLOBAL, &joe), None);
    }

    #[test]
    fn the_same_identity_in_another_vrf_is_another_peer() {
        let directory = Directory::new(&[], 1, Vec::new());
        let joe = Identity::Email("joe@example.org".into());
        assert_eq!(
            directory.claim_identity(FrontVrf(1), &joe, ticket(0, 1)),
            None
        );
        assert_eq!(
            directory.claim_identity(FrontVrf(2), &joe, ticket(0, 2)),
            None
        );
        directory.release_identity(FrontVrf(2), &joe, ticket(0, 2));
        let owner = directory.owner_of_identity(FrontVrf(1), &joe);
        assert_eq!(owner, Some(ticket(0, 1)));
    }
}
