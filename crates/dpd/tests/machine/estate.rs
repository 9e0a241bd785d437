//! Peers, a wheel and a virtual clock: what a shard does around the machine, and nothing else.

use std::num::NonZeroU32;
use std::time::Duration;

use dpd::{
    Act, BreakerPolicy, BudgetPolicy, Context, Decision, DomainKey, DpdPolicy, Evidence,
    FaultDomain, Liveness, Nat, Protocol, ServiceHealth, TimerChange, Watch,
};
use timer::{Fired, Instant, TICK, TimerKey, Wheel};

pub(crate) const DOMAINS: &[DomainKey] = &[DomainKey::new(FaultDomain::Shard, 0)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Probe(u8),
    Suspect,
    Recovered,
    Dead,
}

pub(crate) struct Peer {
    pub(crate) live: Liveness,
    key: Option<TimerKey>,
    pub(crate) evidence: Option<Box<Evidence>>,
    pub(crate) events: Vec<(Instant, Event)>,
}

pub(crate) struct Estate {
    pub(crate) now: Instant,
    pub(crate) policy: DpdPolicy,
    pub(crate) watch: Watch,
    /// How the shard itself is doing at a given time.
    pub(crate) health: fn(Instant) -> ServiceHealth,
    /// What its worker says about that, if there is one.
    pub(crate) serviced: Option<ServiceHealth>,
    /// Whether the socket takes datagrams.
    pub(crate) sending: bool,
    pub(crate) peers: Vec<Peer>,
    wheel: Wheel<u32>,
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Periodic, without jitter: times come out round.
pub(crate) fn periodic() -> DpdPolicy {
    DpdPolicy {
        mode: dpd::Mode::Periodic,
        jitter_percent: 0,
        ..DpdPolicy::default()
    }
}

pub(crate) fn on_demand() -> DpdPolicy {
    DpdPolicy {
        jitter_percent: 0,
        ..DpdPolicy::default()
    }
}

pub(crate) fn rate(per_second: u32) -> NonZeroU32 {
    NonZeroU32::new(per_second).expect("not zero")
}

impl Estate {
    pub(crate) fn new(peers: u32, policy: DpdPolicy, protocol: Protocol) -> Self {
        Self::with(
            peers,
            policy,
            protocol,
            &BudgetPolicy::default(),
            BreakerPolicy::default(),
        )
    }

    pub(crate) fn with(
        peers: u32,
        policy: DpdPolicy,
        protocol: Protocol,
        budgets: &BudgetPolicy,
        breaker: BreakerPolicy,
    ) -> Self {
        policy.validate().expect("a policy within its ranges");
        let now = Instant::from_secs(1_000);
        let mut estate = Self {
            now,
            policy,
            watch: Watch::new(budgets, breaker),
            health: ServiceHealth::good,
            serviced: None,
            sending: true,
            peers: Vec::new(),
            wheel: Wheel::new(now),
        };
        for index in 0..peers {
            estate.watch.joined(DOMAINS);
            let (live, timer) = Liveness::new(now, &estate.policy, 7, protocol, index);
            estate.peers.push(Peer {
                live,
                key: None,
                evidence: None,
                events: Vec::new(),
            });
            estate.set_timer(index, timer);
        }
        estate
    }

    fn set_timer(&mut self, index: u32, change: TimerChange) {
        let peer = &mut self.peers[index as usize];
        match (change, peer.key) {
            (TimerChange::Keep, _) => {}
            (TimerChange::None, key) => {
                key.map(|key| self.wheel.cancel(key));
                peer.key = None;
            }
            (TimerChange::At(due), Some(key)) if self.wheel.rearm(key, due) => {}
            (TimerChange::At(due), _) => peer.key = Some(self.wheel.arm(due, index)),
        }
    }

    /// Gives the machine of a peer its context, and does what it says.
    pub(crate) fn with_peer(
        &mut self,
        index: u32,
        event: impl FnOnce(&mut Liveness, &mut Context<'_>) -> Decision,
    ) {
        let peer = &mut self.peers[index as usize];
        let mut ctx = Context {
            now: self.now,
            policy: &self.policy,
            health: self.serviced.unwrap_or((self.health)(self.now)),
            domains: DOMAINS,
            nat: Nat::default(),
            watch: &mut self.watch,
        };
        let decision = event(&mut peer.live, &mut ctx);
        if decision.recovered {
            peer.events.push((self.now, Event::Recovered));
        }
        let noted = match decision.act {
            Act::Nothing => None,
            Act::Probe { try_number, .. } => {
                if !self.sending {
                    peer.live.unsent();
                }
                Some(Event::Probe(try_number))
            }
            Act::Suspect => Some(Event::Suspect),
            Act::Dead(evidence) => {
                peer.evidence = Some(evidence);
                peer.live.leave(self.now, DOMAINS, &mut self.watch);
                Some(Event::Dead)
            }
        };
        peer.events.extend(noted.map(|event| (self.now, event)));
        self.set_timer(index, decision.timer);
    }

    /// Hands the current policy to a peer under another index.
    pub(crate) fn adopt(&mut self, index: u32, policy: u16) {
        self.with_peer(index, |live, ctx| {
            let timer = live.adopt(policy, ctx);
            Decision {
                timer,
                ..Decision::NOTHING
            }
        });
    }

    pub(crate) fn send_outbound(&mut self, index: u32) {
        if self.peers[index as usize].live.sent_outbound() {
            self.with_peer(index, |live, ctx| live.woken(ctx));
        }
    }

    pub(crate) fn heard(&mut self, index: u32, proof: dpd::Proof) {
        self.peers[index as usize].live.heard(self.now, proof);
    }

    /// Lets time pass, tick by tick where there is something to do.
    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run_answering(span, |_| false);
    }

    /// Like [`run_for`](Self::run_for); peers for which `answers` says so answer each probe at once.
    pub(crate) fn run_answering(&mut self, span: Duration, answers: impl Fn(u32) -> bool) {
        let end = self.now + span;
        while let Some(deadline) = self.wheel.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(deadline);
            let mut fired: Vec<Fired<u32>> = Vec::new();
            self.wheel.fire(self.now, |timer| fired.push(timer));
            for timer in fired {
                self.peers[timer.token as usize].key = None;
                let seen = self.peers[timer.token as usize].events.len();
                self.with_peer(timer.token, |live, ctx| live.fired(timer.due, ctx));
                let events = &self.peers[timer.token as usize].events[seen..];
                if matches!(events, [.., (_, Event::Probe(_))]) && answers(timer.token) {
                    self.peers[timer.token as usize]
                        .live
                        .answered(deadline, None);
                }
            }
        }
        self.now = end;
    }

    /// Fires every timer that is due, and says whom that made us ask.
    pub(crate) fn fire_due(&mut self) -> Vec<u32> {
        let mut fired: Vec<Fired<u32>> = Vec::new();
        self.wheel.fire(self.now, |timer| fired.push(timer));
        let mut asked = Vec::new();
        for timer in fired {
            let peer = timer.token as usize;
            self.peers[peer].key = None;
            let seen = self.peers[peer].events.len();
            self.with_peer(timer.token, |live, ctx| live.fired(timer.due, ctx));
            if let [.., (_, Event::Probe(_))] = self.peers[peer].events[seen..] {
                asked.push(timer.token);
            }
        }
        asked
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    pub(crate) fn timers(&self) -> usize {
        self.wheel.len()
    }

    /// What happened to a peer, in whole milliseconds since `origin`, rounded down to the tick in
    /// which it was due.
    pub(crate) fn story(&self, index: u32, origin: Instant) -> Vec<(u128, Event)> {
        let tick = TICK.as_millis();
        self.peers[index as usize]
            .events
            .iter()
            .map(|(at, event)| ((*at - origin).as_millis() / tick * tick, *event))
            .collect()
    }
}
