//! A headend of several shards whose mail takes its time, and one peer.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dpd::ServiceHealth;
use esp::OuterFields;
use ike::{Job, Path};
use ipsec::{Encapsulation, EspPath, FrontVrf, IkeSpi, InnerVrf};
use shard::{
    Command, Counters, Disposition, ElephantPolicy, Event, EventKind, InnerPacket, Listener, Mail,
    OuterPacket, Output, Parcel, Policy, Question, RouteChange, SaRow, Setup, Shard, ShardId,
    Ticket, TraceRecord,
};
use sim::{Datagram, Dice, Estate, MemoryDirectory, Side, service_address, udp_packet};
use timer::Instant;

/// What an SA has to carry here to be an elephant.
pub(crate) const POLICY: ElephantPolicy = ElephantPolicy {
    packets_per_second: 100,
};

/// A window that takes what several shards seal.
const WIDE: u32 = 1024;

/// What waits for a shard.
pub(crate) enum Post {
    Mail(Mail),
    Inner(Vec<u8>),
    Outer(Datagram),
    Parcel(Parcel),
}

/// What came of one call into a shard.
#[derive(Default)]
struct Yield {
    datagrams: Vec<Datagram>,
    jobs: Vec<(Ticket, Job)>,
    posts: Vec<(ShardId, Post)>,
    delivered: Vec<Vec<u8>>,
    events: Vec<Event>,
    /// Who has time for parcels.
    spare: Option<ShardId>,
}

impl Output for Yield {
    fn send_ike(&mut self, _: IkeSpi, path: &Path, message: &[u8]) -> Disposition {
        let (listener, marker): (_, &[u8]) = match path.encapsulated {
            true => (Listener::Nat, &[0; 4]),
            false => (Listener::Ike, &[]),
        };
        self.datagrams.push(Datagram {
            from: path.local,
            to: path.remote,
            listener,
            traffic_class: 0,
            bytes: [marker, message].concat(),
        });
        Disposition::Taken
    }

    fn send_esp(&mut self, path: &EspPath, outer: OuterFields, packet: &[u8]) -> Disposition {
        self.datagrams.push(Datagram {
            from: path.local,
            to: path.remote,
            listener: match path.encapsulation {
                Encapsulation::Udp => Listener::Nat,
                Encapsulation::Raw => Listener::RawEsp,
            },
            traffic_class: outer.traffic_class,
            bytes: packet.to_vec(),
        });
        Disposition::Taken
    }

    fn send_keepalive(&mut self, _: &Path) -> Disposition {
        Disposition::Taken
    }

    fn deliver_inner(&mut self, _: InnerVrf, packet: &[u8]) {
        self.delivered.push(packet.to_vec());
    }

    fn has_room_to_compute(&self) -> bool {
        true
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.jobs.push((ticket, job));
    }

    fn resolve(&mut self, _: Question, _: &Arc<str>) {}

    fn hand_over_outer(&mut self, to: ShardId, packet: &OuterPacket<'_>) {
        let datagram = Datagram {
            from: packet.remote,
            to: packet.local,
            listener: packet.listener,
            traffic_class: packet.tos,
            bytes: packet.bytes.to_vec(),
        };
        self.posts.push((to, Post::Outer(datagram)));
    }

    fn hand_over_inner(&mut self, to: ShardId, _: InnerVrf, packet: &[u8]) {
        self.posts.push((to, Post::Inner(packet.to_vec())));
    }

    fn shares_inside(&self) -> bool {
        true
    }

    fn spare_shard(&mut self) -> Option<ShardId> {
        self.spare
    }

    fn hand_over_parcel(&mut self, to: ShardId, parcel: Parcel) -> Result<(), Parcel> {
        self.posts.push((to, Post::Parcel(parcel)));
        Ok(())
    }

    fn flush_inner(&mut self) {}

    fn mail(&mut self, to: ShardId, mail: Mail) {
        self.posts.push((to, Post::Mail(mail)));
    }

    fn route(&mut self, _: InnerVrf, _: RouteChange) {}

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn trace(&mut self, _: TraceRecord) {}
}

/// The headend's shards, the peer's one shard, and what is under way between them.
pub(crate) struct Herd {
    pub(crate) now: Instant,
    pub(crate) shards: Vec<Shard>,
    pub(crate) posts: Vec<VecDeque<Post>>,
    pub(crate) peer: Shard,
    /// Mail of the headend's shards is carried at once.
    pub(crate) prompt: bool,
    /// ESP that the headend sent and that has not reached the peer.
    pub(crate) to_peer: VecDeque<Datagram>,
    /// ESP that the peer sent and that has not reached the headend.
    pub(crate) to_headend: VecDeque<Datagram>,
    /// ESP packets that each shard of the headend sent.
    pub(crate) sealed_by: Vec<u64>,
    /// What came out at the peer, and at the headend.
    pub(crate) at_peer: Vec<Vec<u8>>,
    pub(crate) at_headend: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
    /// Who has time for parcels.
    pub(crate) spare: Option<ShardId>,
    /// Where the peer seems to be.
    pub(crate) nat: Option<SocketAddr>,
    /// IKE messages to the peer are lost.
    pub(crate) deaf: bool,
    /// By flow, the next number that goes into it.
    flows: BTreeMap<u8, u32>,
}

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Actor {
    Shard(usize),
    Peer,
}

impl Herd {
    /// A peer with a wide window that is connected to a headend of so many shards.
    pub(crate) fn new(shards: u8, estate: impl FnOnce(&mut Estate)) -> Self {
        Self::with_window(shards, WIDE, estate)
    }

    /// The same with a peer whose window is known to cover so many packets.
    pub(crate) fn with_window(
        shards: u8,
        peer_window: u32,
        estate: impl FnOnce(&mut Estate),
    ) -> Self {
        let mut dice = Dice::new(11);
        let mut plan = Estate {
            shards,
            encapsulated_every: 1,
            headend_dpd: dpd::DpdPolicy {
                mode: dpd::Mode::RespondOnly,
                ..dpd::DpdPolicy::default()
            },
            ..Estate::new(1)
        };
        estate(&mut plan);
        let now = Instant::from_secs(1);
        let directory = |policy: &Policy| Arc::new(MemoryDirectory::new(&policy.snapshot.pools, 3));
        let (mut own, theirs) = (plan.headend_policy(), plan.peers_policy());
        let snapshot = Arc::make_mut(&mut own.snapshot);
        let connections = snapshot.connections.iter().cloned();
        let known = connections.map(|mut connection| {
            for child in &mut Arc::make_mut(&mut connection).children {
                child.peer_replay_window = peer_window;
            }
            connection
        });
        snapshot.connections = known.collect();
        let (own_directory, their_directory) = (directory(&own), directory(&theirs));
        let mut make = |id, count, policy: &Policy, directory: &Arc<MemoryDirectory>| {
            let settings = shard::Settings {
                elephants: Some(POLICY),
                ..Side::settings(16)
            };
            Shard::new(Setup {
                id: ShardId(id),
                shards: count,
                settings,
                policy: policy.clone(),
                directory: directory.clone(),
                entropy: Box::new(dice.fork()),
                spi_entropy: Box::new(dice.fork()),
                now,
            })
        };
        let count = u16::from(shards);
        let mut herd = Self {
            now,
            shards: (0..shards)
                .map(|id| make(id, count, &own, &own_directory))
                .collect(),
            peer: make(0, 1, &theirs, &their_directory),
            posts: (0..shards).map(|_| VecDeque::new()).collect(),
            prompt: true,
            to_peer: VecDeque::new(),
            to_headend: VecDeque::new(),
            sealed_by: vec![0; usize::from(shards)],
            at_peer: Vec::new(),
            at_headend: Vec::new(),
            events: Vec::new(),
            spare: None,
            nat: None,
            deaf: false,
            flows: BTreeMap::new(),
        };
        let command = Command::Initiate {
            connection: 0,
            child: 0,
        };
        herd.act(Actor::Peer, |shard, now, out| {
            shard.command(command, now, out);
        });
        assert_eq!(herd.counters(herd.owner()).children, 1, "connected");
        herd
    }

    /// The shard that owns the peer.
    pub(crate) fn owner(&self) -> usize {
        let owns = |shard: &Shard| shard.counters().ike_sas > 0;
        self.shards.iter().position(owns).expect("connected")
    }

    pub(crate) fn counters(&self, shard: usize) -> Counters {
        self.shards[shard].counters()
    }

    /// The Child SAs that a shard owns.
    pub(crate) fn rows(&self, shard: usize) -> Vec<SaRow> {
        self.shards[shard].sas(0, 16).0
    }

    /// Packets sealed with SAs of other shards.
    pub(crate) fn lent(&self) -> u64 {
        self.shards.iter().map(|s| s.counters().esp_out_lent).sum()
    }

    /// The peer's virtual address.
    pub(crate) fn lease() -> Ipv4Addr {
        Ipv4Addr::new(100, 64, 0, 1)
    }

    fn act(&mut self, actor: Actor, act: impl FnOnce(&mut Shard, Instant, &mut Yield)) {
        let mut out = Yield {
            spare: self.spare,
            ..Yield::default()
        };
        let now = self.now;
        let shard = match actor {
            Actor::Shard(at) => &mut self.shards[at],
            Actor::Peer => &mut self.peer,
        };
        act(shard, now, &mut out);
        self.carry(actor, out);
    }

    /// IKE goes its way at once, ESP waits for [`settle`](Self::settle).
    fn carry(&mut self, actor: Actor, out: Yield) {
        self.events.extend(out.events);
        match actor {
            Actor::Shard(_) => self.at_headend.extend(out.delivered),
            Actor::Peer => self.at_peer.extend(out.delivered),
        }
        for (to, post) in out.posts {
            self.posts[usize::from(to.0)].push_back(post);
        }
        for (ticket, job) in out.jobs {
            let done = job.run(crypto::UnixTime(0));
            self.act(actor, |shard, now, out| {
                shard.computed(ticket, done, now, out);
            });
        }
        for datagram in out.datagrams {
            let is_esp = datagram.listener == Listener::RawEsp
                || (datagram.listener == Listener::Nat && !datagram.bytes.starts_with(&[0; 4]));
            match actor {
                Actor::Shard(at) if is_esp => {
                    self.sealed_by[at] += 1;
                    self.to_peer.push_back(datagram);
                }
                Actor::Shard(_) if self.deaf => {}
                Actor::Shard(_) => self.give_peer(datagram),
                Actor::Peer if is_esp => self.to_headend.push_back(datagram),
                Actor::Peer => self.give_headend(vec![datagram]),
            }
        }
        if self.prompt {
            self.read_all_mail();
        }
    }

    pub(crate) fn give_peer(&mut self, mut datagram: Datagram) {
        self.act(Actor::Peer, |shard, now, out| {
            shard.outer(&mut [describe(&mut datagram, None)], now, out);
        });
    }

    /// Datagrams reach the shard that their SPI names, as the kernel steers them.
    pub(crate) fn give_headend(&mut self, mut datagrams: Vec<Datagram>) {
        let nat = self.nat;
        let owner = (self.shards.iter())
            .position(|shard| shard.counters().ike_sas > 0)
            .unwrap_or(0);
        self.act(Actor::Shard(owner), |shard, now, out| {
            let mut packets: Vec<_> = datagrams.iter_mut().map(|d| describe(d, nat)).collect();
            shard.outer(&mut packets, now, out);
            shard.relay(now, out);
        });
    }

    /// Takes one piece of mail; `false` if there is none.
    pub(crate) fn read_mail(&mut self, shard: usize) -> bool {
        // Messages come before packets.
        let posts = &mut self.posts[shard];
        let mail = posts.iter().position(|post| matches!(post, Post::Mail(_)));
        let Some(post) = posts.remove(mail.unwrap_or(0)) else {
            return false;
        };
        self.act(Actor::Shard(shard), |shard, now, out| match post {
            Post::Mail(mail) => shard.mail(mail, now, out),
            Post::Parcel(parcel) => shard.parcel(parcel, now, out),
            Post::Inner(packet) => seal(shard, &[packet], now, out),
            Post::Outer(mut datagram) => {
                shard.handed_over(describe(&mut datagram, None), now, out);
            }
        });
        true
    }

    /// Whether a message waits for a shard, and not packets only.
    pub(crate) fn has_message(&self, shard: usize) -> bool {
        let message = |post: &Post| matches!(post, Post::Mail(_));
        self.posts[shard].iter().any(message)
    }

    pub(crate) fn read_all_mail(&mut self) {
        while (0..self.shards.len()).any(|shard| self.read_mail(shard)) {}
    }

    /// A packet of a flow comes to a shard's queue of the inner device.
    pub(crate) fn send(&mut self, shard: usize, flow: u8, count: u32) {
        let packets: Vec<_> = (0..count)
            .map(|_| self.packet(flow, service_address(0), Self::lease()))
            .collect();
        self.act(Actor::Shard(shard), |shard, now, out| {
            seal(shard, &packets, now, out);
        });
    }

    /// The same at the peer.
    pub(crate) fn send_from_peer(&mut self, flow: u8, count: u32) {
        let packets: Vec<_> = (0..count)
            .map(|_| self.packet(flow, Self::lease(), service_address(0)))
            .collect();
        self.act(Actor::Peer, |shard, now, out| {
            seal(shard, &packets, now, out);
        });
    }

    fn packet(&mut self, flow: u8, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
        let next = self.flows.entry(flow).or_default();
        let number = *next;
        *next += 1;
        udp_packet(from, to, &[&[flow][..], &number.to_be_bytes()].concat())
    }

    /// How many packets went into a flow.
    pub(crate) fn sent(&self, flow: u8) -> u32 {
        self.flows.get(&flow).copied().unwrap_or(0)
    }

    /// All ESP arrives.
    pub(crate) fn settle(&mut self) {
        while let Some(datagram) = self.to_peer.pop_front() {
            self.give_peer(datagram);
        }
        let arrived: Vec<_> = self.to_headend.drain(..).collect();
        if !arrived.is_empty() {
            self.give_headend(arrived);
        }
    }

    /// Time passes, in steps of so much.
    pub(crate) fn pass(&mut self, time: Duration, step: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += step;
            self.tick();
        }
    }

    pub(crate) fn tick(&mut self) {
        for at in 0..self.shards.len() {
            self.tick_shard(at);
        }
        self.act(Actor::Peer, tick);
    }

    pub(crate) fn tick_shard(&mut self, at: usize) {
        self.act(Actor::Shard(at), tick);
    }

    pub(crate) fn command(&mut self, shard: usize, command: Command) {
        self.act(Actor::Shard(shard), |shard, now, out| {
            assert!(shard.command(command, now, out), "it can be done");
        });
    }

    /// Traffic of several flows, one a shard, for so long: 64 packets each every ten milliseconds.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            for shard in 0..self.shards.len() {
                self.send(shard, shard as u8, 64);
                self.settle();
            }
            self.pass(Duration::from_millis(10), Duration::from_millis(10));
        }
    }

    pub(crate) fn count(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|e| wanted(&e.kind)).count()
    }

    /// Every packet of every flow has come out once, in the order of its flow.
    pub(crate) fn check_complete(&self) {
        let mut next: BTreeMap<u8, u32> = BTreeMap::new();
        for (flow, number) in self.at_peer.iter().chain(&self.at_headend).map(|p| read(p)) {
            let next = next.entry(flow).or_default();
            assert_eq!(number, *next, "flow {flow}");
            *next += 1;
        }
        assert_eq!(next, self.flows);
    }
}

/// The flow and the number of a packet.
pub(crate) fn read(packet: &[u8]) -> (u8, u32) {
    let text = &packet[28..];
    (text[0], u32::from_be_bytes(text[1..5].try_into().unwrap()))
}

fn tick(shard: &mut Shard, now: Instant, out: &mut Yield) {
    shard.serviced(ServiceHealth::good(now));
    shard.tick(now, out);
}

fn seal(shard: &mut Shard, packets: &[Vec<u8>], now: Instant, out: &mut Yield) {
    let mut buffers: Vec<Vec<u8>> = packets
        .iter()
        .map(|packet| [&[0; esp::HEADROOM][..], packet, &[0; esp::TAILROOM]].concat())
        .collect();
    let mut inner: Vec<_> = buffers
        .iter_mut()
        .zip(packets)
        .map(|(buffer, packet)| InnerPacket {
            buffer,
            start: esp::HEADROOM,
            len: packet.len(),
            ivrf: InnerVrf::GLOBAL,
        })
        .collect();
    shard.inner(&mut inner, now, out);
}

fn describe(datagram: &mut Datagram, from: Option<SocketAddr>) -> OuterPacket<'_> {
    OuterPacket {
        listener: datagram.listener,
        fvrf: FrontVrf::GLOBAL,
        local: datagram.to,
        remote: from.unwrap_or(datagram.from),
        tos: datagram.traffic_class,
        bytes: &mut datagram.bytes,
    }
}

pub(crate) fn elsewhere() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 99)), 40_500)
}
