//! ALIVE and WORRIED: waiting for a reason to ask.

use core::time::Duration;

use timer::Instant;

use super::{Liveness, State};
use crate::decision::{Context, Decision, TimerChange};
use crate::policy::{DpdPolicy, Mode, SuppressOn};

impl Liveness {
    pub(super) fn first_timer(&self, policy: &DpdPolicy) -> TimerChange {
        if policy.probes() {
            TimerChange::At(self.interval_end(policy, Duration::ZERO))
        } else {
            TimerChange::None
        }
    }

    /// When the interval since the last proof that counts for it is over, a jitter early, at an
    /// instant that others share: a multiple of `grain` unless that is zero.
    pub(super) fn interval_end(&self, policy: &DpdPolicy, grain: Duration) -> Instant {
        let base = match self.suppress_on {
            SuppressOn::Any => self.heard.at(),
            SuppressOn::Ike | SuppressOn::Hello => self.restarted,
        };
        let end = self.early(base, policy.interval, policy.jitter_percent);
        let Some(odd) = end.as_nanos().checked_rem(nanos(grain)) else {
            return end;
        };
        let shared = Instant::from_nanos(end.as_nanos() - odd);
        let earliest = policy.interval * u32::from(100 - policy.jitter_percent.min(100)) / 100;
        if shared < base + earliest {
            return shared + grain;
        }
        shared
    }

    /// `base + period`, less a share of the period that is drawn from the seed and `base`: asked
    /// again with the same `base` it gives the same time, and the next interval draws anew.
    pub(super) fn early(&self, base: Instant, period: Duration, jitter_percent: u8) -> Instant {
        let mixed = (base.as_nanos() ^ u64::from(self.seed) << 32 | u64::from(self.seed))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let draw = u128::from((mixed ^ mixed >> 29) & 0xffff);
        let spread = period.as_nanos() * u128::from(jitter_percent) * draw / (100 << 16);
        let spread = Duration::from_nanos(u64::try_from(spread).unwrap_or(0));
        base + period.saturating_sub(spread)
    }

    pub(super) fn interval_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
        if !ctx.policy.probes() {
            return Decision::REST;
        }
        let end = self.interval_end(ctx.policy, ctx.watch.grain(ctx.policy));
        if end > ctx.now {
            return Decision::wait_until(end);
        }
        match ctx.policy.mode {
            Mode::OnDemand | Mode::Hybrid if !self.heard.sent_since() => self.worry(ctx),
            _ => self.begin_probe(due, ctx),
        }
    }

    pub(super) fn worry(&mut self, ctx: &Context<'_>) -> Decision {
        self.state = State::Worried;
        self.heard.question();
        match ctx.policy.cleanup {
            Some(cleanup) if ctx.policy.mode == Mode::Hybrid => {
                Decision::wait_until(self.cleanup_end(cleanup, ctx.policy))
            }
            _ => Decision::REST,
        }
    }

    pub(super) fn cleanup_end(&self, cleanup: Duration, policy: &DpdPolicy) -> Instant {
        self.early(self.heard.at(), cleanup, policy.jitter_percent)
    }

    /// The clean-up timer of a hybrid peer fired.
    pub(super) fn idle_over(&mut self, due: Instant, ctx: &mut Context<'_>) -> Decision {
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
