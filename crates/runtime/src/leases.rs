use core::net::IpAddr;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ike::LeaseRequest;
use ipsec::{AddressPool, Pool, PoolName};

/// The pools of virtual addresses behind one lock: a lease is taken once per peer and set-up.
pub(crate) struct Leases {
    pools: Mutex<HashMap<PoolName, Entry>>,
    seed: u64,
}

struct Entry {
    range: AddressPool,
    pool: Pool,
}

impl Leases {
    pub(crate) fn new(pools: &[AddressPool], seed: u64) -> Self {
        let leases = Self {
            pools: Mutex::new(HashMap::new()),
            seed,
        };
        leases.replace(pools);
        leases
    }

    /// Pools whose range stays keep their leases; others start empty.
    pub(crate) fn replace(&self, pools: &[AddressPool]) {
        let mut current = self.lock();
        let mut former = core::mem::take(&mut *current);
        for range in pools {
            let kept = former
                .remove(&range.name)
                .filter(|entry| (entry.range.first, entry.range.last) == (range.first, range.last));
            let pool = match kept {
                Some(entry) => entry.pool,
                None => Pool::new(range, self.seed),
            };
            let range = range.clone();
            current.insert(range.name.clone(), Entry { range, pool });
        }
    }

    pub(crate) fn lease(&self, request: &LeaseRequest<'_>) -> Option<(PoolName, IpAddr)> {
        let mut pools = self.lock();
        let wanted = Some(request.wanted).filter(|address| !address.is_unspecified());
        request.pools.iter().find_map(|name| {
            let entry = pools.get_mut(name)?;
            if entry.range.first.is_ipv4() != request.wanted.is_ipv4() {
                return None;
            }
            // A renewal of IKEv1 asks for the address that its Child SAs have.
            let own = wanted.is_some_and(|own| entry.pool.holds(request.identity, own));
            let rejoined = (request.unique || own).then(|| entry.pool.rejoin(request.identity));
            let address = rejoined
                .flatten()
                .or_else(|| entry.pool.allocate(request.identity, wanted))?;
            Some((name.clone(), address))
        })
    }

    pub(crate) fn release(&self, pool: &PoolName, address: IpAddr) {
        if let Some(entry) = self.lock().get_mut(pool) {
            entry.pool.release(address);
        }
    }

    pub(crate) fn totals(&self) -> (u64, u64) {
        let pools = self.lock();
        pools.values().fold((0, 0), |(in_use, size), entry| {
            (
                in_use + u64::from(entry.pool.in_use()),
                size + u64::from(entry.pool.size()),
            )
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PoolName, Entry>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ipsec::Identity;

    use super::*;

    fn range(name: &str, first: &str, last: &str) -> AddressPool {
        AddressPool {
            name: name.into(),
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            dns: Vec::new(),
            ivrf: ipsec::InnerVrf::GLOBAL,
        }
    }

    #[test]
    fn the_first_pool_of_the_family_with_an_address_serves() {
        let leases = Leases::new(
            &[
                range("six", "2001:db8::1", "2001:db8::9"),
                range("tiny", "10.0.0.1", "10.0.0.1"),
                range("wide", "10.1.0.1", "10.1.0.9"),
            ],
            7,
        );
        let names = ["six".into(), "tiny".into(), "wide".into(), "gone".into()];
        let ask = |name: &str, wanted: &str| {
            leases.lease(&LeaseRequest {
                identity: &Identity::Fqdn(name.into()),
                pools: &names,
                wanted: wanted.parse().unwrap(),
                unique: false,
            })
        };
        let first = ask("a", "0.0.0.0").unwrap();
        assert_eq!(first, ("tiny".into(), "10.0.0.1".parse().unwrap()));
        assert_eq!(&*ask("b", "0.0.0.0").unwrap().0, "wide");
        assert_eq!(&*ask("b", "::").unwrap().0, "six");
        assert_eq!(leases.totals(), (3, 19));
        leases.release(&first.0, first.1);
        assert_eq!(ask("a", "0.0.0.0"), Some(first));
    }

    #[test]
    fn a_reload_keeps_the_leases_of_pools_that_stay() {
        let stays = range("stays", "10.0.0.1", "10.0.0.9");
        let leases = Leases::new(&[stays.clone(), range("goes", "10.1.0.1", "10.1.0.9")], 7);
        let identity = Identity::Fqdn("a".into());
        let ask = |pool: &str| {
            leases.lease(&LeaseRequest {
                identity: &identity,
                pools: &[pool.into()],
                wanted: "0.0.0.0".parse().unwrap(),
                unique: false,
            })
        };
        assert!(ask("stays").is_some() && ask("goes").is_some());
        leases.replace(&[stays, range("new", "10.2.0.1", "10.2.0.9")]);
        assert_eq!(leases.totals(), (1, 18));
        assert!(ask("goes").is_none());
    }
}
