use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use ipsec::TrafficSelector;
use netio::{AddressGuard, RouteGuard, Tun};
use shard::RouteChange;

/// Changes that may wait for the kernel.
const QUEUE_MAX: usize = 65_536;

/// Installs routes to what peers negotiate and removes them again, on a thread of its own because
/// each takes a conversation with the kernel.
pub(crate) struct Routes {
    changes: Option<Sender<RouteChange>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<RouteCounters>,
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
    changes: Sender<RouteChange>,
    counters: Arc<RouteCounters>,
}

impl RouteQueue {
    pub(crate) fn change(&self, change: RouteChange) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.changes.try_send(change)
        {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Routes {
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(tun: Tun) -> io::Result<Self> {
        let (changes, incoming) = bounded(QUEUE_MAX);
        let counters = Arc::new(RouteCounters::default());
        let table = Table {
            tun,
            routes: HashMap::new(),
            addresses: HashMap::new(),
            counters: Arc::clone(&counters),
        };
        let thread = thread::Builder::new()
            .name("routes".to_owned())
            .spawn(move || table.serve(&incoming))?;
        Ok(Self {
            changes: Some(changes),
            thread: Some(thread),
            counters,
        })
    }

    pub(crate) fn queue(&self) -> Option<RouteQueue> {
        Some(RouteQueue {
            changes: self.changes.clone()?,
            counters: Arc::clone(&self.counters),
        })
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

struct Table {
    tun: Tun,
    routes: HashMap<(IpAddr, u8), Counted<RouteGuard>>,
    addresses: HashMap<IpAddr, Counted<AddressGuard>>,
    counters: Arc<RouteCounters>,
}

impl Table {
    fn serve(mut self, incoming: &Receiver<RouteChange>) {
        while let Ok(change) = incoming.recv() {
            match change {
                RouteChange::Add(selector) => self.add(&selector),
                RouteChange::Remove(selector) => self.remove(&selector),
                RouteChange::AddAddress(address) => self.add_address(address),
                RouteChange::RemoveAddress(address) => release(&mut self.addresses, &address),
            }
            let installed = (self.routes.len() + self.addresses.len()) as u64;
            self.counters.installed.store(installed, Ordering::Relaxed);
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
    match selector.prefix() {
        Some((IpAddr::V4(_), 0)) => halves([0, 0, 0, 0].into(), [128, 0, 0, 0].into()),
        Some((IpAddr::V6(_), 0)) => halves([0; 8].into(), [0x8000, 0, 0, 0, 0, 0, 0, 0].into()),
        Some(prefix) => vec![prefix],
        None => Vec::new(),
    }
}

fn halves(low: IpAddr, high: IpAddr) -> Vec<(IpAddr, u8)> {
    vec![(low, 1), (high, 1)]
}
