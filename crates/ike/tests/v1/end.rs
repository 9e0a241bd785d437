//! One end of a story: an owner of IKE SAs that does what a shard does, and checks what a shard may
//! rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crypto::{Entropy, PrfAlgorithm, prf};
use ike::v1::IkeSa;
use ike::{
    Action, ChildFailure, ChildInstalled, CloseReason, Context, Established, FrontDoor, Host,
    InitVerdict, Initiation, Job, Lease, LeaseRequest, Path, Received, Refusal, Rejection,
    RemovalReason, Route, Settings, Trace, route,
};
use ipsec::{ConnectionPolicy, EspSpi, Identity, IkeSpi, PolicySnapshot};
use timer::Instant;

/// A random source that repeats with its seed.
pub(crate) struct Seeded {
    seed: u64,
    blocks: u64,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, blocks: 0 }
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let key = self.seed.to_be_bytes();
            let block = prf(
                PrfAlgorithm::HmacSha256,
                &key,
                &[&self.blocks.to_be_bytes()],
            );
            self.blocks += 1;
            chunk.copy_from_slice(&block.expose()[..chunk.len()]);
        }
    }
}

/// The shard's services: numbers that never repeat and are all accounted for.
#[derive(Default)]
pub(crate) struct Owner {
    next: u32,
    /// Tells the cookies of the ends apart: both stand in every header.
    pub(crate) tag: u64,
    pub(crate) spis: BTreeSet<u32>,
    pub(crate) ike_spis: BTreeSet<u64>,
    /// Who holds an address, and how often: a holder that joins its own lease holds it once more.
    pub(crate) leases: BTreeMap<IpAddr, (Identity, u32)>,
    pub(crate) free_addresses: Vec<IpAddr>,
    pub(crate) spi_limit: Option<usize>,
}

impl Host for Owner {
    fn allocate_inbound_spi(&mut self) -> Option<EspSpi> {
        if self.spi_limit.is_some_and(|limit| self.spis.len() >= limit) {
            return None;
        }
        self.next += 1;
        self.spis.insert(0x1000 + self.next);
        Some(EspSpi(0x1000 + self.next))
    }

    fn release_inbound_spi(&mut self, spi: EspSpi) {
        assert!(self.spis.remove(&spi.0), "{spi} is released once");
    }

    fn allocate_ike_spi(&mut self) -> Option<IkeSpi> {
        self.next += 1;
        let spi = (self.tag << 32) | u64::from(self.next);
        self.ike_spis.insert(spi);
        Some(IkeSpi(spi))
    }

    fn release_ike_spi(&mut self, spi: IkeSpi) {
        assert!(self.ike_spis.remove(&spi.0), "{spi} is released once");
    }

    fn lease(&mut self, request: &LeaseRequest<'_>) -> Option<Lease> {
        let fits = |address: &IpAddr| address.is_ipv4() == request.wanted.is_ipv4();
        let pool = request.pools.first()?.clone();
        let own = self
            .leases
            .iter()
            .find(|(address, (holder, _))| holder == request.identity && fits(address));
        let address = match own {
            Some((address, _)) if request.unique => *address,
            _ => {
                let index = self.free_addresses.iter().position(fits)?;
                self.free_addresses.remove(index)
            }
        };
        let fresh = || (request.identity.clone(), 0);
        self.leases.entry(address).or_insert_with(fresh).1 += 1;
        Some(Lease {
            pool,
            address,
            dns: vec!["10.9.9.9".parse().expect("an address")],
        })
    }

    fn release_lease(&mut self, identity: &Identity, lease: &Lease) {
        let (holder, count) = self.leases.get_mut(&lease.address).expect("it was leased");
        assert_eq!(holder, identity);
        *count -= 1;
        if *count == 0 {
            self.leases.remove(&lease.address);
            self.free_addresses.push(lease.address);
        }
    }

    fn encapsulating_socket(&self, _fvrf: ipsec::FrontVrf, local: IpAddr) -> Option<SocketAddr> {
        Some(SocketAddr::new(local, 4500))
    }
}

/// What happened at an end, in order, without what only the wire sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Established,
    InitialContact,
    Installed { child: u32, replaces: Option<u32> },
    Switched(u32),
    Removed(u32, RemovalReason),
    ChildFailed(ChildFailure),
    ReauthenticationDue,
    DeletedByPeer,
    Path(Path),
    Refused(Refusal),
    Closed(CloseReason),
}

/// A datagram on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) encapsulated: bool,
    pub(crate) message: Vec<u8>,
}

pub(crate) struct End {
    pub(crate) owner: Owner,
    pub(crate) door: FrontDoor,
    pub(crate) sas: BTreeMap<u64, Box<IkeSa>>,
    pub(crate) entropy: Seeded,
    pub(crate) policy: PolicySnapshot,
    pub(crate) settings: Settings,
    pub(crate) events: Vec<Event>,
    pub(crate) received: Vec<Received>,
    pub(crate) children: BTreeMap<u32, Box<ChildInstalled>>,
    /// The Child SA that outbound traffic of a child policy uses.
    pub(crate) active: BTreeMap<u16, u32>,
    pub(crate) established: Vec<Established>,
    pub(crate) outbox: Vec<Datagram>,
    /// IKE SAs without a Child SA whose quick mode went unanswered.
    pub(crate) unanswered: Vec<u64>,
    /// Computations that wait: run at once unless `hold_jobs`.
    pub(crate) jobs: Vec<(u64, Job)>,
    pub(crate) hold_jobs: bool,
    /// Somebody watches.
    pub(crate) tracing: bool,
    pub(crate) traces: Vec<Trace>,
}

impl End {
    pub(crate) fn new(seed: u64, policy: PolicySnapshot) -> Self {
        let mut entropy = Seeded::new(seed);
        Self {
            owner: Owner {
                tag: seed,
                ..Owner::default()
            },
            door: FrontDoor::new(Instant::ZERO, &mut entropy),
            sas: BTreeMap::new(),
            entropy,
            policy,
            settings: Settings::default(),
            events: vec![],
            received: vec![],
            children: BTreeMap::new(),
            active: BTreeMap::new(),
            established: vec![],
            outbox: vec![],
            unanswered: vec![],
            jobs: vec![],
            hold_jobs: false,
            tracing: false,
            traces: vec![],
        }
    }

    pub(crate) fn connection(&self) -> Arc<ConnectionPolicy> {
        Arc::clone(&self.policy.connections[0])
    }

    /// Calls an IKE SA and carries out what it asks.
    pub(crate) fn with<T>(
        &mut self,
        spi: u64,
        now: Instant,
        call: impl FnOnce(&mut IkeSa, &mut Context<'_>, &mut Vec<Action>) -> T,
    ) -> T {
        let mut sa = self.sas.remove(&spi).expect("an IKE SA with this SPI");
        let mut actions = vec![];
        let result = call(&mut sa, &mut self.context(now), &mut actions);
        self.sas.insert(spi, sa);
        self.carry_out(spi, actions);
        result
    }

    fn context(&mut self, now: Instant) -> Context<'_> {
        Context {
            now,
            entropy: &mut self.entropy,
            policy: &self.policy,
            settings: &self.settings,
            host: &mut self.owner,
            tracing: self.tracing,
        }
    }

    pub(crate) fn initiate(&mut self, path: Path, now: Instant) -> u64 {
        let initiation = Initiation {
            connection: self.connection(),
            path,
            child: (!self.connection().children.is_empty()).then_some(0),
            local_id: None,
            initial_contact: true,
        };
        let mut actions = vec![];
        let sa = IkeSa::initiate(initiation, &mut self.context(now), &mut actions)
            .expect("an SPI is free");
        let spi = sa.local_spi().0;
        self.sas.insert(spi, sa);
        self.carry_out(spi, actions);
        spi
    }

    pub(crate) fn receive(&mut self, datagram: &Datagram, now: Instant) {
        let path = Path {
            local: datagram.to,
            remote: datagram.from,
            encapsulated: datagram.encapsulated,
            fvrf: ipsec::FrontVrf::GLOBAL,
        };
        let spi = match route(&datagram.message) {
            Ok(Route::SaV1 {
                responder,
                initiator,
            }) => {
                if self.sas.contains_key(&responder.0) {
                    responder
                } else {
                    initiator
                }
            }
            Ok(Route::FrontDoorV1) => match self.knock(&datagram.message, path, now) {
                Some(spi) => spi,
                None => return,
            },
            Ok(Route::FrontDoor | Route::Sa(_)) => {
                let rejection = Rejection::UnsupportedVersion;
                return self.received.push(Received::Rejected(rejection));
            }
            Err(rejection) => return self.received.push(Received::Rejected(rejection)),
        };
        let received = if self.sas.contains_key(&spi.0) {
            self.with(spi.0, now, |sa, ctx, actions| {
                sa.on_message(&datagram.message, path, ctx, actions)
            })
        } else {
            Received::Rejected(Rejection::UnknownSpi)
        };
        self.received.push(received);
    }

    fn knock(&mut self, message: &[u8], path: Path, now: Instant) -> Option<IkeSpi> {
        let mut actions = vec![];
        let mut context = Context {
            now,
            entropy: &mut self.entropy,
            policy: &self.policy,
            settings: &self.settings,
            host: &mut self.owner,
            tracing: self.tracing,
        };
        let verdict = self
            .door
            .on_v1_request(message, path, &mut context, &mut actions);
        let mut owner = 0;
        let known = match verdict {
            InitVerdict::HalfOpen(sa) => {
                owner = sa.local_spi().0;
                self.sas.insert(owner, sa);
                None
            }
            InitVerdict::Known(spi) => Some(spi),
            InitVerdict::Rejected(rejection) => {
                self.received.push(Received::Rejected(rejection));
                None
            }
        };
        self.carry_out(owner, actions);
        known
    }

    pub(crate) fn compute(&mut self, now: Instant) -> bool {
        if self.hold_jobs || self.jobs.is_empty() {
            return false;
        }
        let (spi, job) = self.jobs.remove(0);
        self.finish(spi, job, now);
        true
    }

    pub(crate) fn finish(&mut self, spi: u64, job: Job, now: Instant) {
        if self.sas.contains_key(&spi) {
            let computed = job.run(crypto::UnixTime(0));
            self.with(spi, now, |sa, ctx, actions| {
                sa.on_computed(computed, ctx, actions);
            });
        }
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        let deadlines = self.sas.values().map(|sa| sa.next_deadline());
        deadlines.min().unwrap_or(Instant::MAX)
    }

    pub(crate) fn fire(&mut self, now: Instant) {
        let due: Vec<u64> = self
            .sas
            .iter()
            .filter(|(_, sa)| sa.next_deadline() <= now)
            .map(|(spi, _)| *spi)
            .collect();
        for spi in due {
            self.with(spi, now, IkeSa::on_timer);
        }
    }

    fn carry_out(&mut self, spi: u64, actions: Vec<Action>) {
        for action in actions {
            self.carry_out_one(spi, action);
        }
    }

    fn carry_out_one(&mut self, spi: u64, action: Action) {
        let event = match action {
            Action::Send { path, message } => {
                return self.outbox.push(Datagram {
                    from: path.local,
                    to: path.remote,
                    encapsulated: path.encapsulated,
                    message,
                });
            }
            Action::Compute(job) => return self.jobs.push((spi, job)),
            Action::AddressProved(key) => return self.door.address_proved(key),
            Action::HalfOpenEnded(key) => return self.door.half_open_ended(key),
            Action::Established(established) => {
                self.established.push(*established);
                Event::Established
            }
            Action::PeerInitialContact { .. } => Event::InitialContact,
            Action::ChildInstalled(child) => self.install(child),
            Action::OutboundSwitched { child } => {
                let policy = self.children[&child.0].policy;
                self.active.insert(policy, child.0);
                Event::Switched(child.0)
            }
            Action::ChildRemoved { child, reason } => {
                assert!(
                    self.children.remove(&child.0).is_some(),
                    "{child} was there"
                );
                assert!(self.owner.spis.remove(&child.0), "{child} was reserved");
                self.active.retain(|_, active| *active != child.0);
                Event::Removed(child.0, reason)
            }
            Action::ChildFailed { reason, .. } => Event::ChildFailed(reason),
            Action::Unanswered => return self.unanswered.push(spi),
            Action::Rekeyed { .. } | Action::Redundant { .. } => {
                panic!("an IKE SA of IKEv1 has no successor of its own")
            }
            Action::ReauthenticationDue => Event::ReauthenticationDue,
            Action::DeletedByPeer => Event::DeletedByPeer,
            Action::PathChanged { path } => Event::Path(path),
            Action::Refused(refusal) => Event::Refused(refusal),
            Action::Trace(trace) => return self.traces.push(*trace),
            Action::Closed { reason } => {
                let closed = self.sas.remove(&spi).expect("it was open");
                assert!(closed.children().is_empty(), "nothing is left behind");
                assert_eq!(closed.next_deadline(), Instant::MAX, "a closed SA rests");
                assert!(self.owner.ike_spis.remove(&spi), "its SPI was reserved");
                Event::Closed(reason)
            }
        };
        self.events.push(event);
    }

    fn install(&mut self, child: Box<ChildInstalled>) -> Event {
        let peer = child.peer().clone();
        assert!(
            self.established.iter().any(|e| e.peer == peer),
            "no Child SA before the hash is verified"
        );
        assert!(self.owner.spis.contains(&child.inbound.0), "a reserved SPI");
        let event = Event::Installed {
            child: child.inbound.0,
            replaces: child.replaces.map(|spi| spi.0),
        };
        if child.outbound_ready {
            self.active.insert(child.policy, child.inbound.0);
        }
        let before = self.children.insert(child.inbound.0, child);
        assert!(before.is_none(), "an SPI names one Child SA");
        event
    }

    /// An authenticated packet came in on this Child SA.
    pub(crate) fn receive_esp(&mut self, child: u32, now: Instant) {
        let owner = self.sas.iter().find_map(|(spi, sa)| {
            let mut children = sa.children().iter();
            children
                .any(|known| known.inbound.0 == child)
                .then_some(*spi)
        });
        let owner = owner.expect("an IKE SA has the Child SA");
        self.with(owner, now, |sa, _, actions| {
            sa.on_child_traffic(EspSpi(child), actions);
        });
    }

    /// The only IKE SA of this end.
    pub(crate) fn only(&self) -> u64 {
        assert_eq!(self.sas.len(), 1, "one IKE SA");
        *self.sas.keys().next().expect("one")
    }

    pub(crate) fn has(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    /// Everything reserved is in use and everything in use is reserved.
    pub(crate) fn assert_accounts_balance(&self) {
        let installed: BTreeSet<u32> = self.children.keys().copied().collect();
        assert_eq!(self.owner.spis, installed, "ESP SPIs");
        let open: BTreeSet<u64> = self.sas.keys().copied().collect();
        assert_eq!(self.owner.ike_spis, open, "IKE SPIs");
        let known: BTreeSet<u32> = self
            .sas
            .values()
            .flat_map(|sa| sa.children())
            .map(|child| child.inbound.0)
            .collect();
        assert_eq!(known, installed, "children of IKE SAs");
    }
}
