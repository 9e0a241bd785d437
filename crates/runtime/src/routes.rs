use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use ipsec::{AddressPool, InnerVrf, TrafficSelector};
use netio::{AddressGuard, RouteGuard, Tun};
use shard::RouteChange;

/// Changes that may wait for the kernel.
const QUEUE_MAX: usize = 65_536;

/// Installs routes to what peers negotiate and removes them again, on a thread of its own because
/// each takes a conversation with the kernel.
pub(crate) struct Routes {
    changes: Option<Sender<(InnerVrf, RouteChange)>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<RouteCounters>,
    pools: Mutex<Vec<(InnerVrf, TrafficSelector)>>,
}

/// What became of route changes.
#[derive(Default)]
pub(crate) struct RouteCounters {
    pub(crate) installed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// A worker's way to the routes.
#[derive(Clone)]
pub(crate) struct RouteQueue {
    changes: Sender<(InnerVrf, RouteChange)>,
    counters: Arc<RouteCounters>,
}

impl RouteQueue {
    pub(crate) fn change(&self, ivrf: InnerVrf, change: RouteChange) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.changes.try_send((ivrf, change))
        {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Routes {
    /// `devices` by the number of the VRF; there are no routes through the missing ones.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(devices: Vec<Option<Tun>>) -> io::Result<Self> {
        let (changes, incoming) = bounded(QUEUE_MAX);
        let counters = Arc::new(RouteCounters::default());
        let table = |tun: Tun| Table {
            tun,
            routes: HashMap::new(),
            addresses: HashMap::new(),
            counters: Arc::clone(&counters),
        };
        let tables = Tables {
            by_vrf: devices.into_iter().map(|tun| tun.map(table)).collect(),
            counters: Arc::clone(&counters),
            installed: 0,
        };
        let thread = thread::Builder::new()
            .name("routes".to_owned())
            .spawn(move || tables.serve(&incoming))?;
        Ok(Self {
            changes: Some(changes),
            thread: Some(thread),
            counters,
            pools: Mutex::default(),
        })
    }

    pub(crate) fn queue(&self) -> Option<RouteQueue> {
        Some(RouteQueue {
            changes: self.changes.clone()?,
            counters: Arc::clone(&self.counters),
        })
    }

    /// Leads the addresses of `pools` to the inner device, whole pools at once instead of each
    /// address that is leased, and those of former pools no longer.
    pub(crate) fn lead_pools(&self, pools: &[AddressPool]) {
        let Some(queue) = self.queue() else { return };
        let wanted = pools
            .iter()
            .map(|pool| (pool.ivrf, TrafficSelector::range(pool.first, pool.last)));
        let mut led = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let former = core::mem::replace(&mut *led, wanted.collect());
        for (ivrf, selector) in led.iter() {
            queue.change(*ivrf, RouteChange::Add(*selector));
        }
        for (ivrf, selector) in former {
            queue.change(ivrf, RouteChange::Remove(selector));
        }
    }

    pub(crate) fn counters(&self) -> &RouteCounters {
        &self.counters
    }

    /// Removes all routes; every [`RouteQueue`] must be gone.
    pub(crate) fn stop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A route with how many Child SAs need it. The guard is absent when the kernel refused it: another
/// route to the same prefix exists and is none of our business.
struct Counted<G> {
    users: u32,
    _guard: Option<G>,
}

/// The routes of all VRFs.
struct Tables {
    by_vrf: Vec<Option<Table>>,
    counters: Arc<RouteCounters>,
    installed: usize,
}

impl Tables {
    fn serve(mut self, incoming: &Receiver<(InnerVrf, RouteChange)>) {
        while let Ok((ivrf, change)) = incoming.recv() {
            let Some(Some(table)) = self.by_vrf.get_mut(ivrf.index()) else {
                continue;
            };
            let before = table.len();
            table.change(change);
            self.installed = (self.installed + table.len()).saturating_sub(before);
            let installed = self.installed as u64;
            self.counters.installed.store(installed, Ordering::Relaxed);
        }
    }
}

/// The routes of one VRF.
struct Table {
    tun: Tun,
    routes: HashMap<(IpAddr, u8), Counted<RouteGuard>>,
    addresses: HashMap<IpAddr, Counted<AddressGuard>>,
    counters: Arc<RouteCounters>,
}

impl Table {
    fn len(&self) -> usize {
        self.routes.len() + self.addresses.len()
    }

    fn change(&mut self, change: RouteChange) {
        match change {
            RouteChange::Add(selector) => self.add(&selector),
            RouteChange::Remove(selector) => self.remove(&selector),
            RouteChange::AddAddress(address) => self.add_address(address),
            RouteChange::RemoveAddress(address) => release(&mut self.addresses, &address),
        }
    }

    fn add(&mut self, selector: &TrafficSelector) {
        for prefix in prefixes(selector) {
            let counted = self.routes.entry(prefix).or_insert_with(|| Counted {
                users: 0,
                _guard: noted(self.tun.route(prefix.0, prefix.1), &self.counters),
            });
            counted.users += 1;
        }
    }

    fn remove(&mut self, selector: &TrafficSelector) {
        for prefix in prefixes(selector) {
            release(&mut self.routes, &prefix);
        }
    }

    fn add_address(&mut self, address: IpAddr) {
        let length = if address.is_ipv4() { 32 } else { 128 };
        let counted = self.addresses.entry(address).or_insert_with(|| Counted {
            users: 0,
            _guard: noted(self.tun.address(address, length), &self.counters),
        });
        counted.users += 1;
    }
}

fn noted<G>(result: io::Result<G>, counters: &RouteCounters) -> Option<G> {
    if result.is_err() {
        counters.failed.fetch_add(1, Ordering::Relaxed);
    }
    result.ok()
}

fn release<K: core::hash::Hash + Eq, G>(table: &mut HashMap<K, Counted<G>>, key: &K) {
    if let Some(counted) = table.get_mut(key) {
        counted.users -= 1;
        if counted.users == 0 {
            table.remove(key);
        }
    }
}

/// The prefixes that make up a selector. One that covers everything is split in two, which leaves
/// the default route in place for when it is gone.
fn prefixes(selector: &TrafficSelector) -> Vec<(IpAddr, u8)> {
    match (selector.start, selector.end) {
        (IpAddr::V4(start), IpAddr::V4(end)) => {
            blocks(u128::from(start.to_bits()), u128::from(end.to_bits()), 32)
                .map(|(first, length)| (Ipv4Addr::from_bits(first as u32).into(), length))
                .collect()
        }
        (IpAddr::V6(start), IpAddr::V6(end)) => blocks(start.to_bits(), end.to_bits(), 128)
            .map(|(first, length)| (Ipv6Addr::from_bits(first).into(), length))
            .collect(),
        _ => Vec::new(),
    }
}

/// Cuts a range of `width`-bit numbers into the largest aligned blocks, none longer than half of
/// all numbers: first number and length of the common prefix.
fn blocks(start: u128, end: u128, width: u8) -> impl Iterator<Item = (u128, u8)> {
    let mut rest = (start <= end).then_some(start);
    core::iter::from_fn(move || {
        let first = rest?;
        let fits = |bits: &u8| {
            let last = first | ((1_u128 << bits) - 1);
            first & ((1_u128 << bits) - 1) == 0 && last <= end
        };
        let bits = (0..width).rev().find(fits).unwrap_or(0);
        let last = first | ((1_u128 << bits) - 1);
        rest = last.checked_add(1).filter(|next| *next <= end);
        Some((first, width - bits))
    })
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use ipsec::TrafficSelector;

    use super::prefixes;

    fn routes_of(start: &str, end: &str) -> Vec<String> {
        let [start, end] = [start, end].map(|text| text.parse::<IpAddr>().unwrap());
        prefixes(&TrafficSelector::range(start, end))
            .into_iter()
            .map(|(address, length)| format!("{address}/{length}"))
            .collect()
    }

    #[test]
    fn selectors_become_the_fewest_prefixes() {
        assert_eq!(routes_of("10.77.0.0", "10.77.0.255"), ["10.77.0.0/24"]);
        assert_eq!(routes_of("10.77.0.9", "10.77.0.9"), ["10.77.0.9/32"]);
        assert_eq!(
            routes_of("10.77.0.1", "10.77.0.6"),
            [
                "10.77.0.1/32",
                "10.77.0.2/31",
                "10.77.0.4/31",
                "10.77.0.6/32"
            ]
        );
        assert_eq!(routes_of("fd00:77::", "fd00:77::ff"), ["fd00:77::/120"]);
        assert_eq!(routes_of("10.0.0.2", "10.0.0.1"), Vec::<String>::new());
    }

    #[test]
    fn everything_is_two_halves() {
        assert_eq!(
            routes_of("0.0.0.0", "255.255.255.255"),
            ["0.0.0.0/1", "128.0.0.0/1"]
        );
        assert_eq!(
            routes_of("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ["::/1", "8000::/1"]
        );
    }
}
