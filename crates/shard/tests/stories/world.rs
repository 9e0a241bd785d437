//! A headend shard and a client shard, a network between them that is a queue, and a clock that is
//! a number.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crypto::{EncryptionAlgorithm, Entropy, KeyExchangeMethod, PrfAlgorithm};
use dpd::{BreakerPolicy, DpdPolicy, ServiceHealth};
use esp::{HEADROOM, OuterFields, TAILROOM};
use ike::{Job, LeaseRequest, Path};
use ipsec::{
    AddressPool, AuthPolicy, ChildPolicy, ConnectionPolicy, DfPolicy, Encapsulation, EspPath,
    EspProposal, EspSpi, FrontVrf, Identity, IkeProposal, IkeSpi, InnerVrf, IntegrityAlgorithm,
    PeerEndpoint, PolicySnapshot, Pool, PoolName, PreSharedKey, RekeyPolicy, SecretEntry, Secrets,
    StartAction, TrafficSelector, V1Policy, Versions,
};
use shard::{
    Command, Counters, Directory, Disposition, Event, EventKind, FrontSocket, InnerPacket,
    Listener, Mail, OuterPacket, Output, Parcel, Policy, Question, RouteChange, Settings, Setup,
    Shard, ShardId, Ticket, TraceRecord,
};
use timer::Instant;
use wire::ip::build_udp;

pub(crate) const HEADEND: &str = "192.0.2.1";
pub(crate) const CLIENT: &str = "198.51.100.7";
const TICK: Duration = Duration::from_millis(10);

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Headend,
    Client,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Headend => Self::Client,
            Self::Client => Self::Headend,
        }
    }

    fn address(self, terms: &Terms) -> IpAddr {
        terms.addresses[self as usize].parse().unwrap()
    }
}

/// A small deterministic generator; tests need variety, not secrecy.
struct Numbers(u64);

impl Entropy for Numbers {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *octet = self.0.to_be_bytes()[3];
        }
    }
}

#[derive(Default)]
struct Shared {
    pools: HashMap<PoolName, Pool>,
    identities: HashMap<(FrontVrf, Identity), Ticket>,
    routes: Vec<(InnerVrf, TrafficSelector)>,
}

struct LocalDirectory(Mutex<Shared>);

impl Directory for LocalDirectory {
    fn lease(&self, request: &LeaseRequest<'_>) -> Option<(PoolName, IpAddr)> {
        let mut shared = self.0.lock().unwrap();
        for name in request.pools {
            let Some(pool) = shared.pools.get_mut(name) else {
                continue;
            };
            let rejoined = if request.unique || pool.holds(request.identity, request.wanted) {
                pool.rejoin(request.identity)
            } else {
                None
            };
            if let Some(address) = rejoined.or_else(|| pool.allocate(request.identity, None))
                && address.is_ipv4() == request.wanted.is_ipv4()
            {
                return Some((name.clone(), address));
            }
        }
        None
    }

    fn release(&self, pool: &PoolName, _identity: &Identity, address: IpAddr) {
        self.0
            .lock()
            .unwrap()
            .pools
            .get_mut(pool)
            .unwrap()
            .release(address);
    }

    fn claim_identity(&self, fvrf: FrontVrf, identity: &Identity, owner: Ticket) -> Option<Ticket> {
        self.0
            .lock()
            .unwrap()
            .identities
            .insert((fvrf, identity.clone()), owner)
    }

    fn release_identity(&self, fvrf: FrontVrf, identity: &Identity, owner: Ticket) {
        let mut shared = self.0.lock().unwrap();
        if shared.identities.get(&(fvrf, identity.clone())) == Some(&owner) {
            shared.identities.remove(&(fvrf, identity.clone()));
        }
    }

    fn owner_of_identity(&self, fvrf: FrontVrf, identity: &Identity) -> Option<Ticket> {
        let shared = self.0.lock().unwrap();
        shared.identities.get(&(fvrf, identity.clone())).copied()
    }

    fn announce(&self, ivrf: InnerVrf, selector: &TrafficSelector, _shard: ShardId) {
        self.0.lock().unwrap().routes.push((ivrf, *selector));
    }

    fn withdraw(&self, ivrf: InnerVrf, selector: &TrafficSelector, _shard: ShardId) {
        let mut shared = self.0.lock().unwrap();
        if let Some(place) = shared
            .routes
            .iter()
            .position(|known| *known == (ivrf, *selector))
        {
            shared.routes.swap_remove(place);
        }
    }

    fn spread(&self, _: InnerVrf, _: &TrafficSelector, _: ShardId, _: bool) {}

    fn owner_of_address(&self, _ivrf: InnerVrf, _address: IpAddr) -> Option<ShardId> {
        None
    }
}

/// A datagram under way.
#[derive(Clone)]
pub(crate) struct Datagram {
    listener: Listener,
    local: SocketAddr,
    /// Where it seems to come from.
    pub(crate) remote: SocketAddr,
    /// The TOS of its outer header.
    pub(crate) tos: u8,
    /// What it carries.
    pub(crate) octets: Vec<u8>,
    /// In whose sockets it is.
    pub(crate) fvrf: FrontVrf,
}

impl Datagram {
    /// As the other end sees it.
    pub(crate) fn arrived(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
            ..self
        }
    }

    /// Where it goes.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn packet(&mut self) -> OuterPacket<'_> {
        OuterPacket {
            listener: self.listener,
            fvrf: self.fvrf,
            local: self.local,
            remote: self.remote,
            tos: self.tos,
            bytes: &mut self.octets,
        }
    }

    pub(crate) fn is_esp(&self) -> bool {
        match self.listener {
            Listener::RawEsp => true,
            Listener::Nat => !self.octets.starts_with(&[0; 4]),
            Listener::Ike => false,
        }
    }
}

/// What a shard wanted done.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) sent: Vec<Datagram>,
    jobs: Vec<(Ticket, Job)>,
    inner: Vec<Vec<u8>>,
    inner_vrfs: Vec<InnerVrf>,
    events: Vec<Event>,
    traces: Vec<TraceRecord>,
    routes: Vec<(InnerVrf, RouteChange)>,
    pub(crate) questions: Vec<(Question, Arc<str>)>,
    refuse: bool,
    /// No room for computations.
    busy: bool,
    /// Refusals are told after the fact, as by a queue that is flushed later.
    refuse_late: bool,
    /// The senders of what was refused late.
    refused: Vec<IkeSpi>,
}

impl Effects {
    fn send(
        &mut self,
        listener: Listener,
        (fvrf, local, remote): (FrontVrf, SocketAddr, SocketAddr),
        tos: u8,
        octets: Vec<u8>,
    ) -> Disposition {
        if self.refuse && self.refuse_late {
            return Disposition::Taken;
        }
        if self.refuse {
            return Disposition::Refused;
        }
        self.sent.push(Datagram {
            listener,
            local,
            remote,
            tos,
            octets,
            fvrf,
        });
        Disposition::Taken
    }
}

impl Output for Effects {
    fn send_ike(&mut self, sender: IkeSpi, path: &Path, message: &[u8]) -> Disposition {
        if self.refuse && self.refuse_late {
            self.refused.push(sender);
        }
        let (listener, mut octets) = if path.encapsulated {
            (Listener::Nat, vec![0; 4])
        } else {
            (Listener::Ike, vec![])
        };
        octets.extend_from_slice(message);
        self.send(listener, (path.fvrf, path.local, path.remote), 0, octets)
    }

    fn send_esp(&mut self, path: &EspPath, outer: OuterFields, packet: &[u8]) -> Disposition {
        let listener = match path.encapsulation {
            Encapsulation::Udp => Listener::Nat,
            Encapsulation::Raw => Listener::RawEsp,
        };
        self.send(
            listener,
            (path.fvrf, path.local, path.remote),
            outer.traffic_class,
            packet.to_vec(),
        )
    }

    fn send_keepalive(&mut self, path: &Path) -> Disposition {
        self.send(
            Listener::Nat,
            (path.fvrf, path.local, path.remote),
            0,
            vec![0xff],
        )
    }

    fn resolve(&mut self, question: Question, name: &Arc<str>) {
        self.questions.push((question, Arc::clone(name)));
    }

    fn deliver_inner(&mut self, ivrf: InnerVrf, packet: &[u8]) {
        self.inner.push(packet.to_vec());
        self.inner_vrfs.push(ivrf);
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.jobs.push((ticket, job));
    }

    fn has_room_to_compute(&self) -> bool {
        !self.busy
    }

    fn hand_over_outer(&mut self, to: ShardId, _packet: &OuterPacket<'_>) {
        panic!("{to:?} does not exist");
    }

    fn hand_over_inner(&mut self, to: ShardId, _ivrf: InnerVrf, _packet: &[u8]) {
        panic!("{to:?} does not exist");
    }

    fn shares_inside(&self) -> bool {
        false
    }

    /// Nobody has time.
    fn spare_shard(&mut self) -> Option<ShardId> {
        None
    }

    fn hand_over_parcel(&mut self, _: ShardId, parcel: Parcel) -> Result<(), Parcel> {
        Err(parcel)
    }

    fn flush_inner(&mut self) {}

    fn mail(&mut self, _to: ShardId, _mail: Mail) {}

    fn route(&mut self, ivrf: InnerVrf, change: RouteChange) {
        self.routes.push((ivrf, change));
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn trace(&mut self, record: TraceRecord) {
        self.traces.push(record);
    }
}

/// One end: its shard, and what came out of it.
pub(crate) struct Side {
    pub(crate) shard: Shard,
    pub(crate) events: Vec<Event>,
    pub(crate) traces: Vec<TraceRecord>,
    pub(crate) inner: Vec<Vec<u8>>,
    /// Where the packets inside came out.
    pub(crate) inner_vrfs: Vec<InnerVrf>,
    /// What was asked of the routing table.
    pub(crate) routes: Vec<(InnerVrf, RouteChange)>,
    directory: Arc<LocalDirectory>,
}

/// Both ends, the network and the time.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) headend: Side,
    pub(crate) client: Side,
    /// Datagrams to an end that does not live are lost.
    pub(crate) dead: Option<End>,
    /// The sockets of this end refuse everything.
    pub(crate) refusing: Option<End>,
    /// They say so only when their queues are flushed.
    pub(crate) refusing_late: bool,
    /// At whose end no more computations are taken.
    pub(crate) busy: Option<End>,
    /// IKE messages and ESP packets that an end sent.
    pub(crate) ike_sent: [u64; 2],
    pub(crate) esp_sent: [u64; 2],
    /// The client's address as the headend sees it, when a NAT stands between.
    pub(crate) nat: Option<SocketAddr>,
    /// IKE messages to this end are lost, and nothing else.
    pub(crate) deaf: Option<End>,
    /// After so many IKE messages more, one is lost.
    pub(crate) lose: Option<u32>,
    /// Every datagram that an end sent, as the other sees it, if somebody listens on the wire.
    pub(crate) tape: Option<Vec<(End, Datagram)>>,
}

/// How the two are configured.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) headend_dpd: DpdPolicy,
    pub(crate) client_dpd: DpdPolicy,
    pub(crate) virtual_address: bool,
    pub(crate) encap: bool,
    pub(crate) child_rekey: RekeyPolicy,
    pub(crate) start: StartAction,
    /// Where the client finds the headend, in order of preference.
    pub(crate) headends: Vec<&'static str>,
    pub(crate) unique: bool,
    pub(crate) versions: Versions,
    /// What the headend and the client do in IKEv1.
    pub(crate) v1: [V1Policy; 2],
    pub(crate) ike_rekey: [RekeyPolicy; 2],
    /// Of the headend and of the client.
    pub(crate) addresses: [&'static str; 2],
    /// The ends call themselves by their addresses.
    pub(crate) address_ids: bool,
    /// How many front-door VRFs there are beside the global one.
    pub(crate) vrfs: u16,
    /// The headend wants a cookie of everybody.
    pub(crate) cookies: bool,
}

pub(crate) const NO_REKEY: RekeyPolicy = RekeyPolicy {
    time: None,
    bytes: None,
    packets: None,
    hard_time: None,
    jitter_percent: 0,
};

impl Default for Terms {
    fn default() -> Self {
        let off = DpdPolicy {
            mode: dpd::Mode::RespondOnly,
            ..DpdPolicy::default()
        };
        Self {
            headend_dpd: DpdPolicy {
                mode: dpd::Mode::Periodic,
                ..DpdPolicy::default()
            },
            client_dpd: off,
            virtual_address: true,
            encap: false,
            child_rekey: NO_REKEY,
            start: StartAction::None,
            headends: vec![HEADEND],
            unique: true,
            versions: Versions::default(),
            v1: [V1Policy::default(), V1Policy::default()],
            ike_rekey: [NO_REKEY; 2],
            addresses: [HEADEND, CLIENT],
            address_ids: false,
            vrfs: 0,
            cookies: false,
        }
    }
}

fn selector(text: &str) -> TrafficSelector {
    text.parse().unwrap()
}

pub(crate) fn connection(end: End, terms: &Terms) -> ConnectionPolicy {
    let child = ChildPolicy {
        name: "net".into(),
        local_ts: match end {
            End::Headend => vec![selector("10.1.0.0/16")],
            End::Client if terms.virtual_address => vec![],
            End::Client => vec![selector("10.2.0.0/16")],
        },
        remote_ts: match end {
            End::Headend if terms.virtual_address => vec![],
            End::Headend => vec![selector("10.2.0.0/16")],
            End::Client => vec![selector("10.1.0.0/16")],
        },
        proposals: vec![EspProposal {
            encryption: vec![EncryptionAlgorithm::Aes128Gcm16],
            integrity: vec![],
            key_exchange: vec![],
            esn: vec![false],
        }],
        rekey: terms.child_rekey,
        replay_window: 64,
        peer_replay_window: 0,
        df: DfPolicy::Copy,
        copy_dscp: true,
        mss_clamp: None,
        start: if end == End::Client {
            terms.start
        } else {
            StartAction::None
        },
    };
    ConnectionPolicy {
        name: "story".into(),
        versions: terms.versions,
        v1: terms.v1[end as usize].clone(),
        dpd: 0,
        fvrf: ipsec::FrontVrf::GLOBAL,
        ivrf: ipsec::InnerVrf::GLOBAL,
        local_addrs: vec![],
        default_peer: None,
        remote_addrs: match end {
            End::Client => {
                let addresses = terms.headends.iter().map(|ip| ip.parse().unwrap());
                let endpoint = |ip| PeerEndpoint::Address(SocketAddr::new(ip, 500));
                addresses.map(endpoint).collect()
            }
            End::Headend => vec![],
        },
        remote_sources: vec![],
        local_id: match end {
            _ if terms.address_ids => None,
            End::Headend => Some(Identity::Fqdn("gw.example.org".into())),
            End::Client => Some(Identity::Email("joe@example.org".into())),
        },
        remote_id: ipsec::IdentityPattern::Any,
        local_auth: AuthPolicy::Psk,
        remote_auth: AuthPolicy::Psk,
        proposals: proposals(terms.versions),
        children: vec![child],
        pools: if end == End::Headend && terms.virtual_address {
            vec!["pool".into()]
        } else {
            vec![]
        },
        request_virtual: (end == End::Client && terms.virtual_address, false),
        rekey: terms.ike_rekey[end as usize],
        reauth_time: None,
        fragmentation: true,
        fragment_size: 1280,
        send_initial_contact: true,
        unique: terms.unique,
        force_encap: terms.encap,
    }
}

/// The same address in each front-door VRF.
fn sockets(end: End, terms: &Terms, port: u16) -> Vec<FrontSocket> {
    let address = SocketAddr::new(end.address(terms), port);
    let vrfs = (0..=terms.vrfs).map(FrontVrf);
    vrfs.map(|fvrf| FrontSocket { fvrf, address }).collect()
}

/// IKEv1 has neither AEAD ciphers nor X25519 in phase 1.
fn proposals(versions: Versions) -> Vec<IkeProposal> {
    let modern = IkeProposal {
        encryption: vec![EncryptionAlgorithm::Aes128Gcm16],
        integrity: vec![],
        prf: vec![PrfAlgorithm::HmacSha256],
        key_exchange: vec![KeyExchangeMethod::X25519],
    };
    let old = IkeProposal {
        encryption: vec![EncryptionAlgorithm::Aes128Cbc],
        integrity: vec![IntegrityAlgorithm::HmacSha256_128],
        prf: vec![PrfAlgorithm::HmacSha256],
        key_exchange: vec![KeyExchangeMethod::EcpP256],
    };
    match (versions.v1, versions.v2) {
        (true, true) => vec![modern, old],
        (true, false) => vec![old],
        (false, _) => vec![modern],
    }
}

pub(crate) fn side(end: End, terms: &Terms, seed: u64) -> Side {
    side_with(end, terms, vec![connection(end, terms)], seed)
}

/// A side with connections of its own making.
pub(crate) fn side_with(
    end: End,
    terms: &Terms,
    connections: Vec<ConnectionPolicy>,
    seed: u64,
) -> Side {
    let pool = AddressPool {
        name: "pool".into(),
        first: "10.9.0.1".parse().unwrap(),
        last: "10.9.0.254".parse().unwrap(),
        dns: vec![],
        ivrf: ipsec::InnerVrf::GLOBAL,
    };
    let mut shared = Shared::default();
    let mut pools = vec![];
    if end == End::Headend {
        shared.pools.insert("pool".into(), Pool::new(&pool, 1));
        pools.push(pool);
    }
    let directory = Arc::new(LocalDirectory(Mutex::new(shared)));
    let snapshot = PolicySnapshot {
        connections: connections.into_iter().map(Arc::new).collect(),
        secrets: Secrets::from(vec![SecretEntry {
            fvrf: None,
            owners: vec![],
            key: PreSharedKey::new(b"a secret for two".to_vec()),
        }]),
        pools,
        users: [("joe".into(), PreSharedKey::new(b"hunter2".to_vec()))]
            .into_iter()
            .collect(),
    };
    let dpd = if end == End::Headend {
        &terms.headend_dpd
    } else {
        &terms.client_dpd
    };
    let mut ike = ike::Settings::default();
    if terms.cookies && end == End::Headend {
        ike.cookie_threshold = 0;
    }
    let settings = Settings {
        ike,
        ike_sockets: sockets(end, terms, 500),
        nat_sockets: sockets(end, terms, 4500),
        breaker: BreakerPolicy {
            enabled: false,
            ..BreakerPolicy::default()
        },
        ..Settings::default()
    };
    let shard = Shard::new(Setup {
        id: ShardId(0),
        shards: 1,
        settings,
        policy: Policy {
            snapshot: Arc::new(snapshot),
            dpd: vec![dpd.clone()].into(),
            dpd_exceptions: Arc::default(),
        },
        directory: directory.clone(),
        entropy: Box::new(Numbers(seed)),
        spi_entropy: Box::new(Numbers(seed ^ 0xffff)),
        now: Instant::ZERO,
    });
    Side {
        shard,
        events: vec![],
        traces: vec![],
        inner: vec![],
        inner_vrfs: vec![],
        routes: vec![],
        directory,
    }
}

impl World {
    pub(crate) fn new(terms: &Terms) -> Self {
        Self {
            now: Instant::ZERO,
            headend: side(End::Headend, terms, 0x1234_5678_9abc_def1),
            client: side(End::Client, terms, 0x0fed_cba9_8765_4321),
            dead: None,
            refusing: None,
            refusing_late: false,
            busy: None,
            ike_sent: [0; 2],
            esp_sent: [0; 2],
            nat: None,
            deaf: None,
            lose: None,
            tape: None,
        }
    }

    /// A world in which the client has set up its Child SA.
    pub(crate) fn connected(terms: &Terms) -> Self {
        let mut world = Self::new(terms);
        world.command(
            End::Client,
            Command::Initiate {
                connection: 0,
                child: 0,
            },
        );
        if terms.versions.v1 {
            // Quick mode begins with the next timer.
            world.pass(TICK * 5);
        }
        assert!(
            world
                .headend
                .has(|kind| matches!(kind, EventKind::ChildInstalled { .. }))
        );
        assert!(
            world
                .client
                .has(|kind| matches!(kind, EventKind::ChildInstalled { .. }))
        );
        world
    }

    pub(crate) fn side(&mut self, end: End) -> &mut Side {
        match end {
            End::Headend => &mut self.headend,
            End::Client => &mut self.client,
        }
    }

    pub(crate) fn command(&mut self, end: End, command: Command) -> bool {
        let mut done = false;
        self.act(end, |shard, now, out| {
            done = shard.command(command, now, out)
        });
        done
    }

    pub(crate) fn start(&mut self, end: End) {
        self.act(end, |shard, now, out| shard.start(now, out));
    }

    /// Lets one end act, then carries everything that follows to its end.
    pub(crate) fn act(&mut self, end: End, act: impl FnOnce(&mut Shard, Instant, &mut Effects)) {
        let mut flying = VecDeque::new();
        self.step(end, &mut flying, act);
        while let Some((to, mut datagram)) = flying.pop_front() {
            if self.dead != Some(to) {
                self.step(to, &mut flying, |shard, now, out| {
                    shard.outer(&mut [datagram.packet()], now, out);
                });
            }
        }
    }

    fn step(
        &mut self,
        end: End,
        flying: &mut VecDeque<(End, Datagram)>,
        act: impl FnOnce(&mut Shard, Instant, &mut Effects),
    ) {
        let now = self.now;
        let effects = Effects {
            refuse: self.refusing == Some(end),
            refuse_late: self.refusing_late,
            busy: self.busy == Some(end),
            ..Effects::default()
        };
        let effects = self.side(end).step(now, effects, act);
        for sender in &effects.refused {
            self.side(end).shard.refused(*sender);
        }
        for datagram in effects.sent {
            let esp = datagram.is_esp();
            let sent = if esp {
                &mut self.esp_sent
            } else {
                &mut self.ike_sent
            };
            sent[end as usize] += 1;
            let seen = self.translate(end, datagram);
            if let Some(tape) = &mut self.tape {
                tape.push((end, seen.clone()));
            }
            if !esp && (self.deaf == Some(end.other()) || self.loses_this()) {
                continue;
            }
            flying.push_back((end.other(), seen));
        }
    }

    fn loses_this(&mut self) -> bool {
        let left = self.lose.take();
        self.lose = left.and_then(|left| left.checked_sub(1));
        left == Some(0)
    }

    /// What the other end sees: addresses swapped, through the NAT if there is one.
    fn translate(&self, from: End, sent: Datagram) -> Datagram {
        let mut seen = Datagram {
            local: sent.remote,
            remote: sent.local,
            ..sent
        };
        if let Some(mapping) = self.nat {
            match from {
                End::Client => seen.remote = SocketAddr::new(mapping.ip(), mapping.port()),
                End::Headend => seen.local = SocketAddr::new(CLIENT.parse().unwrap(), 4500),
            }
        }
        seen
    }

    /// Gives packets to the inner side of one end in one batch, and holds back what it sends.
    pub(crate) fn hold(&mut self, from: End, packets: &[Vec<u8>]) -> Vec<Datagram> {
        let mut buffers: Vec<Vec<u8>> = packets
            .iter()
            .map(|packet| [&[0; HEADROOM], &packet[..], &[0; TAILROOM]].concat())
            .collect();
        let mut inner: Vec<_> = buffers
            .iter_mut()
            .map(|buffer| InnerPacket {
                start: HEADROOM,
                len: buffer.len() - HEADROOM - TAILROOM,
                ivrf: InnerVrf::GLOBAL,
                buffer,
            })
            .collect();
        let mut flying = VecDeque::new();
        self.step(from, &mut flying, |shard, now, out| {
            shard.inner(&mut inner, now, out);
        });
        flying.into_iter().map(|(_, datagram)| datagram).collect()
    }

    /// Delivers datagrams that were held back, in one batch; what comes out inside.
    pub(crate) fn deliver(&mut self, to: End, held: &[Datagram]) -> Vec<Vec<u8>> {
        let mut held = held.to_vec();
        self.side(to).inner.clear();
        self.act(to, |shard, now, out| {
            let mut packets: Vec<_> = held.iter_mut().map(Datagram::packet).collect();
            shard.outer(&mut packets, now, out);
        });
        std::mem::take(&mut self.side(to).inner)
    }

    /// Sends a UDP packet from the inner side of one end; whether it comes out at the other.
    pub(crate) fn ping(&mut self, from: End, source: &str, destination: &str) -> bool {
        let (mut packet, body) = (Vec::new(), b"are you there?");
        let built = build_udp(
            SocketAddr::new(source.parse().unwrap(), 4_000),
            SocketAddr::new(destination.parse().unwrap(), 7),
            body,
            &mut packet,
        );
        assert!(built);
        let len = packet.len();
        let mut buffer = vec![0; HEADROOM];
        buffer.extend_from_slice(&packet);
        buffer.resize(buffer.len() + TAILROOM, 0);
        self.side(from.other()).inner.clear();
        self.act(from, |shard, now, out| {
            let packet = InnerPacket {
                buffer: &mut buffer,
                start: HEADROOM,
                len,
                ivrf: InnerVrf::GLOBAL,
            };
            shard.inner(&mut [packet], now, out);
        });
        self.side(from.other()).inner == [packet]
    }

    /// Lets time pass, tick by tick.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            for who in [End::Headend, End::Client] {
                if self.dead != Some(who) {
                    self.act(who, |shard, now, out| {
                        shard.serviced(ServiceHealth::good(now));
                        shard.tick(now, out);
                    });
                }
            }
        }
    }

    /// Passes time until something happened to the headend's peer, and says how long that took.
    pub(crate) fn pass_until(
        &mut self,
        most: Duration,
        happened: fn(&EventKind) -> bool,
    ) -> Option<Duration> {
        let start = self.now;
        while !self.headend.has(happened) {
            if self.now - start > most {
                return None;
            }
            self.pass(TICK);
        }
        Some(self.now - start)
    }

    /// Hands octets from nowhere to the headend.
    pub(crate) fn inject(&mut self, listener: Listener, octets: &[u8]) {
        let mut datagram = Datagram {
            listener,
            local: SocketAddr::new(HEADEND.parse().unwrap(), 4500),
            remote: "203.0.113.66:4500".parse().unwrap(),
            tos: 0,
            octets: octets.to_vec(),
            fvrf: FrontVrf::GLOBAL,
        };
        self.act(End::Headend, |shard, now, out| {
            shard.outer(&mut [datagram.packet()], now, out);
        });
    }
}

impl Side {
    /// Lets the shard act and does its slow work; what it wants sent or resolved is returned.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        mut effects: Effects,
        act: impl FnOnce(&mut Shard, Instant, &mut Effects),
    ) -> Effects {
        act(&mut self.shard, now, &mut effects);
        while let Some((ticket, job)) = effects.jobs.pop() {
            self.shard
                .computed(ticket, job.run(crypto::UnixTime(0)), now, &mut effects);
        }
        self.events.append(&mut effects.events);
        self.traces.append(&mut effects.traces);
        self.inner.append(&mut effects.inner);
        self.inner_vrfs.append(&mut effects.inner_vrfs);
        self.routes.append(&mut effects.routes);
        effects
    }

    pub(crate) fn has(&self, happened: impl Fn(&EventKind) -> bool) -> bool {
        self.events.iter().any(|event| happened(&event.kind))
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.events
            .iter()
            .filter(|event| event.kind.name() == name)
            .count()
    }

    pub(crate) fn youngest_child(&self) -> EspSpi {
        let installed = |event: &Event| match event.kind {
            EventKind::ChildInstalled { inbound, .. } => Some(inbound),
            _ => None,
        };
        self.events.iter().rev().find_map(installed).unwrap()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.shard.counters()
    }

    /// Addresses of the pool in use, and selectors announced.
    pub(crate) fn shared(&self) -> (u32, usize) {
        let shared = self.directory.0.lock().unwrap();
        (
            shared.pools.values().map(Pool::in_use).sum(),
            shared.routes.len(),
        )
    }
}
