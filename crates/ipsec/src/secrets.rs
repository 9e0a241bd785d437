use core::net::IpAddr;
use std::collections::HashMap;

use crate::pattern::Specificity;
use crate::{FrontVrf, Identity, IdentityPattern, PreSharedKey, SecretEntry};

/// The shared secrets, found by whose they are. Entries that name single identities are indexed, so
/// that a secret for each of a million peers costs one look-up; entries with wildcards are compared
/// one by one.
#[derive(Clone, Default)]
pub struct Secrets {
    entries: Vec<SecretEntry>,
    /// Canonical identity to the entries that name it exactly.
    by_owner: HashMap<Identity, Vec<u32>>,
    /// Entries with a wildcard among their owners, or without owners.
    patterns: Vec<u32>,
}

impl From<Vec<SecretEntry>> for Secrets {
    fn from(entries: Vec<SecretEntry>) -> Self {
        let mut by_owner: HashMap<Identity, Vec<u32>> = HashMap::new();
        let mut patterns = Vec::new();
        for (entry, index) in entries.iter().zip(0..) {
            let mut pattern = entry.owners.is_empty();
            for owner in &entry.owners {
                match owner {
                    IdentityPattern::Exact(identity) => {
                        by_owner
                            .entry(identity.canonical())
                            .or_default()
                            .push(index);
                    }
                    _ => pattern = true,
                }
            }
            if pattern {
                patterns.push(index);
            }
        }
        Self {
            entries,
            by_owner,
            patterns,
        }
    }
}

impl Secrets {
    /// The entries in the order of the configuration.
    #[must_use]
    pub fn entries(&self) -> &[SecretEntry] {
        &self.entries
    }

    /// The secret between `local` and `remote` who meet in a front-door VRF: the one whose owners describe
    /// the peer most closely, then us, then the one for this VRF alone, then the first in the
    /// configuration.
    ///
    /// An entry is good for a pair if it names nobody, or names the peer, or names only our side. An
    /// entry that names us and another peer is never good for this one: else that other peer could
    /// pass for it.
    #[must_use]
    pub fn find(
        &self,
        fvrf: FrontVrf,
        local: &Identity,
        remote: &Identity,
    ) -> Option<&PreSharedKey> {
        self.find_closest(fvrf, &[(local, remote)])
    }

    /// The secret of the pair, local end first, that an entry describes most closely; for two ends
    /// that have more names than one.
    #[must_use]
    pub fn find_closest(
        &self,
        fvrf: FrontVrf,
        pairs: &[(&Identity, &Identity)],
    ) -> Option<&PreSharedKey> {
        let mut best: Option<(Rank, u32)> = None;
        for (local, remote) in pairs {
            if let Some(found) = self.best(fvrf, local, remote)
                && best.is_none_or(|(top, _)| found.0 > top)
            {
                best = Some(found);
            }
        }
        let (_, index) = best?;
        self.entries.get(index as usize).map(|entry| &entry.key)
    }

    fn best(&self, fvrf: FrontVrf, local: &Identity, remote: &Identity) -> Option<(Rank, u32)> {
        let exact = |identity: &Identity| self.by_owner.get(&identity.canonical());
        let indexed = [exact(remote), exact(local)];
        let candidates = indexed
            .into_iter()
            .flatten()
            .chain([&self.patterns])
            .flatten();
        let mut best: Option<(Rank, u32)> = None;
        for &index in candidates {
            let Some(entry) = self.entries.get(index as usize) else {
                continue;
            };
            if let Some(rank) = rank(entry, fvrf, local, remote)
                && best.is_none_or(|(top, first)| rank > top || (rank == top && index < first))
            {
                best = Some((rank, index));
            }
        }
        best
    }

    /// The secret between two addresses: what [`find`](Self::find) says of the identities that the
    /// addresses are. Owners may be addresses, prefixes (an address and its mask) or nobody.
    #[must_use]
    pub fn find_by_address(
        &self,
        fvrf: FrontVrf,
        local: IpAddr,
        remote: IpAddr,
    ) -> Option<&PreSharedKey> {
        self.find(fvrf, &local.into(), &remote.into())
    }
}

/// How closely an entry describes the peer, then us, and whether it is for the VRF alone.
type Rank = (Specificity, Specificity, bool);

fn rank(entry: &SecretEntry, fvrf: FrontVrf, local: &Identity, remote: &Identity) -> Option<Rank> {
    if entry.fvrf.is_some_and(|only| only != fvrf) {
        return None;
    }
    let closest = |identity| {
        entry
            .owners
            .iter()
            .filter_map(|own| own.specificity(identity))
            .max()
    };
    let (remote, ours) = match (closest(remote), closest(local)) {
        (Some(remote), ours) => (remote, ours),
        (None, ours) if entry.owners.iter().all(|owner| owner.matches(local)) => {
            (Specificity::ANY, ours)
        }
        (None, _) => return None,
    };
    let ours = ours.unwrap_or(Specificity::ANY);
    Some((remote, ours, entry.fvrf.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(entries: &[(&[&str], &str)]) -> Secrets {
        let entry = |(owners, key): &(&[&str], &str)| SecretEntry {
            owners: owners.iter().map(|owner| owner.parse().unwrap()).collect(),
            fvrf: None,
            key: PreSharedKey::new(key.as_bytes().to_vec()),
        };
        Secrets::from(entries.iter().map(entry).collect::<Vec<_>>())
    }

    fn find<'a>(secrets: &'a Secrets, local: &str, remote: &str) -> Option<&'a str> {
        secrets
            .find(
                FrontVrf::GLOBAL,
                &local.parse().unwrap(),
                &remote.parse().unwrap(),
            )
            .map(|key| core::str::from_utf8(key.expose()).unwrap())
    }

    #[test]
    fn the_closest_owner_wins_whatever_the_order() {
        let secrets = secrets(&[
            (&[], "anyone"),
            (&["*@example.org"], "staff"),
            (&["Joe@Example.org"], "joe"),
            (&["gw.example.org"], "gateway"),
            (&["gw.example.org", "ann@example.org"], "ann at the gateway"),
            (&["ann@example.org"], "ann"),
            (&["10.0.0.0/8"], "ten"),
            (&["10.1.0.0/16"], "ten one"),
        ]);
        let at_gateway = |remote| find(&secrets, "gw.example.org", remote);
        assert_eq!(at_gateway("joe@example.org"), Some("joe"));
        assert_eq!(at_gateway("eve@example.org"), Some("staff"));
        assert_eq!(at_gateway("ann@example.org"), Some("ann at the gateway"));
        assert_eq!(
            find(&secrets, "other.org", "ann@example.org"),
            Some("ann at the gateway")
        );
        assert_eq!(at_gateway("10.1.2.3"), Some("ten one"));
        assert_eq!(at_gateway("keyid:stranger"), Some("gateway"));
        assert_eq!(
            find(&secrets, "other.org", "keyid:stranger"),
            Some("anyone")
        );
    }

    #[test]
    fn a_pair_with_another_peer_is_no_secret_of_this_one() {
        let secrets = secrets(&[(&["gw.example.org", "ann@example.org"], "ann's")]);
        assert_eq!(find(&secrets, "gw.example.org", "bob@example.org"), None);
        assert_eq!(
            find(&secrets, "gw.example.org", "ann@example.org"),
            Some("ann's")
        );
        assert_eq!(
            find(&secrets, "ann@example.org", "gw.example.org"),
            Some("ann's")
        );
        assert_eq!(secrets.entries().len(), 1);
    }

    #[test]
    fn an_address_is_matched_by_itself_its_prefix_or_anybody() {
        let secrets = secrets(&[
            (&["10.2.80.209"], "the router"),
            (&["10.2.80.0/24"], "its network"),
            (&["192.0.2.1", "10.9.9.9"], "the pair"),
            (&["branch.example.org"], "by name"),
            (&["0.0.0.0/0"], "anywhere"),
        ]);
        let between = |local: &str, remote: &str| {
            let found = secrets.find_by_address(
                FrontVrf::GLOBAL,
                local.parse().unwrap(),
                remote.parse().unwrap(),
            );
            found.map(|key| core::str::from_utf8(key.expose()).unwrap())
        };
        assert_eq!(between("192.0.2.1", "10.2.80.209"), Some("the router"));
        assert_eq!(between("192.0.2.1", "10.2.80.7"), Some("its network"));
        assert_eq!(between("192.0.2.1", "10.9.9.9"), Some("the pair"));
        assert_eq!(between("192.0.2.1", "10.9.9.8"), Some("anywhere"));
        assert_eq!(between("2001:db8::1", "2001:db8::2"), None);
    }

    #[test]
    fn among_equals_the_first_counts() {
        let secrets = secrets(&[(&["a.org"], "first"), (&["A.org"], "second")]);
        assert_eq!(find(&secrets, "gw", "a.org"), Some("first"));
    }

    #[test]
    fn a_secret_of_a_vrf_is_good_there_alone() {
        let entry = |owner: &str, fvrf, key: &str| SecretEntry {
            owners: vec![owner.parse().unwrap()],
            fvrf,
            key: PreSharedKey::new(key.as_bytes().to_vec()),
        };
        let secrets = Secrets::from(vec![
            entry("192.0.2.7", None, "anywhere"),
            entry("192.0.2.7", Some(FrontVrf(1)), "red"),
            entry("192.0.2.7", Some(FrontVrf(2)), "blue"),
            entry("192.0.2.8", Some(FrontVrf(2)), "blue only"),
        ]);
        let found = |vrf, remote: &str| {
            let local = "192.0.2.1".parse().unwrap();
            let key = secrets.find(FrontVrf(vrf), &local, &remote.parse().unwrap())?;
            core::str::from_utf8(key.expose()).ok()
        };
        assert_eq!(found(0, "192.0.2.7"), Some("anywhere"));
        assert_eq!(found(1, "192.0.2.7"), Some("red"));
        assert_eq!(found(2, "192.0.2.7"), Some("blue"));
        assert_eq!(found(1, "192.0.2.8"), None);
        assert_eq!(found(2, "192.0.2.8"), Some("blue only"));
    }
}
