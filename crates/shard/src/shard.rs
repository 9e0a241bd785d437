use core::num::NonZeroU16;
use core::time::Duration;
use std::sync::Arc;

use crypto::Entropy;
use dpd::{BreakerPolicy, BudgetPolicy, DomainKey, FaultDomain, NotProof, ServiceHealth, Watch};
use esp::{InboundDrop, InboundReport, OutboundReport};
use ike::trace::Stage;
use ike::{Action, FrontDoor};
use ipsec::{EspSpi, EspSpiLayout, IkeSpi, OutboundHandle, Sad};
use timer::{Instant, Wheel};

use crate::adoption::Adoption;
use crate::counters::Counters;
use crate::elephant::{ElephantPolicy, Elephants, Guests, Scout};
use crate::host::World;
use crate::initiate::Initiations;
use crate::meter::Meter;
use crate::obituary::Obituaries;
use crate::path_mtu::NarrowPaths;
use crate::peers::{FetchStep, Peers};
use crate::spds::Spds;
use crate::too_big::TooBig;
use crate::{
    Command, Directory, FrontSocket, HoldLimits, Mail, Output, Policy, ShardId, TraceFilter,
};

/// Limits and times of a shard.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits and times of IKE.
    pub ike: ike::Settings,
    /// IKE SAs at most, half-open ones included.
    pub peers_max: u32,
    /// Child SAs at most.
    pub children_max: u32,
    /// Probes, verdicts and initiations per second.
    pub budgets: BudgetPolicy,
    /// When a mass death is suspected to be our own fault.
    pub breaker: BreakerPolicy,
    /// Time between NAT keepalives if we are behind a NAT (RFC 3948 §4).
    pub keepalive: Duration,
    /// Our sockets without a non-ESP marker.
    pub ike_sockets: Vec<FrontSocket>,
    /// Our sockets with a non-ESP marker.
    pub nat_sockets: Vec<FrontSocket>,
    /// Octets that an outer IP packet may have.
    pub path_mtu: u16,
    /// How much may wait for tunnels.
    pub hold: HoldLimits,
    /// How long one of several peers is tried before the next.
    pub peer_patience: Duration,
    /// When an SA is lent to the other shards; `None` for never.
    pub elephants: Option<ElephantPolicy>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ike: ike::Settings::default(),
            peers_max: 1 << 20,
            children_max: 1 << 20,
            budgets: BudgetPolicy::default(),
            breaker: BreakerPolicy::default(),
            keepalive: Duration::from_secs(20),
            ike_sockets: Vec::new(),
            nat_sockets: Vec::new(),
            path_mtu: 1500,
            hold: HoldLimits::default(),
            peer_patience: Duration::from_secs(10),
            elephants: None,
        }
    }
}

/// What a new shard is given.
pub struct Setup {
    /// Its number.
    pub id: ShardId,
    /// How many shards there are.
    pub shards: u16,
    /// Limits and times.
    pub settings: Settings,
    /// What the operator allows.
    pub policy: Policy,
    /// What it shares with the others.
    pub directory: Arc<dyn Directory>,
    /// The source of nonces and seeds of key pairs.
    pub entropy: Box<dyn Entropy + Send>,
    /// The source of SPIs and jitter, apart from the other so that both can be lent at once.
    pub spi_entropy: Box<dyn Entropy + Send>,
    /// The time now.
    pub now: Instant,
}

/// What a timer of the wheel is for. The number is the slot of an IKE SA, or a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    Ike(u32),
    Dpd(u32),
    Keepalive(u32),
    Initiate(u32),
    Drained(EspSpi),
    /// An IKE SA of IKEv1 that was renewed is over.
    Retire(u32),
    /// What have guests carried?
    Elephants,
    /// Further peers learn of the policy that holds now.
    Adopt,
}

/// One worker's whole world. See the [crate documentation](crate).
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) shards: u16,
    pub(crate) world: World,
    pub(crate) front: FrontDoor,
    pub(crate) peers: Peers,
    pub(crate) spds: Spds,
    pub(crate) narrow: NarrowPaths,
    pub(crate) wheel: Wheel<Token>,
    pub(crate) watch: Watch,
    pub(crate) health: ServiceHealth,
    pub(crate) initiations: Initiations,
    /// A policy was replaced, and not all peers have learnt of it.
    pub(crate) adoption: Option<Adoption>,
    pub(crate) counters: Counters,
    /// IKE SAs that were established.
    pub(crate) setups: Meter,
    pub(crate) obituaries: Obituaries,
    /// SAs of ours that other shards seal for as well.
    pub(crate) elephants: Elephants,
    /// SAs of other shards for which this one seals as well.
    pub(crate) guests: Guests,
    pub(crate) scout_in: Scout<EspSpi>,
    pub(crate) scout_out: Scout<OutboundHandle>,
    pub(crate) inbound_report: InboundReport,
    pub(crate) outbound_report: OutboundReport,
    pub(crate) shutting_down: bool,
    /// Who watches; nobody most of the time.
    pub(crate) watchers: Arc<[TraceFilter]>,
    /// How far an IKE SA has come as told so far, while its actions are carried out.
    pub(crate) told_stage: Option<(IkeSpi, Stage)>,
    /// Scratch space that is kept to save allocations.
    pub(crate) actions: Vec<Action>,
    pub(crate) too_big: TooBig,
    fired: Vec<(Token, Instant)>,
}

/// Timers after which a call fires those of no further tick: a few milliseconds of work, so that what is
/// sent leaves and what arrives is read before long.
const TIMERS_MAX: usize = 512;
/// Timers between two steps of asking for a peer's memory: long enough for memory to answer, short
/// enough for the lines to stay.
const FETCH_GAP: usize = 4;
/// Timers between the first step and the service.
const FETCH_AHEAD: usize = FETCH_GAP * FetchStep::ALL.len();

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup {
            id,
            shards,
            mut settings,
            policy,
            directory,
            mut entropy,
            mut spi_entropy,
            now,
        } = setup;
        let layout = EspSpiLayout::for_shards(shards);
        // Whatever holds for all shards together is shared out.
        let sharers = NonZeroU16::new(shards).unwrap_or(NonZeroU16::MIN);
        settings.ike.shards = sharers;
        settings.breaker.shards = sharers;
        Self {
            id,
            shards,
            front: FrontDoor::new(now, &mut entropy),
            peers: Peers::new(id, settings.peers_max),
            spds: Spds::new(spi_entropy.next_u64()),
            narrow: NarrowPaths::default(),
            wheel: Wheel::new(now),
            watch: Watch::new(&settings.budgets, settings.breaker.clone()),
            health: ServiceHealth::good(now),
            initiations: Initiations::new(spi_entropy.next_u64()),
            adoption: None,
            counters: Counters::new(),
            setups: Meter::default(),
            obituaries: Obituaries::default(),
            elephants: Elephants::default(),
            guests: Guests::default(),
            scout_in: Scout::new(now),
            scout_out: Scout::new(now),
            inbound_report: InboundReport::default(),
            outbound_report: OutboundReport::default(),
            shutting_down: false,
            watchers: Arc::default(),
            told_stage: None,
            actions: Vec::new(),
            too_big: TooBig::default(),
            fired: Vec::new(),
            world: World {
                sad: Sad::new(id.0, layout, settings.children_max),
                settings,
                policy,
                directory,
                entropy,
                spi_entropy,
            },
        }
    }

    /// Fires timers that are due: those of some ticks, so that whoever has fallen behind reads and sends
    /// in between. [`next_deadline`](Self::next_deadline) says whether more are.
    pub fn tick(&mut self, now: Instant, out: &mut impl Output) {
        self.heed_owners();
        self.relay(now, out);
        let mut fired = core::mem::take(&mut self.fired);
        let is_due = |due: &Instant| *due <= now;
        while fired.len() < TIMERS_MAX
            && let Some(tick) = self.wheel.next_deadline().filter(is_due)
        {
            self.wheel
                .fire(tick, |timer| fired.push((timer.token, timer.due)));
        }
        for turn in 0..fired.len() + FETCH_AHEAD {
            self.fetch_ahead(&fired, turn);
            let due = turn.checked_sub(FETCH_AHEAD);
            let Some(&(token, due)) = due.and_then(|at| fired.get(at)) else {
                continue;
            };
            match token {
                Token::Ike(slot) => self.ike_timer_fired(slot, now, out),
                Token::Dpd(slot) => self.dpd_timer_fired(slot, due, now, out),
                Token::Keepalive(slot) => self.keepalive_timer_fired(slot, now, out),
                Token::Drained(inbound) => self.drained(inbound),
                Token::Retire(slot) => self.retire_timer_fired(slot, now, out),
                Token::Elephants => self.look_timer_fired(now, out),
                Token::Adopt => self.adopt_some(now),
                Token::Initiate(connection) => self.initiate_timer_fired(connection, now, out),
            }
        }
        fired.clear();
        self.fired = fired;
        self.raise_alarms(out);
    }

    /// Asks for the memory of peers some turns before their timers are served, a step each turn.
    fn fetch_ahead(&self, fired: &[(Token, Instant)], turn: usize) {
        for (step, lag) in FetchStep::ALL.into_iter().zip((0..).step_by(FETCH_GAP)) {
            let place = turn.checked_sub(lag).and_then(|at| fired.get(at));
            if let Some((Token::Dpd(slot), _)) = place {
                self.peers.fetch(*slot, step);
            }
        }
    }

    /// When [`tick`](Self::tick) has something to do, at the earliest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// How the receive path has been doing. The owner says so each time it has read its sockets
    /// until nothing was left; without that, silence of a peer proves nothing.
    pub fn serviced(&mut self, health: ServiceHealth) {
        self.health = health;
    }

    /// Carries out what the operator or the runtime wants. Returns `false` if there is no such SA
    /// or connection.
    pub fn command(&mut self, command: Command, now: Instant, out: &mut impl Output) -> bool {
        match command {
            Command::Initiate { connection, child } => self.initiate(connection, child, now, out),
            Command::Terminate { spi } => self.terminate(spi, now, out),
            Command::TerminateChild { inbound } => self.terminate_child(inbound, now, out),
            Command::RekeyIke { spi } => self.rekey_ike(spi, now, out),
            Command::RekeyChild { inbound } => self.rekey_child(inbound, now, out),
            Command::Shutdown => {
                self.shut_down(now, out);
                true
            }
            Command::Watch(filters) => {
                self.set_watchers(filters);
                true
            }
            Command::ReplacePolicy(policy) => {
                self.replace_policy(policy, now, out);
                true
            }
        }
    }

    /// Takes a message from another shard.
    pub fn mail(&mut self, mail: Mail, now: Instant, out: &mut impl Output) {
        match mail {
            Mail::Replaced { spi, notify } => self.replaced(spi, notify, now, out),
            Mail::Lend(loan) => self.lent(loan),
            Mail::Look => {
                self.heed_owners();
                self.look(now, out);
            }
        }
    }

    /// A copy of everything that this shard counts, with its gauges as of `now`.
    #[must_use]
    pub fn counters_at(&self, now: Instant) -> Counters {
        let kills = &self.watch.budgets.kills;
        let own = DomainKey::new(FaultDomain::Shard, u32::from(self.id.0));
        Counters {
            setups_per_second: self.setups.clone().lately(now),
            silent: u64::from(self.watch.breaker.silent_in(own)),
            verdicts_waiting: kills.promised(now),
            verdicts_wait: kills.paid_off(now),
            ..self.counters()
        }
    }

    /// A copy of everything that this shard counts.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters.clone();
        counters.ike_sas = self.peers.len() as u64;
        counters.ike_sas_v1 = self.peers.len_v1() as u64;
        counters.half_open = self.front.half_open() as u64;
        counters.elephants = self.elephants.len() as u64;
        counters.loans = self.guests.len() as u64;
        counters.children = u64::from(self.world.sad.outbound_len()) - self.guests.sealing() as u64;
        counters.timers = self.wheel.len() as u64;
        counters.narrow_paths = self.narrow.len() as u64;
        counters.held_now = self.initiations.held() as u64;
        counters.dpd = self.watch.counters.clone();
        self.count_esp_without_proof(&mut counters);
        counters.esp_in = (self.inbound_report.packets, self.inbound_report.bytes);
        counters.esp_in_dropped = self.inbound_report.drops.to_vec();
        counters.esp_out = (self.outbound_report.packets, self.outbound_report.bytes);
        counters.esp_out_dropped = self.outbound_report.drops.to_vec();
        counters
    }

    /// What ESP says about liveness without proving any.
    fn count_esp_without_proof(&self, counters: &mut Counters) {
        let dropped = |reason: InboundDrop| self.inbound_report.drops[reason.index()];
        let replayed =
            dropped(InboundDrop::SequenceDuplicate) + dropped(InboundDrop::SequenceTooOld);
        let forged = dropped(InboundDrop::Integrity);
        let sent = self.outbound_report.packets;
        counters.dpd.not_proof(NotProof::Replayed, replayed);
        counters.dpd.not_proof(NotProof::Unauthenticated, forged);
        counters.dpd.not_proof(NotProof::OutboundEsp, sent);
    }

    /// ESP packets that were opened or sealed so far.
    #[must_use]
    pub fn esp_packets(&self) -> u64 {
        self.inbound_report.packets + self.outbound_report.packets
    }

    /// Whether every IKE SA is gone, after [`Command::Shutdown`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.len() == 0
    }

    /// How many SPIs are taken, for IKE and for ESP: those of SAs, and those promised to exchanges that are
    /// under way.
    #[must_use]
    pub fn spis_taken(&self) -> [u32; 2] {
        [self.peers.spis_taken(), self.world.sad.inbound_len()]
    }

    /// The number of this shard.
    #[must_use]
    pub const fn id(&self) -> ShardId {
        self.id
    }
}
