//! Finds the patterns that mean an identity, however many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::pattern::{Kind, Specificity, Text};
use crate::prefix::mask;
use crate::{Identity, IdentityPattern};

/// Patterns of identities, each with a number, found by an identity that they mean.
///
/// A single identity, a prefix and `%any` are one look-up each (a prefix: one for each length in use).
/// A pattern with `*` is found by what stands before its first and after its last `*`: one look-up for
/// each pair of lengths in use. Only what is found so is compared.
#[derive(Clone, Default)]
pub(crate) struct PatternIndex {
    numbers: HashMap<IdentityPattern, u32>,
    /// Lengths of prefixes in use.
    prefixes: BTreeSet<u8>,
    /// The patterns with `*` by their ends.
    ends: HashMap<Ends, Vec<IdentityPattern>>,
    /// Lengths of the heads and tails in use.
    shapes: BTreeMap<Kind, BTreeSet<(usize, usize)>>,
}

/// What stands before the first `*` and after the last.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Ends {
    kind: Kind,
    head: Box<[u8]>,
    tail: Box<[u8]>,
}

impl Ends {
    /// As long as those of a pattern with `*` between them; `None` for a text that is too short.
    fn of(text: &Text, (head, tail): (usize, usize)) -> Option<Self> {
        let (head, behind) = text.octets.split_at_checked(head)?;
        let (_, tail) = behind.split_at_checked(behind.len().checked_sub(tail)?)?;
        Some(Self {
            kind: text.kind,
            head: head.into(),
            tail: tail.into(),
        })
    }
}

impl PatternIndex {
    /// The number of a pattern, a new one if it is new. Numbers begin at 0 and leave no gap.
    pub(crate) fn number(&mut self, pattern: &IdentityPattern) -> u32 {
        let pattern = canonical(pattern);
        if let Some(known) = self.numbers.get(&pattern) {
            return *known;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        match &pattern {
            IdentityPattern::Ipv4Prefix(_, length) | IdentityPattern::Ipv6Prefix(_, length) => {
                self.prefixes.insert(*length);
            }
            other => self.add_ends(other),
        }
        self.numbers.insert(pattern, number);
        number
    }

    fn add_ends(&mut self, pattern: &IdentityPattern) {
        let Some(Text { kind, octets }) = Text::of_glob(pattern) else {
            return;
        };
        let head = octets.split(|octet| *octet == b'*').next();
        let tail = octets.rsplit(|octet| *octet == b'*').next();
        let (head, tail) = (head.unwrap_or_default(), tail.unwrap_or_default());
        let shapes = self.shapes.entry(kind).or_default();
        shapes.insert((head.len(), tail.len()));
        let ends = Ends {
            kind,
            head: head.into(),
            tail: tail.into(),
        };
        self.ends.entry(ends).or_default().push(pattern.clone());
    }

    /// The number of the pattern that means this identity alone.
    pub(crate) fn exact(&self, identity: &Identity) -> Option<u32> {
        let pattern = IdentityPattern::Exact(identity.canonical());
        self.numbers.get(&pattern).copied()
    }

    /// The patterns that mean an identity among others, the closest first.
    pub(crate) fn wider(&self, identity: &Identity) -> Vec<(Specificity, u32)> {
        let mut found = Vec::new();
        let mut add = |pattern: &IdentityPattern| {
            if let Some(number) = self.numbers.get(pattern)
                && let Some(rank) = pattern.specificity(identity)
            {
                found.push((rank, *number));
            }
        };
        add(&IdentityPattern::Any);
        for length in &self.prefixes {
            if let Some(pattern) = prefix(identity, *length) {
                add(&pattern);
            }
        }
        for pattern in self.with_ends_of(identity) {
            add(pattern);
        }
        found.sort_unstable_by_key(|(rank, _)| core::cmp::Reverse(*rank));
        found
    }

    fn with_ends_of(&self, identity: &Identity) -> impl Iterator<Item = &IdentityPattern> {
        let text = (!self.shapes.is_empty()).then(|| Text::of_identity(identity));
        let shaped = text.flatten().into_iter().flat_map(|text| {
            let shapes = self.shapes.get(&text.kind).into_iter().flatten();
            shapes.filter_map(move |shape| Ends::of(&text, *shape))
        });
        shaped.filter_map(|ends| self.ends.get(&ends)).flatten()
    }
}

/// The form in which patterns that mean the same are equal.
fn canonical(pattern: &IdentityPattern) -> IdentityPattern {
    let masked = match pattern {
        IdentityPattern::Exact(identity) => Some(IdentityPattern::Exact(identity.canonical())),
        IdentityPattern::Ipv4Prefix(network, length) => prefix(&Identity::Ipv4(*network), *length),
        IdentityPattern::Ipv6Prefix(network, length) => prefix(&Identity::Ipv6(*network), *length),
        _ => None,
    };
    masked.unwrap_or_else(|| pattern.clone())
}

/// The pattern of a length around an address.
fn prefix(identity: &Identity, length: u8) -> Option<IdentityPattern> {
    let address = match identity {
        Identity::Ipv4(address) => (*address).into(),
        Identity::Ipv6(address) => (*address).into(),
        _ => return None,
    };
    Some(match mask(address, length)? {
        core::net::IpAddr::V4(network) => IdentityPattern::Ipv4Prefix(network, length),
        core::net::IpAddr::V6(network) => IdentityPattern::Ipv6Prefix(network, length),
    })
}
