//! What the machine is told, and what it says.

use core::time::Duration;

use timer::{Instant, TICK};

use crate::breaker::{Breaker, BreakerPolicy, DomainKey};
use crate::budget::{BudgetPolicy, Budgets, Repeats};
use crate::counters::Counters;
use crate::evidence::{Evidence, Nat};
use crate::health::ServiceHealth;
use crate::policy::DpdPolicy;

/// What one shard keeps for all of its peers.
#[derive(Debug)]
pub struct Watch {
    /// Counts what happened.
    pub counters: Counters,
    /// Paces what is sent and torn down.
    pub budgets: Budgets,
    /// Stops verdicts when too many peers fall silent together.
    pub breaker: Breaker,
    /// How many tries may be repeated because they could not have been answered.
    pub(crate) repeats: Repeats,
    /// Peers that are watched.
    watched: u32,
}

/// So many peers are asked together where the jitter leaves room for it: waking up costs as much as
/// asking several peers.
const COMPANY: u32 = 128;

impl Watch {
    /// With nothing counted, full budgets and a closed breaker.
    #[must_use]
    pub fn new(budgets: &BudgetPolicy, breaker: BreakerPolicy) -> Self {
        Self {
            counters: Counters::default(),
            budgets: Budgets::new(budgets),
            breaker: Breaker::new(breaker),
            repeats: Repeats::new(),
            watched: 0,
        }
    }

    /// A peer is watched from now on; [`Liveness::leave`](crate::Liveness::leave) ends it.
    pub fn joined(&mut self, domains: &[DomainKey]) {
        self.breaker.joined(domains);
        self.watched = self.watched.saturating_add(1);
    }

    pub(crate) fn left(&mut self, domains: &[DomainKey]) {
        self.breaker.left(domains);
        self.watched = self.watched.saturating_sub(1);
    }

    /// How far apart the instants are at which intervals end, so that [`COMPANY`] peers share one:
    /// ticks doubled until it suffices, so that it seldom changes, and a quarter of the jitter at
    /// most, so that it stays jitter. Zero where a tick brings enough of them together.
    pub(crate) fn grain(&self, policy: &DpdPolicy) -> Duration {
        let enough = policy.interval * COMPANY / self.watched.max(1);
        let room = policy.interval * u32::from(policy.jitter_percent) / 400;
        let most = enough.min(room);
        let mut grain = TICK;
        while grain * 2 <= most {
            grain *= 2;
        }
        if grain <= most { grain } else { Duration::ZERO }
    }
}

/// The world around one peer, as of this call.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time.
    pub now: Instant,
    /// The policy at [`Liveness::policy`](crate::Liveness::policy).
    pub policy: &'a DpdPolicy,
    /// How the shard itself has been doing.
    pub health: ServiceHealth,
    /// The fault domains that this peer belongs to.
    pub domains: &'a [DomainKey],
    /// Address translation on the path, for the record.
    pub nat: Nat,
    /// What the shard keeps for all of its peers.
    pub watch: &'a mut Watch,
}

/// What to do with the one timer that the shard holds for this peer's liveness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerChange {
    /// Leave it as it is.
    Keep,
    /// Hold it at this time, armed anew or moved.
    At(Instant),
    /// Hold none.
    None,
}

/// What to do for the peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// Ask the peer for a sign of life. IKEv2: retransmit the outstanding request of ours, whatever
    /// it is, or send an empty INFORMATIONAL request if there is none. IKEv1: send a new R-U-THERE.
    /// If the socket refuses the datagram, call [`Liveness::unsent`](crate::Liveness::unsent).
    Probe {
        /// Number of the try within its probe, from 1; 0 for a probe sent on suspicion.
        try_number: u8,
        /// Whether this opens a probe (count no error yet).
        first: bool,
    },
    /// The peer became suspect: keep forwarding, say so once.
    Suspect,
    /// The peer is dead: best-effort DELETE, log, remove the SAs, then the policy's action.
    Dead(Box<Evidence>),
}

/// What one call asks of the shard.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// For the peer.
    pub act: Act,
    /// For its timer.
    pub timer: TimerChange,
    /// The peer was suspect and proved its life: say so.
    pub recovered: bool,
}

impl Decision {
    pub(crate) const fn new(act: Act, timer: TimerChange) -> Self {
        Self {
            act,
            timer,
            recovered: false,
        }
    }

    pub(crate) const fn wait_until(time: Instant) -> Self {
        Self::new(Act::Nothing, TimerChange::At(time))
    }

    /// Change nothing.
    pub const NOTHING: Self = Self::new(Act::Nothing, TimerChange::Keep);
    /// Hold no timer, and nothing else.
    pub(crate) const REST: Self = Self::new(Act::Nothing, TimerChange::None);
}
