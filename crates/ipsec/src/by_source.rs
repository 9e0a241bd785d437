use core::net::IpAddr;
use std::collections::{BTreeSet, HashMap};

use crate::prefix::{mask, prefixes};

/// Numbers, filed under a subject and under where peers may come from. Those for a peer are found by
/// one look-up for each length of prefix in use, however many there are.
#[derive(Clone, Default)]
pub(crate) struct BySource {
    places: HashMap<Place, Numbers>,
    lengths: BTreeSet<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    subject: u32,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Anywhere,
    Network(IpAddr, u8),
}

/// Most places hold one number: it needs no memory of its own.
#[derive(Clone)]
enum Numbers {
    One(u32),
    Several(Vec<u32>),
}

impl Numbers {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(number) => core::slice::from_ref(number),
            Self::Several(numbers) => numbers,
        }
    }

    fn push(&mut self, number: u32) {
        match self {
            Self::One(first) => *self = Self::Several(vec![*first, number]),
            Self::Several(numbers) => numbers.push(number),
        }
    }
}

impl BySource {
    /// Files a number, greater than any before it, under a subject for peers from these ranges, or
    /// from anywhere if there is none. `wanted` may decline it for a place, seeing what stands there.
    pub(crate) fn add(
        &mut self,
        number: u32,
        subject: u32,
        ranges: &[(IpAddr, IpAddr)],
        wanted: impl Fn(&[u32]) -> bool,
    ) {
        let mut file = |source| {
            let place = Place { subject, source };
            match self.places.get_mut(&place) {
                None => {
                    self.places.insert(place, Numbers::One(number));
                }
                Some(there) => {
                    let known = there.as_slice();
                    if known.last() != Some(&number) && wanted(known) {
                        there.push(number);
                    }
                }
            }
        };
        if ranges.is_empty() {
            file(Source::Anywhere);
        }
        for (first, last) in ranges {
            for (network, length) in prefixes(*first, *last) {
                self.lengths.insert(length);
                file(Source::Network(network, length));
            }
        }
    }

    /// What stands under a subject for a peer at `remote`: lists in ascending order, the one of those
    /// from anywhere first.
    pub(crate) fn get(&self, subject: u32, remote: IpAddr) -> impl Iterator<Item = &[u32]> {
        let network = move |length: &u8| Some(Source::Network(mask(remote, *length)?, *length));
        core::iter::once(Source::Anywhere)
            .chain(self.lengths.iter().filter_map(network))
            .filter_map(move |source| self.places.get(&Place { subject, source }))
            .map(Numbers::as_slice)
    }

    /// Gives back what room is left over.
    pub(crate) fn shrink(&mut self) {
        self.places.shrink_to_fit();
    }
}
