//! Paths to peers that take less than the configured MTU.
//!
//! What the kernel has been told by ICMP nobody has authenticated: whoever can guess addresses and ports
//! can send it (RFC 4301 §8.2, RFC 5927 §7). So it is a hint: it never makes a path narrower than a
//! floor, it ages, and what is larger than it still leaves, in fragments.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use ipsec::{EspPath, FrontVrf, OutboundHandle};
use timer::Instant;

use crate::Shard;

/// How long a path is taken to be narrow without news: after that packets of the configured size are
/// tried again, as RFC 1191 §6.3 and RFC 8201 §4 have it.
const LIFETIME: Duration = Duration::from_secs(600);
/// Every IPv4 host reassembles as much (RFC 791 §3.1): no honest path is narrower, but for oddities
/// that fragments serve as well.
const FLOOR_V4: u16 = 576;
/// No IPv6 link may take less (RFC 8200 §5).
const FLOOR_V6: u16 = 1_280;
/// Narrow paths that are remembered. What has no room is sent in fragments.
const PATHS_MAX: usize = 65_536;

/// The narrow paths of one shard, by front-door VRF and address of the peer.
#[derive(Default)]
pub(crate) struct NarrowPaths {
    by_peer: BTreeMap<(FrontVrf, IpAddr), Narrow>,
    /// When to look for those that have aged, at the earliest.
    sweep: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Narrow {
    mtu: u16,
    until: Instant,
}

impl NarrowPaths {
    /// Takes what is said of a path; `false` if it is to be ignored.
    fn learn(&mut self, fvrf: FrontVrf, peer: IpAddr, mtu: u16, now: Instant) -> bool {
        let key = (fvrf, peer);
        if self.by_peer.len() >= PATHS_MAX && !self.by_peer.contains_key(&key) && !self.sweep(now) {
            return false;
        }
        let until = now + LIFETIME;
        self.by_peer.insert(key, Narrow { mtu, until });
        self.sweep.get_or_insert(until);
        true
    }

    /// Forgets what has aged; `true` if there is room now.
    fn sweep(&mut self, now: Instant) -> bool {
        if self.sweep.is_some_and(|at| at <= now) {
            self.by_peer.retain(|_, narrow| narrow.until > now);
            self.sweep = self.by_peer.values().map(|narrow| narrow.until).min();
        }
        self.by_peer.len() < PATHS_MAX
    }

    /// How much a path takes, if that is less than is configured.
    fn of(&mut self, fvrf: FrontVrf, peer: IpAddr, now: Instant) -> Option<u16> {
        let narrow = *self.by_peer.get(&(fvrf, peer))?;
        if narrow.until > now {
            return Some(narrow.mtu);
        }
        self.by_peer.remove(&(fvrf, peer));
        None
    }

    pub(crate) fn len(&self) -> usize {
        self.by_peer.len()
    }
}

impl Shard {
    /// A packet to `peer` that must not be fragmented was too large for its path: by what the kernel
    /// knows only `mtu` octets pass. The SAs of that path learn it when they are used next, and then
    /// tell the senders of inner packets.
    pub fn path_is_narrow(&mut self, fvrf: FrontVrf, peer: IpAddr, mtu: u32, now: Instant) {
        let floor = if peer.is_ipv4() { FLOOR_V4 } else { FLOOR_V6 };
        let configured = self.world.settings.path_mtu;
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX).max(floor);
        if mtu < configured && self.narrow.learn(fvrf, peer, mtu, now) {
            self.counters.paths_narrowed += 1;
        }
    }

    /// The MTU of the path to a peer, as far as it is known.
    pub(crate) fn path_mtu(&mut self, fvrf: FrontVrf, peer: IpAddr, now: Instant) -> u16 {
        let configured = self.world.settings.path_mtu;
        match self.narrow.len() {
            0 => configured,
            _ => self.narrow.of(fvrf, peer, now).unwrap_or(configured),
        }
    }

    /// Has an SA that was just used go by what is known of its path now.
    pub(crate) fn refresh_path_mtu(&mut self, handle: OutboundHandle, now: Instant) {
        let Some(path) = self.world.sad.outbound(handle).map(|sa| *sa.path()) else {
            return;
        };
        if self.narrow.len() == 0 && path.mtu == self.world.settings.path_mtu {
            return;
        }
        let mtu = self.path_mtu(path.fvrf, path.remote.ip(), now);
        if mtu != path.mtu
            && let Some(sa) = self.world.sad.outbound_mut(handle)
        {
            sa.set_path(EspPath { mtu, ..path });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn what_is_known_ages_and_leaves_room() {
        let mut paths = NarrowPaths::default();
        let start = Instant::from_millis(1_000);
        let vrf = FrontVrf::GLOBAL;
        for number in 0..PATHS_MAX as u32 {
            assert!(paths.learn(vrf, peer(number), 1_400, start));
        }
        let later = start + (LIFETIME - Duration::from_millis(1));
        assert!(!paths.learn(vrf, peer(u32::MAX), 1_400, later), "full");
        assert!(paths.learn(vrf, peer(7), 1_300, later), "known already");
        assert_eq!(paths.of(vrf, peer(7), later), Some(1_300));
        assert_eq!(paths.of(vrf, peer(8), later), Some(1_400));
        assert_eq!(paths.of(FrontVrf(1), peer(8), later), None);
        let aged = start + LIFETIME;
        assert_eq!(paths.of(vrf, peer(8), aged), None);
        assert!(paths.learn(vrf, peer(u32::MAX), 1_400, aged));
        assert!(paths.learn(vrf, peer(u32::MAX - 1), 1_400, aged));
        assert_eq!(paths.of(vrf, peer(7), aged), Some(1_300), "it had news");
        assert_eq!(paths.len(), 3);
    }
}
