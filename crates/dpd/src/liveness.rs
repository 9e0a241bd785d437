//! The state machine, one per IKE SA.
//!
//! [`Liveness::heard`] only stores; what a proof means for the state is settled when the timer fires
//! next. So the wheel is touched once per interval and peer, never per packet.

use core::time::Duration;

use timer::{Instant, TICK};

use crate::decision::{Act, Context, Decision, TimerChange};
use crate::evidence::{Evidence, Suspicion, SuspicionCause, TryOutcome, Verdict, VerdictReason};
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
/// The verdict has its token, valid when the timer fires.
const CONDEMNED: u8 = 8;

/// The unanswered tries after which a peer counts as silent: one may be lost to the weather.
const SILENT_AFTER: u8 = 2;

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
            let due = self.interval_end(ctx.policy);
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
    /// is then to be closed, in every mode).
    pub fn gave_up(&mut self, ctx: &mut Context<'_>) -> Decision {
        if self.state == State::Dead {
            return Decision::NOTHING;
        }
        if !matches!(self.state, State::Probing | State::Suspect) {
            self.since = ctx.now;
            self.tries = 0;
        }
        self.heard.question();
        self.tell_breaker(ctx);
        self.verdict(ctx, VerdictReason::Retransmissions)
    }

    /// The timer fired that was armed for `due`.
    pub fn fired(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        match self.state {
            State::Dead => Decision::REST,
            State::Alive => self.interval_over(due, ctx),
            State::Worried => self.idle_over(due, ctx),
            State::Probing | State::Suspect if !self.heard.questioned() => self.recover(due, ctx),
            State::Probing => self.try_over(due, ctx),
            State::Suspect => self.suspicion_over(due, ctx),
        }
    }

    /// Another policy applies from now on (a reload). The decision replaces the timer.
    pub fn adopt(&mut self, policy: u16, ctx: &mut Context<'_>) -> Decision {
        self.policy = policy;
        self.suppress_on = ctx.policy.suppress_on;
        match self.state {
            State::Alive | State::Worried => {
                self.state = State::Alive;
                Decision::new(Act::Nothing, self.first_timer(ctx.policy))
            }
            State::Probing | State::Suspect | State::Dead => Decision::NOTHING,
        }
    }

    /// The IKE SA goes, for whatever reason; matches [`Breaker::joined`](crate::Breaker::joined).
    pub fn leave(&mut self, ctx: &mut Context<'_>) {
        ctx.watch.breaker.left(ctx.domains);
        self.forget_silence(ctx);
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

/// ALIVE and WORRIED.
impl Liveness {
    fn first_timer(&self, policy: &DpdPolicy) -> TimerChange {
        if policy.probes() {
            TimerChange::At(self.interval_end(policy))
        } else {
            TimerChange::None
        }
    }

    /// When the interval since the last proof that counts for it is over, a jitter early.
    fn interval_end(&self, policy: &DpdPolicy) -> Instant {
        let base = match self.suppress_on {
            SuppressOn::Any => self.heard.at(),
            SuppressOn::Ike | SuppressOn::Hello => self.restarted,
        };
        self.early(base, policy.interval, policy.jitter_percent)
    }

    /// `base + period`, less a share of the period that is drawn from the seed and `base`: asked
    /// again with the same `base` it gives the same time, and the next interval draws anew.
    fn early(&self, base: Instant, period: Duration, jitter_percent: u8) -> Instant {
        let mixed = (base.as_nanos() ^ u64::from(self.seed) << 32 | u64::from(self.seed))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let draw = u128::from((mixed ^ mixed >> 29) & 0xffff);
        let spread = period.as_nanos() * u128::from(jitter_percent) * draw / (100 << 16);
        let spread = Duration::from_nanos(u64::try_from(spread).unwrap_or(0));
        base + period.saturating_sub(spread)
    }

    fn interval_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        if !ctx.policy.probes() {
            return Decision::REST;
        }
        let end = self.interval_end(ctx.policy);
        if end > ctx.now {
            ctx.watch.counters.probes_saved += 1;
            return Decision::wait_until(end);
        }
        match ctx.policy.mode {
            Mode::OnDemand | Mode::Hybrid if !self.heard.sent_since() => self.worry(ctx),
            _ => self.begin_probe(due, ctx),
        }
    }

    fn worry(&mut self, ctx: &Context<'_>) -> Decision {
        self.state = State::Worried;
        self.heard.question();
        match ctx.policy.cleanup {
            Some(cleanup) if ctx.policy.mode == Mode::Hybrid => {
                Decision::wait_until(self.cleanup_end(cleanup, ctx.policy))
            }
            _ => Decision::REST,
        }
    }

    fn cleanup_end(&self, cleanup: Duration, policy: &DpdPolicy) -> Instant {
        self.early(self.heard.at(), cleanup, policy.jitter_percent)
    }

    /// The clean-up timer of a hybrid peer fired.
    fn idle_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        if !self.heard.questioned() {
            self.state = State::Alive;
            return self.interval_over(due, ctx);
        }
        match ctx.policy.cleanup {
            Some(cleanup) => {
                let end = self.cleanup_end(cleanup, ctx.policy);
                if end > ctx.now {
                    Decision::wait_until(end)
                } else {
                    self.begin_probe(due, ctx)
                }
            }
            None => Decision::REST,
        }
    }
}

/// PROBING.
impl Liveness {
    fn begin_probe(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        self.state = State::Probing;
        self.since = ctx.now;
        self.tries = 0;
        self.flags &= SILENT;
        self.heard.question();
        ctx.watch.counters.probes += 1;
        self.next_try(due, ctx)
    }

    /// The gap after the latest try is over, or the token for the next one is valid.
    fn try_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        if self.flags & CONDEMNED != 0 {
            return self.verdict(ctx, VerdictReason::Probes);
        }
        if self.flags & BOOKED != 0 {
            self.flags &= !BOOKED;
            return self.send_try(due, ctx);
        }
        let outcome = self.judge_latest(ctx);
        if outcome != TryOutcome::Unanswered {
            return self.repeat(due, ctx);
        }
        if self.tries >= SILENT_AFTER.min(ctx.policy.tries()) {
            self.tell_breaker(ctx);
        }
        if self.tries >= ctx.policy.tries() {
            return self.verdict(ctx, VerdictReason::Probes);
        }
        self.next_try(due, ctx)
    }

    /// What became of the latest try, also for the record.
    fn judge_latest(&mut self, ctx: &mut Context<'_>) -> TryOutcome {
        let sent_at = self
            .record()
            .tries
            .last()
            .map_or(Instant::ZERO, |last| last.sent_at);
        let outcome = if self.flags & UNSENT != 0 {
            TryOutcome::NotSent
        } else {
            ctx.health
                .judge(ctx.now, ctx.policy.retry, sent_at, self.rx_drops)
        };
        ctx.watch.counters.outcomes[outcome.index()] += 1;
        self.record().close_try(outcome);
        outcome
    }

    /// A try that could not have been answered does not count: it is sent again, as often as a probe
    /// has tries. After that the fault is surely ours.
    fn repeat(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        let record = self.record();
        record.repeats += 1;
        if record.repeats > u16::from(ctx.policy.tries()) {
            return self.suspect(ctx, SuspicionCause::OwnService);
        }
        self.tries = self.tries.saturating_sub(1);
        self.next_try(due, ctx)
    }

    /// Sends the next try, or waits for its token.
    fn next_try(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        let token = ctx.watch.budgets.probes.book(ctx.now);
        if token > ctx.now {
            ctx.watch.counters.tries_deferred += 1;
            self.flags |= BOOKED;
            return Decision::wait_until(token);
        }
        self.send_try(due, ctx)
    }

    fn send_try(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        let first = self.tries == 0 && self.evidence.is_none();
        self.tries = self.tries.saturating_add(1);
        if first {
            self.since = ctx.now;
        }
        let number = self.tries;
        self.note_try(number, first, ctx);
        // Counted from the due time, not from the tick, or each try would add a tick to the whole.
        let base = if ctx.now - due <= TICK { due } else { ctx.now };
        let gap = ctx.policy.gap(self.protocol, number);
        Decision::new(
            Act::Probe {
                try_number: number,
                first,
            },
            TimerChange::At(base + gap),
        )
    }

    fn note_try(&mut self, number: u8, first: bool, ctx: &mut Context<'_>) {
        self.flags &= !UNSENT;
        self.rx_drops = ctx.health.rx_drops;
        ctx.watch.counters.tries += 1;
        if !first {
            self.record().push_try(number, ctx.now);
        }
    }

    /// The record; made when the first try has failed, and then it begins with that try.
    fn record(&mut self) -> &mut Evidence {
        let (heard, since, tries) = (self.heard, self.since, self.tries);
        self.evidence.get_or_insert_with(|| {
            let mut evidence = Box::new(Evidence::new(heard.proof(), heard.at()));
            if tries > 0 {
                evidence.push_try(1, since);
            }
            evidence
        })
    }

    fn recover(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        let asked = self.tries > 0;
        self.forget_silence(ctx);
        self.evidence = None;
        self.flags = 0;
        self.tries = 0;
        self.state = State::Alive;
        let decision = self.interval_over(due, ctx);
        if !asked || decision.act != Act::Nothing {
            return decision;
        }
        ctx.watch.counters.recoveries += 1;
        Decision::new(Act::Recovered, decision.timer)
    }

    fn tell_breaker(&mut self, ctx: &mut Context<'_>) {
        if self.flags & SILENT == 0 {
            self.flags |= SILENT;
            ctx.watch.breaker.silent(ctx.now, ctx.domains);
        }
    }

    fn forget_silence(&mut self, ctx: &mut Context<'_>) {
        if self.flags & SILENT != 0 {
            self.flags &= !SILENT;
            ctx.watch.breaker.silent_no_more(ctx.now, ctx.domains);
        }
    }
}

/// SUSPECT and DEAD.
impl Liveness {
    /// The verdict is due. An open breaker turns it into a suspicion; the budget may defer it.
    fn verdict(&mut self, ctx: &mut Context<'_>, reason: VerdictReason) -> Decision {
        let (now, open) = (ctx.now, ctx.watch.breaker.open_for(ctx.domains));
        let reason = if self.suspicion_expired(ctx) {
            VerdictReason::SuspectMax
        } else if open.is_some() {
            return self.suspect(ctx, SuspicionCause::Breaker);
        } else {
            reason
        };
        if self.flags & CONDEMNED == 0 {
            self.record().kill_asked_at = Some(now);
            let token = ctx.watch.budgets.kills.book(now);
            if token > now {
                ctx.watch.counters.verdicts_deferred += 1;
                self.flags |= CONDEMNED;
                self.state = State::Probing;
                return Decision::wait_until(token);
            }
        }
        self.record();
        let Some(mut evidence) = self.evidence.take() else {
            return Decision::REST;
        };
        let asked_at = evidence.kill_asked_at.unwrap_or(now);
        evidence.nat = ctx.nat;
        evidence.verdict = Some(Verdict {
            at: now,
            reason,
            queue_delay: ctx.health.queue_delay,
            breaker_open: open,
            waited: now - asked_at,
        });
        ctx.watch.counters.verdicts[reason.index()] += 1;
        self.state = State::Dead;
        Decision::new(Act::Dead(evidence), TimerChange::None)
    }

    fn suspect(&mut self, ctx: &mut Context<'_>, cause: SuspicionCause) -> Decision {
        self.state = State::Suspect;
        self.flags &= SILENT;
        let now = ctx.now;
        let record = self.record();
        let again = record.suspicion.is_some();
        record
            .suspicion
            .get_or_insert(Suspicion { since: now, cause });
        let timer = TimerChange::At(self.next_suspicion(ctx));
        if again {
            return Decision::new(Act::Nothing, timer);
        }
        ctx.watch.counters.suspicions += 1;
        Decision::new(Act::Suspect, timer)
    }

    fn suspicion_end(&self, policy: &DpdPolicy) -> Option<Instant> {
        let suspicion = self.evidence.as_ref()?.suspicion?;
        Some(suspicion.since + policy.suspect_duration_max())
    }

    fn suspicion_expired(&self, ctx: &Context<'_>) -> bool {
        self.suspicion_end(ctx.policy)
            .is_some_and(|end| end <= ctx.now)
    }

    /// When to look at a suspect again: after an interval, but not after the end of its suspicion.
    fn next_suspicion(&self, ctx: &Context<'_>) -> Instant {
        let next = self.early(ctx.now, ctx.policy.interval, ctx.policy.jitter_percent);
        self.suspicion_end(ctx.policy)
            .map_or(next, |end| next.min(end))
    }

    fn suspicion_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        if self.suspicion_expired(ctx) {
            return self.verdict(ctx, VerdictReason::SuspectMax);
        }
        // A probe sent on suspicion tells whether our own service has recovered.
        let listening = self.judge_latest(ctx) == TryOutcome::Unanswered;
        if listening && ctx.watch.breaker.open_for(ctx.domains).is_none() {
            self.record().repeats = 0;
            return self.begin_probe(due, ctx);
        }
        let timer = TimerChange::At(self.next_suspicion(ctx));
        if !ctx.watch.budgets.probes.take(ctx.now) {
            return Decision::new(Act::Nothing, timer);
        }
        self.note_try(0, false, ctx);
        Decision::new(
            Act::Probe {
                try_number: 0,
                first: false,
            },
            timer,
        )
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
