use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ipsec::{InnerVrf, TrafficSelector};
use netio::{Lane, TunSteering};
use shard::ShardId;

/// Which shard reaches an inner address of a VRF: the longest prefix that a shard has announced, else a
/// range that is no prefix.
pub(crate) struct Prefixes {
    owners: DashMap<(InnerVrf, IpAddr, u8), Owner>,
    /// How many prefixes of each length there are, so that a look-up tries only lengths in use.
    lengths_v4: [AtomicU32; 33],
    lengths_v6: [AtomicU32; 129],
    ranges: RwLock<Vec<(InnerVrf, TrafficSelector, ShardId)>>,
    /// By inner VRF, what has the kernel give packets to the shard that wants them. A prefix for which it has
    /// no room is spread by flow, and its packets cross a mailbox.
    steering: Vec<Option<TunSteering>>,
}

struct Owner {
    shard: ShardId,
    announcements: u32,
}

type Prefix = (IpAddr, u8);

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            owners: DashMap::new(),
            lengths_v4: [const { AtomicU32::new(0) }; 33],
            lengths_v6: [const { AtomicU32::new(0) }; 129],
            ranges: RwLock::new(Vec::new()),
            steering: Vec::new(),
        }
    }
}

impl Prefixes {
    /// Has the kernel know what is announced, where `steering` has something for a VRF.
    pub(crate) fn new(steering: Vec<Option<TunSteering>>) -> Self {
        Self {
            steering,
            ..Self::default()
        }
    }

    fn steer(&self, ivrf: InnerVrf, prefix: Prefix, lane: Option<Lane>) {
        let Some(Some(steering)) = self.steering.get(ivrf.index()) else {
            return;
        };
        let (network, length) = prefix;
        let _ = match lane {
            Some(lane) => steering.lead(network, length, lane),
            None => steering.forget(network, length),
        };
    }

    /// Packets to a prefix may come to any shard, or to their owner only.
    pub(crate) fn spread(
        &self,
        ivrf: InnerVrf,
        selector: &TrafficSelector,
        shard: ShardId,
        spread: bool,
    ) {
        let Some(prefix) = selector.prefix() else {
            return;
        };
        // Held while the kernel is told, so that what it is told last is what is so.
        let entry = self.owners.get(&(ivrf, prefix.0, prefix.1));
        if entry.as_ref().is_some_and(|owner| owner.shard == shard) {
            let lane = if spread { Lane::ByFlow } else { lane_of(shard) };
            self.steer(ivrf, prefix, Some(lane));
        }
    }

    /// The latest announcement of a prefix wins.
    pub(crate) fn announce(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId) {
        let Some(prefix) = selector.prefix() else {
            self.ranges
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .push((ivrf, *selector, shard));
            return;
        };
        match self.owners.entry((ivrf, prefix.0, prefix.1)) {
            Entry::Occupied(mut entry) => {
                let owner = entry.get_mut();
                let same = owner.shard == shard;
                owner.announcements = if same { owner.announcements + 1 } else { 1 };
                owner.shard = shard;
                if !same {
                    self.steer(ivrf, prefix, Some(lane_of(shard)));
                }
            }
            Entry::Vacant(entry) => {
                let _held = entry.insert(Owner {
                    shard,
                    announcements: 1,
                });
                self.steer(ivrf, prefix, Some(lane_of(shard)));
                if let Some(count) = self.length(prefix) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Takes one announcement back, unless another shard's has replaced it.
    pub(crate) fn withdraw(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId) {
        let Some(prefix) = selector.prefix() else {
            let mut ranges = self.ranges.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = ranges
                .iter()
                .position(|range| *range == (ivrf, *selector, shard))
            {
                ranges.swap_remove(at);
            }
            return;
        };
        let Entry::Occupied(mut entry) = self.owners.entry((ivrf, prefix.0, prefix.1)) else {
            return;
        };
        if entry.get().shard != shard {
            return;
        }
        entry.get_mut().announcements -= 1;
        if entry.get().announcements == 0 {
            self.steer(ivrf, prefix, None);
            entry.remove();
            if let Some(count) = self.length(prefix) {
                count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn owner(&self, ivrf: InnerVrf, address: IpAddr) -> Option<ShardId> {
        let lengths: &[AtomicU32] = match address {
            IpAddr::V4(_) => &self.lengths_v4,
            IpAddr::V6(_) => &self.lengths_v6,
        };
        for length in (0..=128_u8).rev() {
            let count = lengths.get(usize::from(length));
            if count.is_none_or(|count| count.load(Ordering::Relaxed) == 0) {
                continue;
            }
            if let Some(owner) = self.owners.get(&(ivrf, network(address, length), length)) {
                return Some(owner.shard);
            }
        }
        let ranges = self.ranges.read().unwrap_or_else(PoisonError::into_inner);
        ranges
            .iter()
            .find(|(vrf, selector, _)| *vrf == ivrf && selector.contains_address(address))
            .map(|(_, _, shard)| *shard)
    }

    fn length(&self, (network, length): (IpAddr, u8)) -> Option<&AtomicU32> {
        match network {
            IpAddr::V4(_) => self.lengths_v4.get(usize::from(length)),
            IpAddr::V6(_) => self.lengths_v6.get(usize::from(length)),
        }
    }
}

fn lane_of(shard: ShardId) -> Lane {
    Lane::Queue(u16::from(shard.0))
}

/// The first address of the prefix of `length` bits around an address.
fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(length.min(32)))
                .unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(length.min(128)))
                .unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOBAL: InnerVrf = InnerVrf::GLOBAL;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn prefix(text: &str, length: u8) -> TrafficSelector {
        TrafficSelector::from_prefix(ip(text), length).unwrap()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let prefixes = Prefixes::default();
        prefixes.announce(GLOBAL, &prefix("0.0.0.0", 0), ShardId(1));
        prefixes.announce(GLOBAL, &prefix("10.0.0.0", 8), ShardId(2));
        prefixes.announce(GLOBAL, &prefix("10.1.2.3", 32), ShardId(3));
        prefixes.announce(GLOBAL, &prefix("2001:db8::", 32), ShardId(4));
        assert_eq!(prefixes.owner(GLOBAL, ip("192.0.2.1")), Some(ShardId(1)));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.9.9.9")), Some(ShardId(2)));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.1.2.3")), Some(ShardId(3)));
        assert_eq!(
            prefixes.owner(GLOBAL, ip("2001:db8:1::1")),
            Some(ShardId(4))
        );
        assert_eq!(prefixes.owner(GLOBAL, ip("2001:db9::1")), None);
    }

    #[test]
    fn what_was_announced_twice_stays_until_withdrawn_twice() {
        let prefixes = Prefixes::default();
        let selector = prefix("10.0.0.0", 8);
        prefixes.announce(GLOBAL, &selector, ShardId(0));
        prefixes.announce(GLOBAL, &selector, ShardId(0));
        prefixes.withdraw(GLOBAL, &selector, ShardId(0));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.0.0.1")), Some(ShardId(0)));
        prefixes.withdraw(GLOBAL, &selector, ShardId(0));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.0.0.1")), None);
    }

    #[test]
    fn a_successor_on_another_shard_is_not_withdrawn_by_its_predecessor() {
        let prefixes = Prefixes::default();
        let selector = prefix("10.0.0.7", 32);
        prefixes.announce(GLOBAL, &selector, ShardId(0));
        prefixes.announce(GLOBAL, &selector, ShardId(1));
        prefixes.withdraw(GLOBAL, &selector, ShardId(0));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.0.0.7")), Some(ShardId(1)));
    }

    #[test]
    fn a_range_that_is_no_prefix_is_found_too() {
        let prefixes = Prefixes::default();
        let selector = TrafficSelector::range(ip("10.0.0.3"), ip("10.0.0.5"));
        prefixes.announce(GLOBAL, &selector, ShardId(6));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.0.0.4")), Some(ShardId(6)));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.0.0.6")), None);
        prefixes.withdraw(GLOBAL, &selector, ShardId(6));
        assert_eq!(prefixes.owner(GLOBAL, ip("10.0.0.4")), None);
    }

    #[test]
    fn the_same_address_in_another_vrf_is_somewhere_else() {
        let prefixes = Prefixes::default();
        let (net, range) = (
            prefix("10.0.0.0", 8),
            TrafficSelector::range(ip("172.16.0.3"), ip("172.16.0.5")),
        );
        for (vrf, shard) in [(1, 4), (2, 5)] {
            prefixes.announce(InnerVrf(vrf), &net, ShardId(shard));
            prefixes.announce(InnerVrf(vrf), &range, ShardId(shard));
        }
        for address in [ip("10.0.0.1"), ip("172.16.0.4")] {
            assert_eq!(prefixes.owner(InnerVrf(1), address), Some(ShardId(4)));
            assert_eq!(prefixes.owner(InnerVrf(2), address), Some(ShardId(5)));
            assert_eq!(prefixes.owner(GLOBAL, address), None);
        }
        prefixes.withdraw(InnerVrf(1), &net, ShardId(4));
        prefixes.withdraw(InnerVrf(1), &range, ShardId(4));
        for address in [ip("10.0.0.1"), ip("172.16.0.4")] {
            assert_eq!(prefixes.owner(InnerVrf(1), address), None);
            assert_eq!(prefixes.owner(InnerVrf(2), address), Some(ShardId(5)));
        }
    }
}
