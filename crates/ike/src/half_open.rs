use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::HashMap;

use ipsec::IkeSpi;

use crate::{HalfOpenKey, Rejection, Settings};

/// A source prefix: IPv4 /24, IPv6 /64. One site behind it shares one allowance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Prefix(IpAddr);

impl Prefix {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !0xff))),
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(
                v6.to_bits() & !u128::from(u64::MAX),
            ))),
        }
    }
}

/// What a newcomer must do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    /// Come in.
    Free,
    /// Return a cookie first.
    CookieNeeded,
    /// Solve a puzzle of so many zero bits first (RFC 8019).
    PuzzleNeeded(u8),
    /// Stay out, whatever it returns.
    Full(Rejection),
}

/// A half-open IKE SA.
#[derive(Clone, Copy, Debug)]
struct Entry {
    spi: IkeSpi,
    /// Its peer may have lied about its address: nothing that we sent there has come back.
    unproved: bool,
}

/// The half-open IKE SAs of a source prefix.
#[derive(Clone, Copy, Default, Debug)]
struct Count {
    all: usize,
    unproved: usize,
}

/// The half-open IKE SAs of a responder, of both versions, counted by source.
#[derive(Default)]
pub(crate) struct HalfOpenTable {
    by_key: HashMap<HalfOpenKey, Entry>,
    by_prefix: HashMap<Prefix, Count>,
    unproved: usize,
}

impl HalfOpenTable {
    pub(crate) fn find(&self, key: &HalfOpenKey) -> Option<IkeSpi> {
        self.by_key.get(key).map(|entry| entry.spi)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The own prefix is judged first, so that one noisy source does not make all others pay
    /// (RFC 8019 §4).
    pub(crate) fn admission(&self, source: IpAddr, settings: &Settings) -> Admission {
        let from_prefix = self.count(source).all;
        if from_prefix >= settings.part(settings.half_open_prefix_max) {
            return Admission::Full(Rejection::HalfOpenPrefixLimit);
        }
        if self.by_key.len() >= settings.part(settings.half_open_max) {
            return Admission::Full(Rejection::HalfOpenLimit);
        }
        if let Some(bits) = self.puzzle_bits(from_prefix, settings) {
            return Admission::PuzzleNeeded(bits);
        }
        if from_prefix >= settings.part(settings.cookie_threshold_prefix)
            || self.by_key.len() >= settings.part(settings.cookie_threshold)
        {
            return Admission::CookieNeeded;
        }
        Admission::Free
    }

    /// How hard a puzzle is called for, if one is: the harder the fewer places are left, in the prefix or in all.
    fn puzzle_bits(&self, from_prefix: usize, settings: &Settings) -> Option<u8> {
        let levels = [
            (
                from_prefix,
                settings.puzzle_threshold_prefix,
                settings.half_open_prefix_max,
            ),
            (
                self.by_key.len(),
                settings.puzzle_threshold,
                settings.half_open_max,
            ),
        ];
        let fullest = levels
            .into_iter()
            .filter_map(|(taken, threshold, max)| {
                let (threshold, max) = (settings.part(threshold), settings.part(max));
                let above = taken.checked_sub(threshold)?;
                Some((above * 100) / max.saturating_sub(threshold).max(1))
            })
            .max()?;
        let range = usize::from(
            settings
                .puzzle_bits_max
                .saturating_sub(settings.puzzle_bits),
        );
        let more = u8::try_from(range * fullest.min(100) / 100).unwrap_or(u8::MAX);
        Some(settings.puzzle_bits.saturating_add(more))
    }

    /// Of 256 requests of those who return a cookie and solve no puzzle, those that are let in: half at the threshold, and the fewer
    /// the fewer places are left (RFC 8019 §7.1.5).
    pub(crate) fn unsolved_chance(&self, source: IpAddr, settings: &Settings) -> u8 {
        let share = |taken: usize, max: usize| {
            let left = max.saturating_sub(taken);
            left * 128 / max.max(1)
        };
        let of_prefix = share(
            self.count(source).all,
            settings.part(settings.half_open_prefix_max),
        );
        let of_all = share(self.by_key.len(), settings.part(settings.half_open_max));
        u8::try_from(of_prefix.min(of_all)).unwrap_or(u8::MAX)
    }

    /// As [`admission`](Self::admission), for a version without cookies: it keeps state for
    /// addresses that may be forged, so the places for those are no more than the thresholds above
    /// which others must prove theirs. What is left stays for peers that can. All peers behind one
    /// address meet in one shard, so that the limits of a prefix are not parted here.
    pub(crate) fn admit_unproved(
        &self,
        source: IpAddr,
        settings: &Settings,
    ) -> Result<(), Rejection> {
        let from_prefix = self.count(source);
        if from_prefix.all >= settings.half_open_prefix_max
            || from_prefix.unproved >= settings.cookie_threshold_prefix
        {
            return Err(Rejection::HalfOpenPrefixLimit);
        }
        if self.by_key.len() >= settings.part(settings.half_open_max)
            || self.unproved >= settings.part(settings.cookie_threshold)
        {
            return Err(Rejection::HalfOpenLimit);
        }
        Ok(())
    }

    fn count(&self, source: IpAddr) -> Count {
        let prefix = Prefix::of(source);
        self.by_prefix.get(&prefix).copied().unwrap_or_default()
    }

    pub(crate) fn insert(&mut self, key: HalfOpenKey, spi: IkeSpi) {
        self.put(key, spi, false);
    }

    /// As [`insert`](Self::insert), for a peer whose address may be forged.
    pub(crate) fn insert_unproved(&mut self, key: HalfOpenKey, spi: IkeSpi) {
        self.put(key, spi, true);
    }

    fn put(&mut self, key: HalfOpenKey, spi: IkeSpi, unproved: bool) {
        let entry = Entry { spi, unproved };
        if self.by_key.insert(key, entry).is_some() {
            return;
        }
        let count = self
            .by_prefix
            .entry(Prefix::of(key.remote.ip()))
            .or_default();
        count.all += 1;
        if unproved {
            count.unproved += 1;
            self.unproved += 1;
        }
    }

    /// The peer has returned what we sent to its address.
    pub(crate) fn prove(&mut self, key: &HalfOpenKey) {
        let Some(entry) = self.by_key.get_mut(key).filter(|entry| entry.unproved) else {
            return;
        };
        entry.unproved = false;
        self.unproved = self.unproved.saturating_sub(1);
        if let Some(count) = self.by_prefix.get_mut(&Prefix::of(key.remote.ip())) {
            count.unproved = count.unproved.saturating_sub(1);
        }
    }

    pub(crate) fn remove(&mut self, key: &HalfOpenKey) {
        self.prove(key);
        if self.by_key.remove(key).is_none() {
            return;
        }
        let prefix = Prefix::of(key.remote.ip());
        if let Some(count) = self.by_prefix.get_mut(&prefix) {
            count.all = count.all.saturating_sub(1);
            if count.all == 0 {
                self.by_prefix.remove(&prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(remote: &str, spi: u64) -> HalfOpenKey {
        HalfOpenKey {
            remote: remote.parse().expect("a socket address"),
            initiator_spi: IkeSpi(spi),
        }
    }

    fn settings() -> Settings {
        Settings {
            half_open_max: 6,
            half_open_prefix_max: 3,
            cookie_threshold: 5,
            cookie_threshold_prefix: 2,
            ..Settings::default()
        }
    }

    #[test]
    fn a_noisy_prefix_pays_before_the_others_do() {
        let mut table = HalfOpenTable::default();
        let settings = settings();
        for spi in 0..2 {
            table.insert(key("192.0.2.7:500", spi), IkeSpi(spi));
        }
        let neighbour = "192.0.2.200".parse().expect("an address");
        let stranger = "192.0.3.1".parse().expect("an address");
        assert_eq!(
            table.admission(neighbour, &settings),
            Admission::CookieNeeded
        );
        assert_eq!(table.admission(stranger, &settings), Admission::Free);
        table.insert(key("192.0.2.8:500", 9), IkeSpi(9));
        assert_eq!(
            table.admission(neighbour, &settings),
            Admission::Full(Rejection::HalfOpenPrefixLimit)
        );
        assert_eq!(table.admission(stranger, &settings), Admission::Free);
    }

    #[test]
    fn global_limits_hold_over_all_prefixes() {
        let mut table = HalfOpenTable::default();
        let settings = settings();
        let stranger = "198.51.100.1".parse().expect("an address");
        for n in 0..5u64 {
            table.insert(key(&format!("203.0.{n}.1:500"), n), IkeSpi(n));
        }
        assert_eq!(
            table.admission(stranger, &settings),
            Admission::CookieNeeded
        );
        table.insert(key("[2001:db8::1]:500", 7), IkeSpi(7));
        assert_eq!(
            table.admission(stranger, &settings),
            Admission::Full(Rejection::HalfOpenLimit)
        );
    }

    #[test]
    fn limits_hold_over_all_shards_together() {
        let mut table = HalfOpenTable::default();
        let settings = Settings {
            shards: core::num::NonZeroU16::new(3).expect("not zero"),
            ..settings()
        };
        let stranger = "198.51.100.1".parse().expect("an address");
        // Of five half-open IKE SAs above which cookies are wanted, two are this shard's part; of six at most, two as well.
        table.insert(key("203.0.113.1:500", 1), IkeSpi(1));
        assert_eq!(table.admission(stranger, &settings), Admission::Free);
        table.insert(key("203.0.114.1:500", 2), IkeSpi(2));
        assert_eq!(
            table.admission(stranger, &settings),
            Admission::Full(Rejection::HalfOpenLimit)
        );
    }

    #[test]
    fn puzzles_get_harder_as_places_run_out() {
        let mut table = HalfOpenTable::default();
        let settings = Settings {
            half_open_max: 9,
            cookie_threshold: 2,
            puzzle_threshold: 5,
            puzzle_bits: 16,
            puzzle_bits_max: 20,
            ..Settings::default()
        };
        let stranger = "198.51.100.1".parse().expect("an address");
        let mut seen = Vec::new();
        let mut chances = Vec::new();
        for n in 0..9u64 {
            seen.push(table.admission(stranger, &settings));
            chances.push(table.unsolved_chance(stranger, &settings));
            table.insert(key(&format!("203.0.{n}.1:500"), n), IkeSpi(n));
        }
        assert_eq!(seen[..2], [Admission::Free; 2]);
        assert_eq!(seen[2..5], [Admission::CookieNeeded; 3]);
        assert_eq!(seen[5..], [16, 17, 18, 19].map(Admission::PuzzleNeeded));
        assert!(chances.is_sorted_by(|a, b| a > b), "{chances:?}");
        assert_eq!(
            table.admission(stranger, &settings),
            Admission::Full(Rejection::HalfOpenLimit)
        );
    }

    #[test]
    fn leaving_frees_what_entering_took_and_only_once() {
        let mut table = HalfOpenTable::default();
        let settings = settings();
        let one = key("[2001:db8::1]:500", 1);
        let two = key("[2001:db8::2]:500", 2);
        table.insert(one, IkeSpi(1));
        table.insert(one, IkeSpi(1));
        table.insert(two, IkeSpi(2));
        assert_eq!(
            table.admission(one.remote.ip(), &settings),
            Admission::CookieNeeded
        );
        table.remove(&one);
        table.remove(&one);
        assert_eq!(table.admission(one.remote.ip(), &settings), Admission::Free);
        assert_eq!((table.len(), table.find(&two)), (1, Some(IkeSpi(2))));
        table.remove(&two);
        assert_eq!((table.len(), table.by_prefix.len()), (0, 0));
    }

    #[test]
    fn forged_addresses_leave_room_for_those_that_prove_theirs() {
        let mut table = HalfOpenTable::default();
        let settings = Settings {
            cookie_threshold: 3,
            ..settings()
        };
        for n in 0..3u64 {
            let key = key(&format!("203.0.{n}.1:500"), n);
            assert_eq!(table.admit_unproved(key.remote.ip(), &settings), Ok(()));
            table.insert_unproved(key, IkeSpi(n));
        }
        let newcomer = "198.51.100.1".parse().expect("an address");
        assert_eq!(
            table.admit_unproved(newcomer, &settings),
            Err(Rejection::HalfOpenLimit)
        );
        assert_eq!(
            table.admission(newcomer, &settings),
            Admission::CookieNeeded
        );
        table.prove(&key("203.0.0.1:500", 0));
        table.prove(&key("203.0.0.1:500", 0));
        assert_eq!(table.admit_unproved(newcomer, &settings), Ok(()));
        for n in 0..3u64 {
            table.remove(&key(&format!("203.0.{n}.1:500"), n));
        }
        assert_eq!((table.unproved, table.by_prefix.len()), (0, 0));
    }
}
