use core::net::IpAddr;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::TrafficSelector;
use crate::hash::KeyedState;
use crate::prefix::{host_bits, number, prefixes};

/// Finds what takes a packet by where it goes: an SA, or a trap.
///
/// Single addresses are found by hash in one step. Everything else is found by longest prefix, one
/// hash look-up for each prefix length in use. Of several that share a prefix the youngest is asked
/// first.
pub struct FlowTable<H> {
    v4: Family<H>,
    v6: Family<H>,
}

struct Family<H> {
    hosts: HashMap<u128, Candidates<H>, KeyedState>,
    nets: HashMap<(u128, u8), Candidates<H>, KeyedState>,
    /// How many networks there are of each length.
    lengths: [u32; 129],
    /// The lengths in use, the longest first.
    in_use: Vec<u8>,
    width: u8,
}

/// Almost always one; the youngest last.
enum Candidates<H> {
    One(H),
    Many(Vec<H>),
}

impl<H: Copy + PartialEq> Candidates<H> {
    fn as_slice(&self) -> &[H] {
        match self {
            Self::One(handle) => core::slice::from_ref(handle),
            Self::Many(handles) => handles,
        }
    }

    fn add(&mut self, handle: H) {
        match self {
            // Two selectors of one SA may differ in their ports alone.
            Self::One(first) if *first == handle => {}
            Self::One(first) => *self = Self::Many(vec![*first, handle]),
            Self::Many(handles) if handles.last() == Some(&handle) => {}
            Self::Many(handles) => handles.push(handle),
        }
    }

    /// Whether nobody is left.
    fn remove(&mut self, handle: H) -> bool {
        match self {
            Self::One(only) => *only == handle,
            Self::Many(handles) => {
                handles.retain(|kept| *kept != handle);
                match handles.as_slice() {
                    [] => true,
                    [last] => {
                        *self = Self::One(*last);
                        false
                    }
                    _ => false,
                }
            }
        }
    }
}

impl<H: Copy + PartialEq> FlowTable<H> {
    /// An empty table. `seed` must be unpredictable: peers have a say in the addresses, and must not
    /// be able to choose such as fall into one place of the table.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            v4: Family::new(32, seed),
            v6: Family::new(128, seed),
        }
    }

    /// Leads to `handle` what goes to `destinations`, before anything older of the same prefix.
    pub fn insert(&mut self, handle: H, destinations: &[TrafficSelector]) {
        for ts in destinations {
            for (network, length) in prefixes(ts.start, ts.end) {
                self.family_mut(network)
                    .insert(number(network).0, length, handle);
            }
        }
    }

    /// Takes `handle` out; `destinations` are those with which it was added.
    pub fn remove(&mut self, handle: H, destinations: &[TrafficSelector]) {
        for ts in destinations {
            for (network, length) in prefixes(ts.start, ts.end) {
                self.family_mut(network)
                    .remove(number(network).0, length, handle);
            }
        }
    }

    /// The first that accepts what goes to `destination`: the closest prefix before wider ones.
    pub fn find(&self, destination: IpAddr, accepts: impl Fn(H) -> bool) -> Option<H> {
        let family = if destination.is_ipv4() {
            &self.v4
        } else {
            &self.v6
        };
        family
            .candidates(number(destination).0)
            .find_map(|candidates| {
                let youngest_first = candidates.as_slice().iter().rev();
                youngest_first.copied().find(|handle| accepts(*handle))
            })
    }

    /// How many addresses and networks lead somewhere.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether no address leads anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    const fn family_mut(&mut self, address: IpAddr) -> &mut Family<H> {
        if address.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        }
    }
}

impl<H: Copy + PartialEq> Family<H> {
    fn new(width: u8, seed: u64) -> Self {
        Self {
            hosts: HashMap::with_hasher(KeyedState::new(seed)),
            nets: HashMap::with_hasher(KeyedState::new(seed.rotate_left(32))),
            lengths: [0; 129],
            in_use: Vec::new(),
            width,
        }
    }

    fn insert(&mut self, bits: u128, length: u8, handle: H) {
        if length == self.width {
            add(self.hosts.entry(bits), handle);
        } else if add(self.nets.entry((bits, length)), handle) {
            self.count_length(length, 1);
        }
    }

    fn remove(&mut self, bits: u128, length: u8, handle: H) {
        if length == self.width {
            take(self.hosts.entry(bits), handle);
        } else if take(self.nets.entry((bits, length)), handle) {
            self.count_length(length, -1);
        }
    }

    fn count_length(&mut self, length: u8, change: i32) {
        let Some(count) = self.lengths.get_mut(usize::from(length)) else {
            return;
        };
        *count = count.saturating_add_signed(change);
        let place = self.in_use.binary_search_by(|used| length.cmp(used));
        match (place, *count) {
            (Err(place), 1..) => self.in_use.insert(place, length),
            (Ok(place), 0) => {
                self.in_use.remove(place);
            }
            _ => {}
        }
    }

    /// Who may take a packet to `destination`, the closest first.
    fn candidates(&self, destination: u128) -> impl Iterator<Item = &Candidates<H>> {
        let nets = self.in_use.iter().filter_map(move |&length| {
            let network = destination & !host_bits(self.width, length);
            self.nets.get(&(network, length))
        });
        self.hosts.get(&destination).into_iter().chain(nets)
    }

    fn len(&self) -> usize {
        self.hosts.len() + self.nets.len()
    }
}

/// Whether the key is new.
fn add<K, H: Copy + PartialEq>(entry: Entry<'_, K, Candidates<H>>, handle: H) -> bool {
    match entry {
        Entry::Vacant(vacant) => {
            vacant.insert(Candidates::One(handle));
            true
        }
        Entry::Occupied(mut occupied) => {
            occupied.get_mut().add(handle);
            false
        }
    }
}

/// Whether the key is gone.
fn take<K, H: Copy + PartialEq>(entry: Entry<'_, K, Candidates<H>>, handle: H) -> bool {
    if let Entry::Occupied(mut occupied) = entry
        && occupied.get_mut().remove(handle)
    {
        occupied.remove();
        return true;
    }
    false
}
