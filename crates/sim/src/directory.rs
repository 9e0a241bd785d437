use core::net::IpAddr;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ike::LeaseRequest;
use ipsec::{AddressPool, FrontVrf, Identity, InnerVrf, Pool, PoolName, TrafficSelector};
use shard::{Directory, ShardId, Ticket};

/// What the shards of one side share, in plain maps under one lock.
pub struct MemoryDirectory(Mutex<Shared>);

struct Shared {
    pools: Vec<(PoolName, Pool)>,
    owners: HashMap<Identity, Ticket>,
    /// Announced selectors by their first address, which is all that host routes need, and how often
    /// each is announced: around a rekey two Child SAs announce the same.
    routes: HashMap<IpAddr, (ShardId, u32)>,
}

impl MemoryDirectory {
    /// A directory with these pools of virtual addresses.
    #[must_use]
    pub fn new(pools: &[AddressPool], seed: u64) -> Self {
        let pools = pools
            .iter()
            .map(|pool| (pool.name.clone(), Pool::new(pool, seed)))
            .collect();
        Self(Mutex::new(Shared {
            pools,
            owners: HashMap::new(),
            routes: HashMap::new(),
        }))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Identities that are claimed now.
    #[must_use]
    pub fn identities(&self) -> usize {
        self.shared().owners.len()
    }

    /// Virtual addresses in use now.
    #[must_use]
    pub fn leases(&self) -> u32 {
        self.shared()
            .pools
            .iter()
            .map(|(_, pool)| pool.in_use())
            .sum()
    }
}

impl Directory for MemoryDirectory {
    fn lease(&self, request: &LeaseRequest<'_>) -> Option<(PoolName, IpAddr)> {
        let wanted = (!request.wanted.is_unspecified()).then_some(request.wanted);
        let mut shared = self.shared();
        for name in request.pools {
            for (pool_name, pool) in &mut shared.pools {
                if pool_name != name {
                    continue;
                }
                let own = wanted.is_some_and(|own| pool.holds(request.identity, own));
                let rejoined = own.then(|| pool.rejoin(request.identity)).flatten();
                let address = rejoined.or_else(|| pool.allocate(request.identity, wanted));
                if let Some(address) = address {
                    return Some((name.clone(), address));
                }
            }
        }
        None
    }

    fn release(&self, pool: &PoolName, _identity: &Identity, address: IpAddr) {
        let mut shared = self.shared();
        let named = shared.pools.iter_mut().find(|(name, _)| name == pool);
        if let Some((_, pool)) = named {
            pool.release(address);
        }
    }

    fn claim_identity(
        &self,
        _fvrf: FrontVrf,
        identity: &Identity,
        owner: Ticket,
    ) -> Option<Ticket> {
        self.shared().owners.insert(identity.canonical(), owner)
    }

    fn release_identity(&self, _fvrf: FrontVrf, identity: &Identity, owner: Ticket) {
        let mut shared = self.shared();
        let identity = identity.canonical();
        if shared.owners.get(&identity) == Some(&owner) {
            shared.owners.remove(&identity);
        }
    }

    fn owner_of_identity(&self, _fvrf: FrontVrf, identity: &Identity) -> Option<Ticket> {
        self.shared().owners.get(&identity.canonical()).copied()
    }

    fn announce(&self, _ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId) {
        let mut shared = self.shared();
        let route = shared.routes.entry(selector.start).or_insert((shard, 0));
        *route = match *route {
            (owner, count) if owner == shard => (shard, count + 1),
            _ => (shard, 1),
        };
    }

    fn withdraw(&self, _ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId) {
        let mut shared = self.shared();
        let Some((owner, count)) = shared.routes.get_mut(&selector.start) else {
            return;
        };
        if *owner == shard {
            *count -= 1;
            if *count == 0 {
                shared.routes.remove(&selector.start);
            }
        }
    }

    /// Packets come to whichever shard the test gives them to.
    fn spread(&self, _: InnerVrf, _: &TrafficSelector, _: ShardId, _: bool) {}

    fn owner_of_address(&self, _ivrf: InnerVrf, address: IpAddr) -> Option<ShardId> {
        self.shared().routes.get(&address).map(|(shard, _)| *shard)
    }
}
