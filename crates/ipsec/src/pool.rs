use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;

use crate::prefix::{address, number};
use crate::{AddressPool, Identity};

/// Hands out virtual addresses. Whoever comes back gets the address it had, for as long as the pool
/// does not need it for another: addresses never used go first, then those of the peers gone for
/// longest.
///
/// Each operation takes constant time. Memory grows with the addresses that were in use, never with
/// the length of identities, of which only a digest is kept.
pub struct Pool {
    first: u128,
    width: u8,
    size: u32,
    seed: u64,
    /// One for each address used so far, by its offset from the first.
    leases: HashMap<u32, Lease>,
    /// No address before this one is unused.
    next_fresh: u32,
    /// Digest of an identity to the offset of its address, in use or remembered.
    owners: HashMap<u64, u32>,
    /// Released addresses, from the one released first to the one released last.
    oldest: u32,
    youngest: u32,
    in_use: u32,
}

#[derive(Clone, Copy)]
struct Lease {
    owner: u64,
    /// Neighbours in the order of release; [`NONE`] at the ends and while in use.
    older: u32,
    younger: u32,
    /// IKE SAs that hold it; 0 for a released one.
    holders: u16,
}

const NONE: u32 = u32::MAX;
/// A longer range is used up to here.
const SIZE_MAX: u128 = 1 << 24;

impl Pool {
    /// A pool with all its addresses free. `seed` must be unpredictable.
    #[must_use]
    pub fn new(range: &AddressPool, seed: u64) -> Self {
        let ((first, width), (last, other)) = (number(range.first), number(range.last));
        let valid = width == other && first <= last;
        let size = if valid {
            (last - first).saturating_add(1).min(SIZE_MAX)
        } else {
            0
        };
        Self {
            first,
            width,
            size: u32::try_from(size).unwrap_or(0),
            seed,
            leases: HashMap::new(),
            next_fresh: 0,
            owners: HashMap::new(),
            oldest: NONE,
            youngest: NONE,
            in_use: 0,
        }
    }

    /// How many addresses there are.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// How many addresses are in use.
    #[must_use]
    pub const fn in_use(&self) -> u32 {
        self.in_use
    }

    /// An address for `identity`: the one it had, else the one it asks for if nobody has had that
    /// (a peer that outlived a restart of ours), else one never used, else the one longest free.
    /// `None` when all are in use.
    pub fn allocate(&mut self, identity: &Identity, wanted: Option<IpAddr>) -> Option<IpAddr> {
        let owner = self.digest(identity);
        let offset = self
            .remembered(owner)
            .or_else(|| self.never_used(wanted))
            .or_else(|| self.fresh())
            .or_else(|| (self.oldest != NONE).then_some(self.oldest))?;
        self.occupy(offset, owner);
        Some(self.address_at(offset))
    }

    /// The address that `identity` holds now, for one more holder: whoever comes back before its
    /// former IKE SA is gone keeps its address. Each holder releases it.
    pub fn rejoin(&mut self, identity: &Identity) -> Option<IpAddr> {
        let offset = *self.owners.get(&self.digest(identity))?;
        let lease = self.lease_mut(offset).filter(|lease| lease.holders > 0)?;
        lease.holders = lease.holders.checked_add(1)?;
        Some(self.address_at(offset))
    }

    /// Whether `identity` holds this address now.
    #[must_use]
    pub fn holds(&self, identity: &Identity, address: IpAddr) -> bool {
        let offset = self.owners.get(&self.digest(identity)).copied();
        let held = offset.and_then(|offset| Some((offset, self.lease(offset)?)));
        held.is_some_and(|(offset, lease)| lease.holders > 0 && self.address_at(offset) == address)
    }

    /// Gives an address back; it is remembered for whoever had it. Returns whether it was in use.
    pub fn release(&mut self, address: IpAddr) -> bool {
        let Some(offset) = self.offset_of(address) else {
            return false;
        };
        let youngest = self.youngest;
        let Some(lease) = self.lease_mut(offset).filter(|lease| lease.holders > 0) else {
            return false;
        };
        if lease.holders > 1 {
            lease.holders -= 1;
            return true;
        }
        *lease = Lease {
            holders: 0,
            older: youngest,
            younger: NONE,
            ..*lease
        };
        match self.lease_mut(youngest) {
            Some(last) => last.younger = offset,
            None => self.oldest = offset,
        }
        self.youngest = offset;
        self.in_use -= 1;
        true
    }

    /// Whether an address is one of this pool's.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, width) = number(address);
        width == self.width
            && bits
                .checked_sub(self.first)
                .is_some_and(|offset| offset < u128::from(self.size))
    }

    fn digest(&self, identity: &Identity) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        identity.canonical().hash(&mut hasher);
        hasher.finish()
    }

    fn remembered(&self, owner: u64) -> Option<u32> {
        let offset = *self.owners.get(&owner)?;
        self.lease(offset)
            .is_some_and(|lease| lease.holders == 0)
            .then_some(offset)
    }

    fn never_used(&self, wanted: Option<IpAddr>) -> Option<u32> {
        let offset = self.offset_of(wanted?)?;
        (!self.leases.contains_key(&offset)).then_some(offset)
    }

    /// The first address never used. Those passed over were each taken out of turn once.
    fn fresh(&mut self) -> Option<u32> {
        while self.leases.contains_key(&self.next_fresh) {
            self.next_fresh += 1;
        }
        (self.next_fresh < self.size).then_some(self.next_fresh)
    }

    fn occupy(&mut self, offset: u32, owner: u64) {
        self.unlink(offset);
        let lease = Lease {
            owner,
            older: NONE,
            younger: NONE,
            holders: 1,
        };
        if let Some(before) = self.leases.insert(offset, lease)
            && before.owner != owner
            && self.owners.get(&before.owner) == Some(&offset)
        {
            self.owners.remove(&before.owner);
        }
        // A second device of one identity gets an address of its own; the first one's is kept.
        self.owners.entry(owner).or_insert(offset);
        self.in_use += 1;
    }

    /// Takes a released address out of the order of release.
    fn unlink(&mut self, offset: u32) {
        let Some(&Lease {
            older,
            younger,
            holders: 0,
            ..
        }) = self.lease(offset)
        else {
            return;
        };
        match self.lease_mut(older) {
            Some(lease) => lease.younger = younger,
            None => self.oldest = younger,
        }
        match self.lease_mut(younger) {
            Some(lease) => lease.older = older,
            None => self.youngest = older,
        }
    }

    fn lease(&self, offset: u32) -> Option<&Lease> {
        self.leases.get(&offset)
    }

    fn lease_mut(&mut self, offset: u32) -> Option<&mut Lease> {
        self.leases.get_mut(&offset)
    }

    fn address_at(&self, offset: u32) -> IpAddr {
        address(self.first + u128::from(offset), self.width)
    }

    fn offset_of(&self, address: IpAddr) -> Option<u32> {
        self.contains(address)
            .then(|| number(address).0 - self.first)
            .and_then(|offset| u32::try_from(offset).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(first: &str, last: &str) -> Pool {
        let range = AddressPool {
            name: "clients".into(),
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            dns: Vec::new(),
            ivrf: crate::InnerVrf::GLOBAL,
        };
        Pool::new(&range, 0x5eed)
    }

    fn who(name: u32) -> Identity {
        Identity::Fqdn(format!("peer-{name}.example.org").into())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn whoever_returns_finds_its_address() {
        let mut pool = pool("10.0.0.1", "10.0.0.100");
        let had: Vec<_> = (0..50)
            .map(|n| pool.allocate(&who(n), None).unwrap())
            .collect();
        assert_eq!(had.first(), Some(&ip("10.0.0.1")));
        assert!(had.iter().all(|&address| pool.release(address)));
        assert_eq!(pool.in_use(), 0);
        for n in (0..50).rev() {
            let shouted = Identity::Fqdn(format!("PEER-{n}.EXAMPLE.ORG").into());
            assert_eq!(pool.allocate(&shouted, None), had.get(n as usize).copied());
        }
    }

    #[test]
    fn a_full_pool_says_so_and_reuses_the_longest_free_first() {
        let mut pool = pool("10.0.0.1", "10.0.0.3");
        let had: Vec<_> = (0..3)
            .map(|n| pool.allocate(&who(n), None).unwrap())
            .collect();
        assert_eq!(pool.allocate(&who(3), None), None);
        for place in [1, 0, 2] {
            assert!(pool.release(had[place]));
        }
        assert_eq!(pool.allocate(&who(2), None), Some(had[2]));
        assert_eq!(pool.allocate(&who(3), None), Some(had[1]));
        assert_eq!(pool.allocate(&who(4), None), Some(had[0]));
        assert_eq!(pool.allocate(&who(1), None), None);
        assert!(pool.release(had[1]));
        assert_eq!(pool.allocate(&who(1), None), Some(had[1]));
    }

    #[test]
    fn a_wish_is_granted_for_addresses_that_nobody_had() {
        let mut pool = pool("10.0.0.1", "10.0.0.4");
        assert_eq!(
            pool.allocate(&who(0), Some(ip("10.0.0.2"))),
            Some(ip("10.0.0.2"))
        );
        assert!(pool.release(ip("10.0.0.2")));
        assert_eq!(
            pool.allocate(&who(1), Some(ip("10.0.0.2"))),
            Some(ip("10.0.0.1"))
        );
        assert_eq!(
            pool.allocate(&who(2), Some(ip("192.0.2.1"))),
            Some(ip("10.0.0.3"))
        );
        assert_eq!(pool.allocate(&who(3), None), Some(ip("10.0.0.4")));
        assert_eq!(pool.allocate(&who(4), None), Some(ip("10.0.0.2")));
    }

    #[test]
    fn two_devices_of_one_identity_get_two_addresses() {
        let mut pool = pool("2001:db8::", "2001:db8::ffff:ffff");
        assert_eq!(pool.size(), 1 << 24);
        let first = pool.allocate(&who(0), None).unwrap();
        let second = pool.allocate(&who(0), None).unwrap();
        assert_ne!(first, second);
        assert!(pool.release(second) && pool.release(first));
        assert!(!pool.release(first) && !pool.release(ip("2001:db8:1::")));
        assert_eq!(pool.allocate(&who(0), None), Some(first));
    }

    #[test]
    fn whoever_rejoins_shares_with_its_former_self() {
        let mut pool = pool("10.0.0.1", "10.0.0.9");
        assert_eq!(pool.rejoin(&who(0)), None);
        let address = pool.allocate(&who(0), None);
        assert_eq!(pool.rejoin(&who(0)), address);
        assert_eq!(pool.in_use(), 1);
        assert!(pool.release(address.unwrap()));
        assert_eq!(pool.in_use(), 1, "the second holder still has it");
        assert!(pool.release(address.unwrap()) && !pool.release(address.unwrap()));
        assert_eq!((pool.in_use(), pool.rejoin(&who(0))), (0, None));
    }

    #[test]
    fn a_range_that_is_none_is_empty() {
        assert_eq!(pool("10.0.0.2", "10.0.0.1").allocate(&who(0), None), None);
        assert_eq!(pool("10.0.0.2", "::1").allocate(&who(0), None), None);
        assert_eq!(pool("10.0.0.2", "10.0.0.2").size(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_address_is_ever_given_to_two(
            steps in proptest::collection::vec((0_u32..12, proptest::bool::ANY, 0_u8..10), 1..200)
        ) {
            let mut pool = pool("10.0.0.0", "10.0.0.7");
            let mut held: Vec<(u32, IpAddr)> = Vec::new();
            for (name, release, wish) in steps {
                if release {
                    if let Some(place) = held.iter().position(|(holder, _)| *holder == name) {
                        assert!(pool.release(held.swap_remove(place).1));
                    }
                } else if let Some(address) =
                    pool.allocate(&who(name), Some(IpAddr::from([10, 0, 0, wish])))
                {
                    assert!(held.iter().all(|(_, taken)| *taken != address));
                    held.push((name, address));
                } else {
                    assert_eq!(held.len(), 8);
                }
                assert_eq!(pool.in_use() as usize, held.len());
                assert!(pool.owners.len() <= pool.leases.len());
            }
        }
    }
}
