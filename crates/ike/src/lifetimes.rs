use core::time::Duration;

use crypto::Entropy;
use ipsec::RekeyPolicy;
use timer::Instant;

use crate::Context;

/// The soft and hard end of an SA that begins now; [`Instant::MAX`] for never.
pub(crate) struct Lifetimes {
    pub(crate) rekey_at: Instant,
    pub(crate) expires_at: Instant,
}

impl Lifetimes {
    pub(crate) fn from(policy: &RekeyPolicy, now: Instant, entropy: &mut dyn Entropy) -> Self {
        let soft = policy
            .time
            .map(|time| shortened(time, policy.jitter_percent, entropy));
        Self {
            rekey_at: after(now, soft),
            expires_at: after(now, policy.hard_time),
        }
    }
}

/// `now` plus the time, or never.
pub(crate) fn after(now: Instant, time: Option<Duration>) -> Instant {
    time.map_or(Instant::MAX, |time| now + time)
}

/// Takes off a random share of up to `percent`, so that SAs made together do not rekey together
/// (RFC 7296 §2.8).
pub(crate) fn shortened(time: Duration, percent: u8, entropy: &mut dyn Entropy) -> Duration {
    let share = u64::from(percent.min(100)) * u64::from(entropy.next_u32());
    let nanos = time.as_nanos() * u128::from(share) / (100 * u128::from(u32::MAX));
    time.saturating_sub(Duration::from_nanos(
        u64::try_from(nanos).unwrap_or(u64::MAX),
    ))
}

/// When to try again what the peer refused for now, spread so that two ends which refused each other
/// do not meet again (RFC 7296 §2.25).
pub(crate) fn retry_at(ctx: &mut Context<'_>) -> Instant {
    let pause = ctx.settings.retry_after_refusal;
    ctx.now + shortened(pause.saturating_mul(2), 75, ctx.entropy)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn jitter_takes_off_at_most_its_share() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(shortened(hour, 10, &mut Fixed(0)), hour);
        assert_eq!(
            shortened(hour, 10, &mut Fixed(255)),
            Duration::from_secs(3_240)
        );
        assert_eq!(shortened(hour, 0, &mut Fixed(255)), hour);
        assert_eq!(shortened(hour, 255, &mut Fixed(255)), Duration::ZERO);
    }

    #[test]
    fn what_is_not_limited_never_ends() {
        let policy = RekeyPolicy {
            time: None,
            bytes: None,
            packets: None,
            hard_time: Some(Duration::from_secs(9)),
            jitter_percent: 0,
        };
        let ends = Lifetimes::from(&policy, Instant::from_secs(1), &mut Fixed(1));
        assert_eq!(ends.rekey_at, Instant::MAX);
        assert_eq!(ends.expires_at, Instant::from_secs(10));
    }
}
