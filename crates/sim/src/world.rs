use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::{HashSet, VecDeque};

use shard::{Command, Event, Policy};
use timer::Instant;

use crate::policy::{Estate, peer_address, service_address};
use crate::{Datagram, Dice, HEADEND, Invariants, Network, Side, Traffic, Weather, udp_packet};

/// One end of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The headend.
    Headend,
    /// The peers.
    Peers,
}

/// A headend, its peers, the network between them, and the time.
pub struct World {
    /// The headend's shards.
    pub headend: Side,
    /// The shard that plays all the peers. A power cut is the network's business: the shard goes on,
    /// but nobody hears of it.
    pub peers: Side,
    /// What must never happen.
    pub invariants: Invariants,
    network: Network<Parcel>,
    dark: HashSet<IpAddr>,
    tap: Option<VecDeque<Datagram>>,
    events: Vec<(End, Event)>,
    estate: Estate,
    now: Instant,
    next_check: Instant,
}

/// A datagram under way.
#[derive(Clone, Debug)]
struct Parcel {
    datagram: Datagram,
    /// An attacker sent it, whoever it says it is from.
    forged: bool,
}

/// Datagrams that a tap keeps; older ones are forgotten.
const TAPPED_MAX: usize = 100_000;
/// Time between two looks at the bounds of what the shards hold.
const CHECK_EVERY: Duration = Duration::from_millis(100);

impl World {
    /// Nobody is connected yet.
    #[must_use]
    pub fn new(estate: Estate, weather: Weather, dice: &mut Dice) -> Self {
        let now = Instant::from_secs(1);
        let most = Self::peers_max(&estate);
        let headend_settings = shard::Settings {
            breaker: estate.breaker.clone(),
            budgets: estate.budgets.clone(),
            ..Side::settings(most)
        };
        let policy = estate.headend_policy();
        let headend = Side::new(estate.shards, &headend_settings, &policy, now, dice);
        let settings = shard::Settings {
            breaker: estate.peer_breaker.clone(),
            budgets: estate.peer_budgets.clone(),
            ..Side::settings(most)
        };
        let peers = Side::new(1, &settings, &estate.peers_policy(), now, dice);
        Self {
            headend,
            peers,
            invariants: Invariants::default(),
            network: Network::new(weather, dice.fork()),
            dark: HashSet::new(),
            tap: None,
            events: Vec::new(),
            estate,
            now,
            next_check: now,
        }
    }

    fn peers_max(estate: &Estate) -> u32 {
        u32::from(estate.peers) * 2 + 64
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What the network has done so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.network.traffic()
    }

    /// Changes the weather.
    pub fn set_weather(&mut self, weather: Weather) {
        self.network.set_weather(weather);
    }

    /// From now on an attacker keeps a copy of everything that is sent to the headend.
    pub fn tap(&mut self) {
        self.tap = Some(VecDeque::new());
    }

    /// What the attacker has heard; it goes on listening.
    pub fn take_tapped(&mut self) -> Vec<Datagram> {
        self.tap
            .as_mut()
            .map_or_else(Vec::new, |tap| tap.drain(..).collect())
    }

    /// An attacker sends a datagram, whoever it says it is from.
    pub fn inject(&mut self, datagram: Datagram) {
        self.network.send(
            self.now,
            Parcel {
                datagram,
                forged: true,
            },
        );
    }

    /// Makes a peer connect.
    pub fn connect(&mut self, peer: u16) {
        let command = Command::Initiate {
            connection: u32::from(peer),
            child: 0,
        };
        self.peers.command(0, command, self.now);
        self.flush();
    }

    /// The headend's configuration is loaded anew.
    pub fn reload(&mut self, policy: &Policy) {
        for shard in 0..self.headend.shards().len() {
            let command = Command::ReplacePolicy(policy.clone());
            self.headend.command(shard, command, self.now);
        }
        self.flush();
    }

    /// Cuts the headend off from all peers.
    pub fn cut_headend(&mut self) {
        self.dark.insert(HEADEND.into());
    }

    /// Connects the headend again.
    pub fn restore_headend(&mut self) {
        self.dark.remove(&IpAddr::V4(HEADEND));
    }

    /// Cuts the power of a peer: from now on nothing comes from it and nothing reaches it, and what
    /// is under way to it is lost too.
    pub fn cut(&mut self, peer: u32) {
        self.dark.insert(peer_address(peer).into());
    }

    /// Power returns, and the peer goes on as if nothing had happened.
    pub fn restore(&mut self, peer: u32) {
        self.dark.remove(&IpAddr::V4(peer_address(peer)));
    }

    /// A peer sends to its service. `virtual_address` is what the headend leased to it.
    pub fn send_up(&mut self, peer: u32, virtual_address: Ipv4Addr, payload: &[u8]) {
        let packet = udp_packet(virtual_address, service_address(peer), payload);
        self.peers.send_inner(0, &packet, self.now);
        self.flush();
    }

    /// A peer's service sends to it, through whichever shard the inner device favours.
    pub fn send_down(&mut self, peer: u32, virtual_address: Ipv4Addr, payload: &[u8]) {
        let packet = udp_packet(service_address(peer), virtual_address, payload);
        let shard = peer as usize % self.headend.shards().len();
        self.headend.send_inner(shard, &packet, self.now);
        self.flush();
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.next_step().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Both sides stand still while time passes: no datagram is read and no timer fires. What arrived
    /// is waiting when they go on.
    pub fn stall_for(&mut self, span: Duration) {
        self.now += span;
    }

    fn next_step(&self) -> Option<Instant> {
        let network = self.network.next_arrival();
        let timers = [self.headend.next_deadline(), self.peers.next_deadline()];
        timers.into_iter().chain([network]).flatten().min()
    }

    fn step(&mut self) {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while let Some(Parcel { datagram, forged }) = self.network.receive(self.now) {
            if self.is_dark(&datagram, forged) {
                continue;
            }
            if datagram.to.ip() == IpAddr::V4(HEADEND) {
                up.push(datagram);
            } else {
                down.push(datagram);
            }
        }
        for (side, datagrams) in [(&mut self.headend, up), (&mut self.peers, down)] {
            if !datagrams.is_empty() {
                side.receive(datagrams, self.now);
            }
            if side.next_deadline().is_some_and(|due| due <= self.now) {
                side.tick(self.now);
            }
        }
        self.flush();
        if self.now >= self.next_check {
            self.next_check = self.now + CHECK_EVERY;
            let most = Self::peers_max(&self.estate);
            let initiates = self.estate.peers;
            self.invariants.bounds(&self.headend, most, 0, self.now);
            self.invariants
                .bounds(&self.peers, most, initiates, self.now);
        }
    }

    fn is_dark(&self, datagram: &Datagram, forged: bool) -> bool {
        let from_dark = !forged && self.dark.contains(&datagram.from.ip());
        from_dark || self.dark.contains(&datagram.to.ip())
    }

    /// Puts on the network what the shards sent, past the invariants.
    fn flush(&mut self) {
        for (end, side) in [
            (End::Headend, &mut self.headend),
            (End::Peers, &mut self.peers),
        ] {
            for datagram in side.take_datagrams() {
                self.invariants.sent(&datagram, self.now);
                if self.dark.contains(&datagram.from.ip()) {
                    continue;
                }
                if end == End::Peers
                    && let Some(tap) = &mut self.tap
                {
                    tap.truncate(TAPPED_MAX - 1);
                    tap.push_front(datagram.clone());
                }
                let forged = false;
                self.network.send(self.now, Parcel { datagram, forged });
            }
            for event in side.take_events() {
                self.invariants.happened(&event, end == End::Headend);
                self.events.push((end, event));
            }
        }
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<(End, Event)> {
        core::mem::take(&mut self.events)
    }

    /// Looks at every SA of both sides.
    pub fn sweep(&mut self) {
        self.invariants.sweep(&self.headend, self.now);
        self.invariants.sweep(&self.peers, self.now);
    }

    /// Peers that the headend holds as established. One whose IKE SA was just rekeyed has two for a
    /// while, or for longer if the answer to a DELETE was lost.
    #[must_use]
    pub fn established(&self) -> usize {
        let mut identities = HashSet::new();
        for shard in self.headend.shards() {
            let (rows, _) = shard.peers(0, usize::MAX, self.now);
            let rows = rows.into_iter().filter(|row| row.established);
            identities.extend(rows.filter_map(|row| row.peer.identity));
        }
        identities.len()
    }
}
