//! The state machine, one per IKE SA.
//!
//! [`Liveness::heard`] only stores; what a proof means for the state is settled when the timer fires
//! next. So the wheel is touched once per interval and peer, never per packet.

mod alive;
mod probing;
mod verdict;

use core::time::Duration;

use timer::Instant;

use crate::breaker::DomainKey;
use crate::decision::{Context, Decision, TimerChange, Watch};
use crate::evidence::{Evidence, SuspicionCause, VerdictReason};
use crate::policy::{DpdPolicy, Mode, Protocol, SuppressOn};
use crate::proof::Proof;
use crate::stamp::Stamp;

/// What is known about a peer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It was heard within the interval, or nobody has reason to doubt it.
    Alive,
    /// It was not heard for an interval, and nothing was sent to it: the next packet will ask.
    Worried,
    /// It is being asked.
    Probing,
    /// It does not answer, and that may be our own fault.
    Suspect,
    /// The verdict has fallen.
    Dead,
}

/// The peer has left more than one try unanswered, and the breaker has been told.
const SILENT: u8 = 1;
/// The latest try never left.
const UNSENT: u8 = 2;
/// The next try has its token, valid when the timer fires.
const BOOKED: u8 = 4;

/// The liveness of one peer. The shard keeps one per IKE SA, at most one timer for it, and calls
/// [`leave`](Self::leave) when the IKE SA goes.
#[derive(Debug)]
pub struct Liveness {
    heard: Stamp,
    /// The last proof that restarts the interval, if not every proof does.
    restarted: Instant,
    /// When the current probe or suspicion began.
    since: Instant,
    /// Exists from the second try on; the first one fits in `since`.
    evidence: Option<Box<Evidence>>,
    seed: u32,
    /// What [`ServiceHealth::rx_drops`](crate::ServiceHealth::rx_drops) was at the latest try.
    rx_drops: u32,
    policy: u16,
    state: State,
    /// Number of the latest try.
    tries: u8,
    flags: u8,
    suppress_on: SuppressOn,
    protocol: Protocol,
}

/// Events: what the shard tells.
impl Liveness {
    /// A peer that has just been authenticated, and when to fire first. `policy` is the shard's
    /// index of `settings`; `seed` is any number that differs between peers.
    #[must_use]
    pub fn new(
        now: Instant,
        settings: &DpdPolicy,
        policy: u16,
        protocol: Protocol,
        seed: u32,
    ) -> (Self, TimerChange) {
        let proof = match protocol {
            Protocol::Ikev1 => Proof::IkeMessage,
            Protocol::Ikev2 => Proof::IkeRequest,
        };
        let liveness = Self {
            heard: Stamp::new(now, proof),
            restarted: now,
            since: now,
            evidence: None,
            seed,
            rx_drops: 0,
            policy,
            state: State::Alive,
            tries: 0,
            flags: 0,
            suppress_on: settings.suppress_on,
            protocol,
        };
        let timer = liveness.first_timer(settings);
        (liveness, timer)
    }

    /// The peer proved its life. For the answer to a probe use [`answered`](Self::answered).
    #[inline]
    pub fn heard(&mut self, now: Instant, proof: Proof) {
        self.heard = Stamp::new(now, proof);
        let restarts = match self.suppress_on {
            SuppressOn::Any => return,
            SuppressOn::Ike => proof != Proof::Esp,
            SuppressOn::Hello => matches!(proof, Proof::Hello | Proof::Answer),
        };
        if restarts {
            self.restarted = now;
        }
    }

    /// The peer answered try `try_number` (from 1), or some try if that cannot be told. Returns the
    /// round trip unless it is ambiguous because identical tries were sent.
    pub fn answered(&mut self, now: Instant, try_number: Option<u8>) -> Option<Duration> {
        let asked = matches!(self.state, State::Probing | State::Suspect)
            && self.tries > 0
            && self.heard.questioned();
        self.heard(now, Proof::Answer);
        if !asked {
            return None;
        }
        match (&self.evidence, try_number) {
            (None, None | Some(1)) => Some(now - self.since),
            (Some(evidence), Some(number)) => {
                let matching = |entry: &&crate::Try| entry.number == number;
                let entry = evidence.tries.iter().rev().find(matching)?;
                Some(now - entry.sent_at)
            }
            _ => None,
        }
    }

    /// Traffic was sent to the peer: one store, and `true` if nobody watches this peer, so that
    /// [`woken`](Self::woken) has to be called. The packet is forwarded in any case.
    #[inline]
    #[must_use]
    pub fn sent_outbound(&mut self) -> bool {
        self.heard.mark_sent();
        self.state == State::Worried
    }

    /// Traffic was sent to a peer that nobody watched.
    pub fn woken(&mut self, ctx: &mut Context<'_>) -> Decision {
        if self.state != State::Worried {
            return Decision::NOTHING;
        }
        if !self.heard.questioned() {
            // A proof came while nobody looked, so the interval runs from there.
            self.state = State::Alive;
            let due = self.interval_end(ctx.policy, ctx.watch.grain(ctx.policy));
            if due > ctx.now {
                return Decision::wait_until(due);
            }
        }
        self.begin_probe(ctx.now, ctx)
    }

    /// An unauthenticated message claims that the peer lost its state, or that it cannot be reached.
    /// It may make us ask earlier, at a limited rate, and nothing else.
    pub fn hinted(&mut self, ctx: &mut Context<'_>) -> Decision {
        let idle = matches!(self.state, State::Alive | State::Worried);
        let heard_lately = ctx.now - self.heard.at() < ctx.policy.retry;
        if !ctx.policy.probes() || !idle || heard_lately {
            return Decision::NOTHING;
        }
        if !ctx.watch.budgets.hints.take(ctx.now) {
            ctx.watch.counters.hints_ignored += 1;
            return Decision::NOTHING;
        }
        ctx.watch.counters.hints_followed += 1;
        self.begin_probe(ctx.now, ctx)
    }

    /// The socket refused the datagram of the latest try.
    pub fn unsent(&mut self) {
        self.flags |= UNSENT;
    }

    /// Another request of ours went unanswered to its last retransmission (RFC 7296 §2.4: the IKE SA
    /// is then to be closed, in every mode). To be called again as long as it is; while our own service fails, or many
    /// others are silent too, it makes the peer suspect instead.
    pub fn gave_up(&mut self, ctx: &mut Context<'_>) -> Decision {
        let waits = |evidence: &Evidence| evidence.condemned.is_some();
        if self.state == State::Dead || self.evidence.as_deref().is_some_and(waits) {
            return Decision::NOTHING;
        }
        if !matches!(self.state, State::Probing | State::Suspect) {
            self.since = ctx.now;
            self.tries = 0;
        }
        self.heard.question();
        self.tell_breaker(ctx);
        if !ctx.health.listens(ctx.now, ctx.policy.retry) && !self.suspicion_expired(ctx) {
            return self.suspect(ctx, SuspicionCause::OwnService);
        }
        self.verdict(ctx, VerdictReason::Retransmissions)
    }

    /// The timer fired that was armed for `due`.
    pub fn fired(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        match self.state {
            State::Dead => Decision::REST,
            State::Alive => {
                let decision = self.interval_over(due, ctx);
                if ctx.policy.mode == Mode::Periodic && self.state == State::Alive {
                    ctx.watch.counters.probes_saved += 1;
                }
                decision
            }
            State::Worried => self.idle_over(due, ctx),
            State::Probing | State::Suspect if !self.heard.questioned() => self.recover(due, ctx),
            State::Probing => self.try_over(due, ctx),
            State::Suspect => self.suspicion_over(due, ctx),
        }
    }

    /// Another policy applies from now on (a reload): `ctx.policy`, at the index `policy`. A probe or
    /// suspicion under way goes on, with the gaps of the new policy, unless that asks nobody: then it is
    /// given up. What a request of another kind proved by its silence stands in every mode.
    pub fn adopt(&mut self, policy: u16, ctx: &mut Context<'_>) -> TimerChange {
        self.policy = policy;
        self.suppress_on = ctx.policy.suppress_on;
        match self.state {
            State::Alive | State::Worried => {
                self.state = State::Alive;
                self.first_timer(ctx.policy)
            }
            State::Probing | State::Suspect if !ctx.policy.probes() && !self.broke_off() => {
                self.forget_silence(ctx.now, ctx.domains, ctx.watch);
                self.evidence = None;
                self.flags = 0;
                self.tries = 0;
                self.state = State::Alive;
                TimerChange::None
            }
            State::Probing | State::Suspect | State::Dead => TimerChange::Keep,
        }
    }

    /// Whether the verdict has fallen over a request that is not a probe, and waits for its token.
    fn broke_off(&self) -> bool {
        let condemned = self.evidence.as_ref().and_then(|record| record.condemned);
        matches!(condemned, Some((VerdictReason::Retransmissions, _)))
    }

    /// The same policy has another index from now on.
    pub fn renumber(&mut self, policy: u16) {
        self.policy = policy;
    }

    /// The IKE SA goes, for whatever reason; matches [`Watch::joined`].
    pub fn leave(&mut self, now: Instant, domains: &[DomainKey], watch: &mut Watch) {
        watch.left(domains);
        self.forget_silence(now, domains, watch);
        self.state = State::Dead;
    }
}

/// Views: what the shard may ask.
impl Liveness {
    /// The state, as a proof that nobody has looked at yet makes it.
    #[must_use]
    pub fn state(&self) -> State {
        match self.state {
            State::Worried | State::Probing | State::Suspect if !self.heard.questioned() => {
                State::Alive
            }
            state => state,
        }
    }

    /// The last proof of life and when it came (256 ns, rounded down).
    #[must_use]
    pub fn last_proof(&self) -> (Proof, Instant) {
        (self.heard.proof(), self.heard.at())
    }

    /// The shard's index of the policy.
    #[must_use]
    pub fn policy(&self) -> u16 {
        self.policy
    }

    /// Tries of the current probe so far.
    #[must_use]
    pub fn tries(&self) -> u8 {
        match self.state() {
            State::Probing | State::Suspect => self.tries,
            State::Alive | State::Worried | State::Dead => 0,
        }
    }

    /// The record so far, from the second try on.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_peer_fits_in_48_octets() {
        assert!(size_of::<Liveness>() <= 48, "{}", size_of::<Liveness>());
    }
}
