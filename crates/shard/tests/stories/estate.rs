//! A client whose connection has several headends, which die and come back, and host names whose
//! addresses change.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dpd::{Action, DpdPolicy, Mode, ServiceHealth};
use esp::{HEADROOM, TAILROOM};
use ipsec::{ConnectionPolicy, InnerVrf, PeerEndpoint, PolicySnapshot, StartAction};
use shard::{Command, InnerPacket, Policy, Question, Shard};
use timer::Instant;
use wire::ip::build_udp;

use crate::world::{Datagram, Effects, End, Side, Terms, connection, side, side_with};

pub(crate) const FIRST: &str = "192.0.2.1";
pub(crate) const SECOND: &str = "192.0.2.2";
pub(crate) const THIRD: &str = "192.0.2.3";
const TICK: Duration = Duration::from_millis(10);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn at(address: &str) -> PeerEndpoint {
    PeerEndpoint::Address(SocketAddr::new(ip(address), 500))
}

pub(crate) fn named(name: &str, dynamic: bool) -> PeerEndpoint {
    PeerEndpoint::Name {
        name: name.into(),
        port: 500,
        dynamic,
    }
}

/// How the client is to behave.
pub(crate) fn terms(action: Action, start: StartAction) -> Terms {
    Terms {
        client_dpd: DpdPolicy {
            mode: Mode::Periodic,
            action,
            ..DpdPolicy::default()
        },
        headend_dpd: DpdPolicy {
            mode: Mode::RespondOnly,
            ..DpdPolicy::default()
        },
        virtual_address: false,
        start,
        ..Terms::default()
    }
}

/// The client's connection to several peers.
pub(crate) fn client(terms: &Terms, peers: Vec<PeerEndpoint>) -> ConnectionPolicy {
    ConnectionPolicy {
        remote_addrs: peers,
        ..connection(End::Client, terms)
    }
}

/// A client, headends by their addresses, and the time.
pub(crate) struct Estate {
    pub(crate) now: Instant,
    pub(crate) client: Side,
    pub(crate) headends: BTreeMap<IpAddr, Side>,
    /// Datagrams to others are lost.
    pub(crate) alive: BTreeSet<IpAddr>,
    /// What host names stand for. One that is missing gets no answer at all.
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
    /// Questions without an answer so far.
    pub(crate) unanswered: Vec<Question>,
    /// Names that were asked for, in order.
    pub(crate) asked: Vec<String>,
    /// Whom the client sent its first messages to, and when; repetitions are left out.
    pub(crate) attempts: Vec<(Instant, IpAddr)>,
    last_opened: Option<[u8; 8]>,
    /// Inner packets that came out at a headend, in order.
    pub(crate) arrived: Vec<Vec<u8>>,
}

impl Estate {
    pub(crate) fn new(terms: &Terms, connections: Vec<ConnectionPolicy>) -> Self {
        let addresses = [FIRST, SECOND, THIRD].map(ip);
        let headends = addresses.into_iter().zip(1_u64..);
        let headend = |(address, seed)| (address, side(End::Headend, terms, 0x1357_9bdf * seed));
        Self {
            now: Instant::ZERO,
            client: side_with(End::Client, terms, connections, 0x0fed_cba9_8765_4321),
            headends: headends.map(headend).collect(),
            alive: addresses.into(),
            names: BTreeMap::new(),
            unanswered: vec![],
            asked: vec![],
            attempts: vec![],
            last_opened: None,
            arrived: vec![],
        }
    }

    pub(crate) fn start(&mut self) {
        self.act(|shard, now, out| shard.start(now, out));
    }

    pub(crate) fn command(&mut self, command: Command) -> bool {
        let mut done = false;
        self.act(|shard, now, out| done = shard.command(command, now, out));
        done
    }

    /// Hands the client another policy.
    pub(crate) fn reload(&mut self, terms: &Terms, connections: Vec<ConnectionPolicy>) {
        let secrets = vec![ipsec::SecretEntry {
            fvrf: None,
            owners: vec![],
            key: ipsec::PreSharedKey::new(b"a secret for two".to_vec()),
        }];
        let snapshot = PolicySnapshot {
            connections: connections.into_iter().map(Arc::new).collect(),
            secrets: secrets.into(),
            ..PolicySnapshot::default()
        };
        self.command(Command::ReplacePolicy(Policy {
            snapshot: Arc::new(snapshot),
            dpd: vec![terms.client_dpd.clone()].into(),
            dpd_exceptions: Arc::default(),
        }));
    }

    /// Answers a question by hand.
    pub(crate) fn answer(&mut self, question: Question, addresses: &[IpAddr]) {
        self.act(|shard, now, out| shard.resolved(question, addresses, now, out));
    }

    /// Lets the client act, then carries all that follows to its end.
    pub(crate) fn act(&mut self, act: impl FnOnce(&mut Shard, Instant, &mut Effects)) {
        let now = self.now;
        let effects = self.client.step(now, Effects::default(), act);
        let mut flying = VecDeque::new();
        let mut questions = VecDeque::new();
        self.note(effects, &mut flying, &mut questions);
        loop {
            if let Some((question, name)) = questions.pop_front() {
                self.asked.push(String::from(&*name));
                match self.names.get(&*name).cloned() {
                    None => self.unanswered.push(question),
                    Some(addresses) => {
                        let effects =
                            self.client
                                .step(now, Effects::default(), |shard, now, out| {
                                    shard.resolved(question, &addresses, now, out);
                                });
                        self.note(effects, &mut flying, &mut questions);
                    }
                }
            } else if let Some(datagram) = flying.pop_front() {
                self.deliver(datagram, &mut flying, &mut questions);
            } else {
                return;
            }
        }
    }

    fn deliver(
        &mut self,
        mut datagram: Datagram,
        flying: &mut VecDeque<Datagram>,
        questions: &mut VecDeque<(Question, Arc<str>)>,
    ) {
        let now = self.now;
        let to = datagram.local().ip();
        if to == datagram_client() {
            let effects = self
                .client
                .step(now, Effects::default(), |shard, now, out| {
                    shard.outer(&mut [datagram.packet()], now, out);
                });
            self.note(effects, flying, questions);
            return;
        }
        if !self.alive.contains(&to) {
            return;
        }
        let Some(headend) = self.headends.get_mut(&to) else {
            return;
        };
        let effects = headend.step(now, Effects::default(), |shard, now, out| {
            shard.outer(&mut [datagram.packet()], now, out);
        });
        self.arrived.append(&mut headend.inner);
        flying.extend(effects.sent.into_iter().map(Datagram::arrived));
    }

    fn note(
        &mut self,
        effects: Effects,
        flying: &mut VecDeque<Datagram>,
        questions: &mut VecDeque<(Question, Arc<str>)>,
    ) {
        for datagram in effects.sent {
            // IKE_SA_INIT (34) or main mode (2) of an initiator, without an SPI of the responder.
            let opening = matches!(datagram.octets.get(18), Some(34 | 2))
                && datagram.octets.get(8..16) == Some(&[0; 8])
                && !datagram.is_esp();
            let spi = datagram.octets.first_chunk().copied().unwrap_or_default();
            if opening && self.last_opened.replace(spi) != Some(spi) {
                self.attempts.push((self.now, datagram.remote.ip()));
            }
            flying.push_back(datagram.arrived());
        }
        questions.extend(effects.questions);
    }

    /// Lets time pass, tick by tick.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            self.act(|shard, now, out| {
                shard.serviced(ServiceHealth::good(now));
                shard.tick(now, out);
            });
            for (address, headend) in &mut self.headends {
                if self.alive.contains(address) {
                    let effects = headend.step(self.now, Effects::default(), |shard, now, out| {
                        shard.serviced(ServiceHealth::good(now));
                        shard.tick(now, out);
                    });
                    assert!(effects.sent.is_empty(), "headends only answer");
                }
            }
        }
    }

    /// Passes time until something holds, and says how long that took.
    pub(crate) fn pass_until(
        &mut self,
        most: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let start = self.now;
        while !holds(self) {
            if self.now - start > most {
                return None;
            }
            self.pass(TICK);
        }
        Some(self.now - start)
    }

    /// A packet of the client's inner side, told from others by its number.
    pub(crate) fn packet(number: u16, to: &str) -> Vec<u8> {
        let mut packet = vec![];
        let from = SocketAddr::new(ip("10.2.0.1"), 4_000);
        let to = SocketAddr::new(ip(to), 7);
        assert!(build_udp(from, to, &number.to_be_bytes(), &mut packet));
        packet
    }

    /// Sends packets from the client's inner side in one batch.
    pub(crate) fn send(&mut self, packets: &[Vec<u8>]) {
        let mut buffers: Vec<Vec<u8>> = packets
            .iter()
            .map(|packet| [&[0; HEADROOM], &packet[..], &[0; TAILROOM]].concat())
            .collect();
        self.act(|shard, now, out| {
            let mut inner: Vec<_> = buffers
                .iter_mut()
                .map(|buffer| InnerPacket {
                    start: HEADROOM,
                    len: buffer.len() - HEADROOM - TAILROOM,
                    ivrf: InnerVrf::GLOBAL,
                    buffer,
                })
                .collect();
            shard.inner(&mut inner, now, out);
        });
    }

    /// Whether a packet comes out at a headend.
    pub(crate) fn ping(&mut self) -> bool {
        let packet = Self::packet(0xffff, "10.1.0.1");
        self.arrived.clear();
        self.send(std::slice::from_ref(&packet));
        self.arrived == [packet]
    }

    /// Where the client's IKE SA leads.
    pub(crate) fn reached(&self) -> Option<IpAddr> {
        let (rows, _) = self.client.shard.peers(0, 9, self.now);
        let up = rows.iter().find(|row| row.established)?;
        Some(up.peer.remote.ip())
    }
}

fn datagram_client() -> IpAddr {
    ip(crate::world::CLIENT)
}
