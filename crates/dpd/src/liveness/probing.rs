//! PROBING: asking, and judging what silence means.

use timer::{Instant, TICK};

use super::{BOOKED, Liveness, SILENT, State, UNSENT};
use crate::breaker::DomainKey;
use crate::decision::{Act, Context, Decision, TimerChange, Watch};
use crate::evidence::{Evidence, SuspicionCause, TryOutcome, VerdictReason};

/// The unanswered tries after which a peer counts as silent: one may be lost to the weather.
const SILENT_AFTER: u8 = 2;

impl Liveness {
    pub(super) fn begin_probe(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        self.state = State::Probing;
        self.since = ctx.now;
        self.tries = 0;
        self.flags &= SILENT;
        self.heard.question();
        ctx.watch.counters.probes += 1;
        ctx.watch.repeats.earn();
        self.next_try(due, ctx)
    }

    /// The gap after the latest try is over, or the token for the next one is valid.
    pub(super) fn try_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        if let Some((reason, _)) = self.record().condemned {
            return self.verdict(ctx, reason);
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
    pub(super) fn judge_latest(&mut self, ctx: &mut Context<'_>) -> TryOutcome {
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

    /// A try that could not have been answered does not count: it is sent again, unless this shard has
    /// repeated too many of late, after gaps that double. When they add up to a whole probe the fault
    /// is surely ours.
    pub(super) fn repeat(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        let record = self.record();
        record.repeats = record.repeats.saturating_add(1);
        let factor = 1_u32 << (record.repeats - 1).min(16);
        if factor * 2 - 1 > u32::from(ctx.policy.tries()) {
            return self.suspect(ctx, SuspicionCause::OwnService);
        }
        let longest = ctx.policy.interval.max(ctx.policy.retry);
        let gap = ctx.policy.gap(self.protocol, self.tries.max(1));
        let gap = gap.saturating_mul(factor).min(longest);
        if !ctx.watch.repeats.take() {
            // The answer may still wait in the socket; a further question would wait behind it.
            ctx.watch.counters.repeats_forgone += 1;
            return Decision::wait_until(ctx.now + gap);
        }
        self.tries = self.tries.saturating_sub(1);
        Decision {
            timer: TimerChange::At(ctx.now + gap),
            ..self.send_try(due, ctx)
        }
    }

    /// Sends the next try, or waits for its token.
    pub(super) fn next_try(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        let token = ctx.watch.budgets.probes.book(ctx.now);
        if token > ctx.now {
            ctx.watch.counters.tries_deferred += 1;
            self.flags |= BOOKED;
            return Decision::wait_until(token);
        }
        self.send_try(due, ctx)
    }

    pub(super) fn send_try(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
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

    pub(super) fn note_try(&mut self, number: u8, first: bool, ctx: &mut Context<'_>) {
        self.flags &= !UNSENT;
        self.rx_drops = ctx.health.rx_drops;
        ctx.watch.counters.tries += 1;
        if !first {
            self.record().push_try(number, ctx.now);
        }
    }

    /// The record of this probe. It is made when the first try has failed, since most do not.
    pub(super) fn record(&mut self) -> &mut Evidence {
        let evidence = self.take_record();
        self.evidence.insert(evidence)
    }

    pub(super) fn take_record(&mut self) -> Box<Evidence> {
        if let Some(evidence) = self.evidence.take() {
            return evidence;
        }
        let mut evidence = Box::new(Evidence::new(self.heard.proof(), self.heard.at()));
        if self.tries > 0 {
            evidence.push_try(1, self.since);
        }
        evidence
    }

    pub(super) fn recover(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        let missed = self.evidence.take();
        let suspected = missed
            .as_ref()
            .is_some_and(|evidence| evidence.suspicion.is_some());
        self.forget_silence(ctx.now, ctx.domains, ctx.watch);
        self.flags = 0;
        self.tries = 0;
        self.state = State::Alive;
        ctx.watch.counters.recoveries += u64::from(missed.is_some());
        Decision {
            recovered: suspected,
            ..self.interval_over(due, ctx)
        }
    }

    pub(super) fn tell_breaker(&mut self, ctx: &mut Context<'_>) {
        if self.flags & SILENT == 0 {
            self.flags |= SILENT;
            ctx.watch.breaker.silent(ctx.now, ctx.domains);
        }
    }

    pub(super) fn forget_silence(
        &mut self,
        now: Instant,
        domains: &[DomainKey],
        watch: &mut Watch,
    ) {
        if self.flags & SILENT != 0 {
            self.flags &= !SILENT;
            watch.breaker.silent_no_more(now, domains);
        }
    }
}
