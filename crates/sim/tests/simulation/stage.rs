//! A world, and what a test wants to do with it and know about it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dpd::{BreakerEvent, Evidence, NotProof, Proof};
use ike::CloseReason;
use shard::EventKind;
use sim::{Dice, End, Estate, Weather, World, peer_identity, peer_index};
use timer::Instant;

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) struct Death {
    pub(crate) peer: u32,
    pub(crate) at: Instant,
    pub(crate) evidence: Box<Evidence>,
}

pub(crate) struct Stage {
    pub(crate) world: World,
    estate: Estate,
    leases: BTreeMap<u32, Ipv4Addr>,
    deaths: Vec<Death>,
    suspects: BTreeSet<u32>,
    recovered: BTreeSet<u32>,
    alarms: Vec<BreakerEvent>,
    headend_deaths: usize,
    set_up: usize,
    delivered: usize,
}

impl Stage {
    pub(crate) fn new(estate: Estate, weather: Weather, dice: &mut Dice) -> Self {
        Self {
            world: World::new(estate.clone(), weather, dice),
            estate,
            leases: BTreeMap::new(),
            deaths: Vec::new(),
            suspects: BTreeSet::new(),
            recovered: BTreeSet::new(),
            alarms: Vec::new(),
            headend_deaths: 0,
            set_up: 0,
            delivered: 0,
        }
    }

    /// Connects all peers, evenly over `span`, and waits until the last retransmission has had time.
    pub(crate) fn bring_up(&mut self, span: Duration) {
        let step = span / u32::from(self.estate.peers);
        for peer in 0..self.estate.peers {
            self.world.connect(peer);
            self.run_for(step);
        }
        self.run_for(secs(10));
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        self.world.run_for(span);
        for (end, event) in self.world.take_events() {
            if end == End::Headend {
                self.note(event);
            } else if matches!(event.kind, EventKind::Dead { .. }) {
                self.headend_deaths += 1;
            }
        }
        self.delivered += self.world.headend.take_delivered().len();
        self.delivered += self.world.peers.take_delivered().len();
    }

    fn note(&mut self, event: shard::Event) {
        if let EventKind::Breaker(alarm) = event.kind {
            self.alarms.push(alarm);
            return;
        }
        let Some(peer) = peer_index(event.peer.remote.ip()) else {
            return;
        };
        match event.kind {
            EventKind::Established { leases, .. } => {
                self.set_up += 1;
                if let [IpAddr::V4(address)] = leases[..] {
                    self.leases.insert(peer, address);
                }
            }
            EventKind::Suspect => {
                self.suspects.insert(peer);
            }
            EventKind::Recovered => {
                self.recovered.insert(peer);
            }
            EventKind::Dead { evidence } => {
                assert_eq!(event.peer.identity, Some(peer_identity(peer)));
                self.deaths.push(Death {
                    peer,
                    at: event.at,
                    evidence,
                });
            }
            EventKind::Closed {
                reason: CloseReason::Unresponsive,
                established,
            } => {
                assert!(established, "only an established peer can be declared dead");
                assert_eq!(event.peer.identity, Some(peer_identity(peer)));
            }
            _ => {}
        }
    }

    /// Cuts the power of these peers and returns when.
    pub(crate) fn cut(&mut self, peers: &BTreeSet<u32>) -> Instant {
        peers.iter().for_each(|peer| self.world.cut(*peer));
        self.world.now()
    }

    pub(crate) fn restore(&mut self, peers: &BTreeSet<u32>) {
        peers.iter().for_each(|peer| self.world.restore(*peer));
    }

    pub(crate) fn exchange_traffic(&mut self, peers: &[u32]) {
        for peer in peers {
            if let Some(address) = self.leases.get(peer).copied() {
                self.world.send_up(*peer, address, b"from the peer");
            }
            self.send_down(*peer);
        }
    }

    pub(crate) fn send_down(&mut self, peer: u32) {
        if let Some(address) = self.leases.get(&peer).copied() {
            self.world.send_down(peer, address, b"to the peer");
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.world.established()
    }

    pub(crate) fn verdicts(&self) -> &[Death] {
        &self.deaths
    }

    pub(crate) fn dead_peers(&self) -> BTreeSet<u32> {
        self.deaths.iter().map(|death| death.peer).collect()
    }

    pub(crate) fn suspects(&self) -> &BTreeSet<u32> {
        &self.suspects
    }

    /// Alarms of the headend's breakers that opened, or closed.
    pub(crate) fn alarms(&self, opened: bool) -> usize {
        let alarms = self.alarms.iter();
        alarms.filter(|alarm| alarm.opened == opened).count()
    }

    pub(crate) fn recovered(&self) -> BTreeSet<u32> {
        self.recovered.clone()
    }

    pub(crate) fn detection_bound(&self) -> Duration {
        let bound = self.estate.headend_dpd.detection_bound();
        bound.expect("a mode that probes")
    }

    /// Child SAs that the headend holds.
    pub(crate) fn children(&self) -> u64 {
        self.headend_count(|counters| counters.children)
    }

    /// IKE SAs that the headend holds, closing and half-open ones included.
    pub(crate) fn ike_sas(&self) -> u64 {
        self.headend_count(|counters| counters.ike_sas)
    }

    /// IKE SAs that were rekeyed, as the headend counts them.
    pub(crate) fn ike_rekeyed(&self) -> u64 {
        self.headend_count(|counters| counters.ike_rekeyed)
    }

    /// Child SAs that the headend has installed.
    pub(crate) fn children_installed(&self) -> u64 {
        self.headend_count(|counters| counters.children_installed)
    }

    /// Peers whose shard found the headend dead.
    pub(crate) fn headend_deaths(&self) -> usize {
        self.headend_deaths
    }

    /// IKE SAs that the headend has seen established.
    pub(crate) fn set_up(&self) -> usize {
        self.set_up
    }

    /// Inner packets that arrived on either side.
    pub(crate) fn delivered(&self) -> usize {
        self.delivered
    }

    fn headend_count(&self, count: impl Fn(&shard::Counters) -> u64) -> u64 {
        let shards = self.world.headend.shards().iter();
        shards.map(|shard| count(&shard.counters())).sum()
    }

    pub(crate) fn proofs(&self, proof: Proof) -> u64 {
        self.headend_count(|counters| counters.dpd.proofs[proof.index()])
    }

    pub(crate) fn not_proofs(&self, event: NotProof) -> u64 {
        self.headend_count(|counters| counters.dpd.not_proofs[event.index()])
    }

    pub(crate) fn dpd_tries(&self) -> u64 {
        self.headend_count(|counters| counters.dpd.tries)
    }

    pub(crate) fn timers(&self) -> u64 {
        self.headend_count(|counters| counters.timers)
    }

    pub(crate) fn half_open(&self) -> u64 {
        self.headend_count(|counters| counters.half_open)
    }

    pub(crate) fn assert_promises_kept(&mut self) {
        self.world.sweep();
        let invariants = &self.world.invariants;
        assert!(invariants.checked() > 1_000);
        assert_eq!(invariants.breaches(), []);
        assert_eq!(self.world.traffic().overflowed, 0);
    }
}
