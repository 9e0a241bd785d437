//! SUSPECT and DEAD: whose fault the silence is.

use timer::Instant;

use super::{Liveness, SILENT, State};
use crate::decision::{Act, Context, Decision, TimerChange};
use crate::evidence::{Suspicion, SuspicionCause, TryOutcome, Verdict, VerdictReason};
use crate::policy::DpdPolicy;

impl Liveness {
    /// The verdict is due. An open breaker turns it into a suspicion; the budget may defer it.
    pub(super) fn verdict(&mut self, ctx: &mut Context<'_>, reason: VerdictReason) -> Decision {
        let (now, open) = (ctx.now, ctx.watch.breaker.open_for(ctx.domains));
        let reason = if self.suspicion_expired(ctx) {
            VerdictReason::SuspectMax
        } else if open.is_some() {
            return self.suspect(ctx, SuspicionCause::Breaker);
        } else {
            reason
        };
        let condemned_at = match self.record().condemned {
            Some((_, at)) => at,
            None => {
                self.record().condemned = Some((reason, now));
                let token = ctx.watch.budgets.kills.book(now);
                if token > now {
                    ctx.watch.counters.verdicts_deferred += 1;
                    self.state = State::Probing;
                    return Decision::wait_until(token);
                }
                now
            }
        };
        let mut evidence = self.take_record();
        evidence.nat = ctx.nat;
        evidence.verdict = Some(Verdict {
            at: now,
            reason,
            queue_delay: ctx.health.queue_delay,
            breaker_open: open,
            waited: now - condemned_at,
        });
        ctx.watch.counters.verdicts[reason.index()] += 1;
        self.state = State::Dead;
        Decision::new(Act::Dead(evidence), TimerChange::None)
    }

    pub(super) fn suspect(&mut self, ctx: &mut Context<'_>, cause: SuspicionCause) -> Decision {
        self.state = State::Suspect;
        self.flags &= SILENT;
        let now = ctx.now;
        let record = self.record();
        let again = record.suspicion.is_some();
        record.condemned = None;
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

    pub(super) fn suspicion_end(&self, policy: &DpdPolicy) -> Option<Instant> {
        let suspicion = self.evidence.as_ref()?.suspicion?;
        Some(suspicion.since + policy.suspect_duration_max())
    }

    pub(super) fn suspicion_expired(&self, ctx: &Context<'_>) -> bool {
        self.suspicion_end(ctx.policy)
            .is_some_and(|end| end <= ctx.now)
    }

    /// When to look at a suspect again: after an interval, but not after the end of its suspicion.
    pub(super) fn next_suspicion(&self, ctx: &Context<'_>) -> Instant {
        let next = self.early(ctx.now, ctx.policy.interval, ctx.policy.jitter_percent);
        self.suspicion_end(ctx.policy)
            .map_or(next, |end| next.min(end))
    }

    pub(super) fn suspicion_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        if self.suspicion_expired(ctx) {
            return self.verdict(ctx, VerdictReason::SuspectMax);
        }
        // A probe sent on suspicion tells whether our own service has recovered.
        let latest = self.record().tries.last().map(|latest| latest.outcome);
        let listening = match latest {
            Some(TryOutcome::Pending) => self.judge_latest(ctx) == TryOutcome::Unanswered,
            outcome => outcome == Some(TryOutcome::Unanswered),
        };
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
