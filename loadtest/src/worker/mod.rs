//! One thread with a share of the peers: its sockets, its wheel, its SAs.

mod behaviour;
mod data;
mod exchange;
mod flood;
mod host;
mod life;
mod network;
mod pace;
mod peer;
mod renewal;
mod rut;
mod send;
mod sockets;
mod tunnel;
mod unrest;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context, Result};
use esp::{InboundReport, OutboundReport};
use ipsec::{EspSpiLayout, Sad, Slab};
use netio::{Batch, Engine, EngineKind, EngineSettings};
use timer::{Instant, Wheel};

use crate::arrivals::{Arrivals, seconds};
use crate::clock::Clock;
use crate::plan::{Plan, purpose};
use crate::progress::News;
use crate::random::{Lots, Unpredictable};
use crate::scenario::Leave;
use crate::stats::{Board, Stats};

use self::data::Outgoing;
use self::peer::Peer;
use self::sockets::Sockets;
use self::unrest::Unrest;

/// Longest sleep, so that a worker notices the end of the run and the common moments in time.
const NAP_MAX: Duration = Duration::from_millis(50);
/// Sleep while a flood lasts.
const FLOOD_NAP: Duration = Duration::from_micros(500);
/// Peers that start before received packets are looked at again.
const STARTS_PER_TURN: usize = 32;
/// Datagrams of the largest size that IKE and the test packets need.
const PAYLOAD_MAX: usize = 9_216;

/// What all workers of a run share.
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) clock: Clock,
    /// Peers that are neither up nor have failed.
    pub(crate) unsettled: AtomicU32,
    /// Nanoseconds of the run at which every peer was settled; 0 before.
    pub(crate) settled_ns: AtomicU64,
    /// End the run before its time.
    pub(crate) stop: AtomicBool,
}

impl Shared {
    /// One more peer is up or has failed.
    fn settle(&self, now: Instant) {
        if self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            let at = now.as_nanos().max(1);
            self.settled_ns.store(at, Ordering::Release);
        }
    }

    pub(crate) fn settled_at(&self) -> Option<Instant> {
        match self.settled_ns.load(Ordering::Acquire) {
            0 => None,
            nanos => Some(Instant::from_nanos(nanos)),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.stop.load(Ordering::Acquire) || now >= seconds(self.plan.scenario.duration_s)
    }
}

/// The database of SAs of a worker. Its SPIs say which worker it is: peers of two workers may share
/// an address, and a responder tells SAs apart by address and SPI alone.
fn database(number: u16, threads: u16, peers: u32) -> Result<Sad> {
    let shard = u8::try_from(number).context("more threads than SPIs can tell apart")?;
    // While it is rekeyed a peer has two Child SAs, in a collision even three.
    let capacity = peers.saturating_mul(3);
    Ok(Sad::new(shard, EspSpiLayout::for_shards(threads), capacity))
}

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    /// An IKE SA of the peer has something to do.
    Exchange(u32),
    /// The peer sends a test packet.
    Packet(u32),
    /// The peer dies.
    Death(u32),
    /// A message that was held back reaches the peer.
    Held(u32),
    /// The peer asks whether the responder lives.
    Probe(u32),
    /// A NAT maps the peer to another port.
    Move(u32),
    /// The peer comes back after its death.
    Return(u32),
    /// The NAT before the peer needs to hear from it.
    Keepalive(u32),
    /// What the peer's newest IKE SA took over from may go.
    Retire(u32),
}

/// A worker. `number` of `count`: it drives the peers whose number leaves that remainder.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    board: Arc<Board>,
    news: Sender<News>,
    number: u16,
    count: u16,
    engine: Engine,
    sockets: Sockets,
    wheel: Wheel<Token>,
    arrivals: Arrivals,
    peers: Vec<Peer>,
    sad: Sad,
    entropy: Unpredictable,
    spi_entropy: Unpredictable,
    losses: Lots,
    inbound: InboundReport,
    outbound: OutboundReport,
    outgoing: Vec<Outgoing>,
    held: Slab<network::Held>,
    /// The last message but the answers to probes, of peers that answer with old ones.
    spoken: HashMap<u32, Vec<u8>>,
    /// What peers go through that may cost packets.
    unrest: HashMap<u32, Unrest>,
    /// When peers began the rekeys that are under way.
    rekeying: HashMap<u32, Instant>,
    /// A timer of an IKE SA has fired, and what it asks for is being done.
    by_timer: bool,
    /// The message that is being taken is a liveness check.
    answering_probe: bool,
    deaths_planned: bool,
    /// Peers whose time has come to return, and when it came.
    returning: VecDeque<(u32, Instant)>,
    /// Nothing passes between the peers and the responder.
    outage: bool,
    flooding: flood::Flooding,
    pace: pace::Pace,
    stats: Stats,
}

impl Worker {
    /// Opens the sockets. To be called on the thread on which it will run.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn new(
        shared: Arc<Shared>,
        board: Arc<Board>,
        news: Sender<News>,
        number: u16,
    ) -> Result<Self> {
        let plan = &shared.plan;
        let scenario = &plan.scenario;
        let settings = EngineSettings {
            kind: EngineKind::Auto,
            payload_max: PAYLOAD_MAX,
            ..EngineSettings::default()
        };
        let mut engine = Engine::new(&settings).context("cannot make a packet engine")?;
        let sockets = Sockets::open(&mut engine, scenario, number)?;
        let arrivals = Arrivals::new(
            &scenario.arrival,
            scenario.peers.count,
            plan.lots(purpose::ARRIVALS),
        );
        let share = scenario.peers.count.div_ceil(u32::from(scenario.threads));
        Ok(Self {
            number,
            count: scenario.threads,
            engine,
            sockets,
            wheel: Wheel::new(Instant::ZERO),
            arrivals,
            peers: Vec::with_capacity(share as usize),
            sad: database(number, scenario.threads, share)?,
            entropy: Unpredictable::from_system()?,
            spi_entropy: Unpredictable::from_system()?,
            losses: plan.lots(purpose::LOSSES + (u64::from(number) << 8)),
            inbound: InboundReport::default(),
            outbound: OutboundReport::default(),
            outgoing: Vec::new(),
            held: Slab::new(network::UNDER_WAY_MAX),
            spoken: HashMap::new(),
            unrest: HashMap::new(),
            rekeying: HashMap::new(),
            by_timer: false,
            answering_probe: false,
            deaths_planned: false,
            returning: VecDeque::new(),
            outage: false,
            flooding: flood::Flooding::default(),
            pace: pace::Pace::default(),
            stats: Stats::new(),
            shared,
            board,
            news,
        })
    }

    /// Runs to the end of the scenario.
    ///
    /// # Errors
    /// When the packet engine breaks.
    pub(crate) fn run(mut self) -> Result<Stats> {
        let mut batch = Batch::with_capacity(64);
        loop {
            let now = self.shared.clock.now();
            if self.shared.is_over(now) {
                break;
            }
            self.outage = self
                .shared
                .plan
                .scenario
                .is_cut_off_at(now.as_nanos() as f64 / 1e9);
            let flooding = self.pour(now);
            self.plan_deaths(now);
            self.start_due_peers(now)?;
            self.fire_timers(now);
            self.bring_back(now);
            self.seal_outgoing(now);
            self.engine.flush();
            self.board.publish(&self.stats.counts);
            let nap = if flooding { FLOOD_NAP } else { self.nap() };
            self.engine
                .wait(Some(nap))
                .context("the packet engine broke")?;
            while self.engine.receive(&mut batch) > 0 {
                let now = self.shared.clock.now();
                self.take_in(&mut batch, now);
                self.engine.recycle(&mut batch);
                self.fire_timers(now);
                self.seal_outgoing(now);
            }
        }
        self.leave();
        self.stats.flood_sent = self.flooding.sent;
        self.collect_drops();
        self.board.publish(&self.stats.counts);
        Ok(self.stats)
    }

    /// How long nothing is due.
    fn nap(&self) -> Duration {
        if !self.returning.is_empty() {
            return Duration::ZERO;
        }
        let now = self.shared.clock.now();
        let arrival = self.arrivals.peek().map(|(_, due)| due);
        [arrival, self.wheel.next_deadline(), self.pace.next()]
            .into_iter()
            .flatten()
            .map(|due| due - now)
            .min()
            .unwrap_or(NAP_MAX)
            .min(NAP_MAX)
    }

    fn start_due_peers(&mut self, now: Instant) -> Result<()> {
        let mut started = 0;
        while let Some((n, due)) = self.arrivals.peek() {
            if due > now || started == STARTS_PER_TURN {
                break;
            }
            self.arrivals.advance();
            if n % u32::from(self.count) == u32::from(self.number) {
                self.start_peer(n, due, now)?;
                started += 1;
            }
        }
        Ok(())
    }

    /// Has peers return, some each turn: what the others receive meanwhile must not wait until the last has made
    /// its key.
    fn bring_back(&mut self, now: Instant) {
        let some = STARTS_PER_TURN.min(self.returning.len());
        for (slot, due) in self.returning.drain(..some).collect::<Vec<_>>() {
            self.come_back(slot, due, now);
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        let mut fired = Vec::new();
        let mut packets = Vec::new();
        self.wheel.fire(now, |timer| fired.push(timer));
        for timer in fired {
            match timer.token {
                Token::Exchange(slot) => self.on_exchange_timer(slot, now),
                Token::Packet(slot) => packets.push((timer.due, slot)),
                Token::Death(slot) => self.die(slot, now),
                Token::Held(place) => self.let_go(place, now),
                Token::Probe(slot) => self.on_probe_due(slot, timer.due, now),
                Token::Move(slot) => self.on_move_due(slot, timer.due, now),
                Token::Return(slot) => self.returning.push_back((slot, timer.due)),
                Token::Keepalive(slot) => self.keep_mapping(slot, now),
                Token::Retire(slot) => self.retire(slot, now),
            }
        }
        self.pace.add(&mut packets);
        while let Some((due, slot)) = self.pace.take(now) {
            self.on_packet_due(slot, due, now);
        }
    }

    /// The number of the peer in a slot.
    fn peer_number(&self, slot: u32) -> u32 {
        slot * u32::from(self.count) + u32::from(self.number)
    }

    fn leave(&mut self) {
        if self.shared.plan.scenario.leave == Leave::Silent {
            return;
        }
        let now = self.shared.clock.now();
        for slot in 0..self.peers.len() {
            // Slots are numbered in 32 bits, as peers are.
            self.say_goodbye(slot as u32, now);
        }
        self.engine.flush();
    }
}
