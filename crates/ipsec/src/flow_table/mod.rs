mod places;

use core::net::IpAddr;

use crate::TrafficSelector;
use crate::prefix::{host_bits, number, prefixes};
use places::{Places, Prefix};

/// Finds what takes a packet by where it goes: an SA, or a trap.
///
/// It is found by longest prefix, one step in a hash table for each prefix length in use, single
/// addresses among them. How many prefixes there are does not matter. Of several that share a prefix
/// the youngest is asked first.
pub struct FlowTable<H> {
    v4: Family<H>,
    v6: Family<H>,
}

struct Family<H> {
    places: Places<H>,
    /// How many prefixes there are of each length.
    lengths: [u32; 129],
    /// The lengths in use, the longest first.
    in_use: Vec<u8>,
    width: u8,
}

impl<H: Copy + PartialEq + Default> FlowTable<H> {
    /// An empty table. `seed` must be unpredictable: peers have a say in the addresses, and must not
    /// be able to choose such as fall into one place of the table.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            v4: Family::new(32, seed),
            v6: Family::new(128, seed.rotate_left(32)),
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
        let family = self.family(destination);
        family.prefixes(number(destination).0).find_map(|prefix| {
            let youngest_first = family.places.get(prefix).iter().rev();
            youngest_first.copied().find(|handle| accepts(*handle))
        })
    }

    /// Asks for the memory in which [`find`](Self::find) begins: for packets to come. The answer is
    /// for [`guess`](Self::guess).
    #[inline]
    pub fn fetch(&self, destination: IpAddr) -> usize {
        let family = self.family(destination);
        let longest = family.prefixes(number(destination).0).next();
        longest.map_or(0, |prefix| family.places.fetch(prefix))
    }

    /// What [`find`](Self::find) will find, if all goes well. A wrong guess is possible, and harmless
    /// where it decides about no more than which memory to ask for.
    #[inline]
    pub fn guess(&self, destination: IpAddr, fetched: usize) -> H {
        self.family(destination).places.at(fetched)
    }

    /// How many addresses and networks lead somewhere.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether no address leads anywhere.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    const fn family(&self, address: IpAddr) -> &Family<H> {
        if address.is_ipv4() {
            &self.v4
        } else {
            &self.v6
        }
    }

    const fn family_mut(&mut self, address: IpAddr) -> &mut Family<H> {
        if address.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        }
    }
}

impl<H: Copy + PartialEq + Default> Family<H> {
    fn new(width: u8, seed: u64) -> Self {
        Self {
            places: Places::new(seed),
            lengths: [0; 129],
            in_use: Vec::new(),
            width,
        }
    }

    fn insert(&mut self, bits: u128, length: u8, handle: H) {
        if self.places.add(Prefix { bits, length }, handle) {
            self.count_length(length, 1);
        }
    }

    fn remove(&mut self, bits: u128, length: u8, handle: H) {
        if self.places.remove(Prefix { bits, length }, handle) {
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

    /// The prefixes around `destination` that may lead somewhere, the longest first.
    fn prefixes(&self, destination: u128) -> impl Iterator<Item = Prefix> {
        self.in_use.iter().map(move |&length| Prefix {
            bits: destination & !host_bits(self.width, length),
            length,
        })
    }

    const fn len(&self) -> usize {
        self.places.len()
    }
}
