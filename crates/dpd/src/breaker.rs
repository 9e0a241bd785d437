//! The mass-death breaker: when many peers of one fault domain fall silent together, the fault is
//! probably ours or the path's, so nobody is killed until it is known better.

use core::fmt;
use core::num::NonZeroU16;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use timer::Instant;

/// Domains that one shard watches. A domain beyond this is not watched, and is counted.
const DOMAINS_MAX: usize = 16_384;
/// Events that wait for the shard to take them.
const EVENTS_MAX: usize = 64;

/// What peers have in common, so that one fault can silence them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum FaultDomain {
    /// The interface that their datagrams leave by, told by our address on it.
    EgressInterface,
    /// IPv4 or IPv6.
    AddressFamily,
    /// The shard that owns them.
    Shard,
    /// The prefix that their addresses share.
    SourcePrefix,
}

/// One fault domain: its kind and 30 bits of which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainKey(u32);

impl DomainKey {
    /// The domain of a kind that `value` names (interface index, family, shard number, hash of a
    /// prefix). Values that need more than 30 bits are folded.
    #[must_use]
    pub const fn new(kind: FaultDomain, value: u32) -> Self {
        Self((kind as u32) << 30 | (value ^ value >> 30) & 0x3fff_ffff)
    }

    /// The kind of domain.
    #[must_use]
    pub const fn kind(self) -> FaultDomain {
        match self.0 >> 30 {
            0 => FaultDomain::EgressInterface,
            1 => FaultDomain::AddressFamily,
            2 => FaultDomain::Shard,
            _ => FaultDomain::SourcePrefix,
        }
    }

    /// Which domain of its kind.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0 & 0x3fff_ffff
    }
}

impl fmt::Display for DomainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind() {
            FaultDomain::EgressInterface => "egress interface",
            FaultDomain::AddressFamily => "address family",
            FaultDomain::Shard => "shard",
            FaultDomain::SourcePrefix => "source prefix",
        };
        write!(f, "{kind} {}", self.value())
    }
}

impl fmt::Debug for DomainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// When the breaker opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Whether there is a breaker at all.
    pub enabled: bool,
    /// Share of a domain's peers that has to fall silent within the window, in per cent.
    pub share_percent: u8,
    /// Peers that have to fall silent within the window, however small the domain.
    pub peers_min: u32,
    /// Shards over which the peers of a domain are spread: each sees its part of them, and opens at its part of
    /// `peers_min`. A shard's own domain is seen as a whole.
    pub shards: NonZeroU16,
    /// The window.
    pub window: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            share_percent: 5,
            peers_min: 200,
            shards: NonZeroU16::MIN,
            window: Duration::from_secs(10),
        }
    }
}

/// The breaker opened or closed for a domain: one alarm each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerEvent {
    /// For whom.
    pub domain: DomainKey,
    /// Whether it opened.
    pub opened: bool,
    /// Peers of the domain that are silent now.
    pub silent: u32,
    /// Peers of the domain.
    pub peers: u32,
    /// When.
    pub at: Instant,
}

#[derive(Debug, Default)]
struct Domain {
    peers: u32,
    silent: u32,
    open: bool,
    window_start: Instant,
    fell_in_window: u32,
    fell_in_window_before: u32,
}

/// Counts who falls silent, per fault domain of one shard.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    domains: BTreeMap<DomainKey, Domain>,
    events: VecDeque<BreakerEvent>,
    unwatched: u64,
}

impl Breaker {
    /// A closed breaker that knows no peers.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            domains: BTreeMap::new(),
            events: VecDeque::new(),
            unwatched: 0,
        }
    }

    /// A peer was established; to be matched by [`Liveness::leave`](crate::Liveness::leave).
    pub fn joined(&mut self, domains: &[DomainKey]) {
        for key in domains {
            if self.domains.len() >= DOMAINS_MAX && !self.domains.contains_key(key) {
                self.unwatched += 1;
                continue;
            }
            self.domains.entry(*key).or_default().peers += 1;
        }
    }

    /// A peer went away, for whatever reason.
    pub(crate) fn left(&mut self, domains: &[DomainKey]) {
        for key in domains {
            if let Some(domain) = self.domains.get_mut(key) {
                domain.peers = domain.peers.saturating_sub(1);
                if domain.peers == 0 && !domain.open {
                    self.domains.remove(key);
                }
            }
        }
    }

    /// A peer left more than one try unanswered.
    pub(crate) fn silent(&mut self, now: Instant, domains: &[DomainKey]) {
        for key in domains {
            let Some(domain) = self.domains.get_mut(key) else {
                continue;
            };
            domain.silent += 1;
            let fell = domain.fell(now, self.policy.window).min(domain.silent);
            if self.policy.enabled
                && !domain.open
                && fell >= self.policy.threshold(*key, domain.peers)
            {
                self.turn(now, *key, true);
            }
        }
    }

    /// A silent peer spoke again or went away.
    pub(crate) fn silent_no_more(&mut self, now: Instant, domains: &[DomainKey]) {
        for key in domains {
            let Some(domain) = self.domains.get_mut(key) else {
                continue;
            };
            domain.silent = domain.silent.saturating_sub(1);
            // It closes at half of what opened it, so that it does not flutter.
            if domain.open && domain.silent < self.policy.threshold(*key, domain.peers).div_ceil(2)
            {
                self.turn(now, *key, false);
            }
        }
    }

    fn turn(&mut self, now: Instant, key: DomainKey, opened: bool) {
        let Some(domain) = self.domains.get_mut(&key) else {
            return;
        };
        domain.open = opened;
        let event = BreakerEvent {
            domain: key,
            opened,
            silent: domain.silent,
            peers: domain.peers,
            at: now,
        };
        if domain.peers == 0 && !opened {
            self.domains.remove(&key);
        }
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }

    /// The first of these domains for which the breaker is open.
    #[must_use]
    pub fn open_for(&self, domains: &[DomainKey]) -> Option<DomainKey> {
        domains
            .iter()
            .copied()
            .find(|key| self.domains.get(key).is_some_and(|domain| domain.open))
    }

    /// Domains for which the breaker is open.
    #[must_use]
    pub fn open_domains(&self) -> usize {
        self.domains.values().filter(|domain| domain.open).count()
    }

    /// Peers of a domain that are silent now: they left more than one try unanswered.
    #[must_use]
    pub fn silent_in(&self, domain: DomainKey) -> u32 {
        self.domains.get(&domain).map_or(0, |domain| domain.silent)
    }

    /// How many times a peer belonged to a domain that was beyond the bound.
    #[must_use]
    pub fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// The oldest alarm that was not taken yet.
    pub fn take_event(&mut self) -> Option<BreakerEvent> {
        self.events.pop_front()
    }
}

impl BreakerPolicy {
    /// Silent peers at which the breaker opens for a domain of this size.
    fn threshold(&self, domain: DomainKey, peers: u32) -> u32 {
        let shards = match domain.kind() {
            FaultDomain::Shard => NonZeroU16::MIN,
            _ => self.shards,
        };
        let share = u64::from(peers) * u64::from(self.share_percent);
        u32::try_from(share.div_ceil(100))
            .unwrap_or(u32::MAX)
            .max(self.peers_min.div_ceil(u32::from(shards.get())))
            .max(1)
    }
}

impl Domain {
    /// Counts one that fell silent now, and says how many did within the window before now: the part
    /// of the last whole window that still lies in it is taken as evenly spread.
    fn fell(&mut self, now: Instant, window: Duration) -> u32 {
        let window_nanos = window.as_nanos().max(1);
        let passed = (now - self.window_start).as_nanos();
        if passed >= window_nanos {
            let adjacent = passed < 2 * window_nanos;
            self.fell_in_window_before = if adjacent { self.fell_in_window } else { 0 };
            self.fell_in_window = 0;
            let into = u64::try_from(passed % window_nanos).unwrap_or(0);
            self.window_start = Instant::from_nanos(now.as_nanos() - into);
        }
        self.fell_in_window += 1;
        let left = window_nanos - (now - self.window_start).as_nanos().min(window_nanos);
        let before = u128::from(self.fell_in_window_before) * left / window_nanos;
        self.fell_in_window
            .saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &[DomainKey] = &[DomainKey::new(FaultDomain::Shard, 1)];
    const THERE: &[DomainKey] = &[DomainKey::new(FaultDomain::SourcePrefix, u32::MAX)];

    fn breaker(peers: u32) -> Breaker {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        for _ in 0..peers {
            breaker.joined(HERE);
        }
        breaker
    }

    fn fall(breaker: &mut Breaker, peers: u32, now: Instant) {
        for _ in 0..peers {
            breaker.silent(now, HERE);
        }
    }

    #[test]
    fn it_opens_at_the_share_and_at_no_less_than_the_floor() {
        for (peers, threshold) in [(1_000, 200), (4_000, 200), (10_000, 500)] {
            let mut breaker = breaker(peers);
            fall(&mut breaker, threshold - 1, Instant::from_secs(1));
            assert_eq!(breaker.open_for(HERE), None, "of {peers}");
            fall(&mut breaker, 1, Instant::from_secs(1));
            assert_eq!(breaker.open_for(HERE), Some(HERE[0]), "of {peers}");
            assert_eq!(breaker.open_for(THERE), None);
        }
    }

    #[test]
    fn what_many_shards_share_opens_at_each_ones_part_of_the_floor() {
        let family = [DomainKey::new(FaultDomain::AddressFamily, 4)];
        let mut breaker = Breaker::new(BreakerPolicy {
            shards: NonZeroU16::new(8).expect("not zero"),
            ..BreakerPolicy::default()
        });
        // A shard's part of an estate of 800.
        for _ in 0..100 {
            breaker.joined(&[family[0], HERE[0]]);
        }
        for silent in 1..=25 {
            assert_eq!(breaker.open_for(&family), None, "{silent}");
            breaker.silent(Instant::from_secs(1), &[family[0], HERE[0]]);
        }
        assert_eq!(breaker.open_for(&family), Some(family[0]));
        assert_eq!(breaker.open_for(HERE), None, "a shard sees all of its own");
        assert_eq!(breaker.silent_in(HERE[0]), 25);
    }

    #[test]
    fn a_slow_trickle_never_opens_it() {
        let mut breaker = breaker(10_000);
        // 40 a second is 400 in a window of ten seconds, below the 500 that open it.
        for second in 0..240 {
            fall(&mut breaker, 40, Instant::from_secs(second));
        }
        assert_eq!(breaker.open_for(HERE), None);
    }

    #[test]
    fn one_alarm_when_it_opens_and_one_when_it_closes() {
        let mut breaker = breaker(1_000);
        fall(&mut breaker, 300, Instant::from_secs(1));
        let opened = breaker.take_event().expect("an alarm");
        assert!(opened.opened && opened.silent == 200 && opened.peers == 1_000);
        assert_eq!(breaker.take_event(), None, "one alarm, not three hundred");
        for _ in 0..200 {
            breaker.silent_no_more(Instant::from_secs(2), HERE);
        }
        assert_eq!(
            breaker.open_for(HERE),
            Some(HERE[0]),
            "a hundred are silent"
        );
        breaker.silent_no_more(Instant::from_secs(2), HERE);
        assert_eq!(breaker.open_for(HERE), None);
        assert!(!breaker.take_event().expect("an alarm").opened);
    }

    #[test]
    fn who_came_back_does_not_count_against_the_window() {
        let mut breaker = breaker(1_000);
        for _ in 0..1_000 {
            breaker.silent(Instant::from_secs(1), HERE);
            breaker.silent_no_more(Instant::from_secs(1), HERE);
        }
        assert_eq!(breaker.open_domains(), 0);
    }

    #[test]
    fn a_disabled_breaker_never_opens() {
        let mut breaker = Breaker::new(BreakerPolicy {
            enabled: false,
            ..BreakerPolicy::default()
        });
        for _ in 0..1_000 {
            breaker.joined(HERE);
            breaker.silent(Instant::from_secs(1), HERE);
        }
        assert_eq!(breaker.open_for(HERE), None);
    }

    #[test]
    fn a_domain_is_forgotten_with_its_last_peer() {
        let mut breaker = breaker(300);
        fall(&mut breaker, 300, Instant::from_secs(1));
        for _ in 0..300 {
            breaker.left(HERE);
            breaker.silent_no_more(Instant::from_secs(2), HERE);
        }
        assert!(breaker.domains.is_empty());
    }

    #[test]
    fn a_key_names_its_kind_and_value() {
        let key = DomainKey::new(FaultDomain::SourcePrefix, 0x0a02_50d1);
        assert_eq!(key.kind(), FaultDomain::SourcePrefix);
        assert_eq!(key.value(), 0x0a02_50d1);
        assert_eq!(
            DomainKey::new(FaultDomain::AddressFamily, 4).to_string(),
            "address family 4"
        );
    }
}
