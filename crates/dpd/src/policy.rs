//! What the operator can set, with its ranges.

use core::time::Duration;

use crate::policy_error::{PolicyError, Setting};

/// When we probe of our own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Only if there is traffic to send and nothing was heard for `interval`.
    OnDemand,
    /// Whenever nothing was heard for `interval`.
    Periodic,
    /// On demand, and after the long idle time `cleanup` even without traffic.
    Hybrid,
    /// Never; the peer's probes are answered and its death is left to it.
    RespondOnly,
    /// Never; nothing about liveness is offered to the peer.
    Off,
}

/// What to do after a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Remove the SAs and their routes.
    Clear,
    /// Remove the SAs and keep a trap: the next packet initiates again.
    Hold,
    /// Initiate again at once.
    Restart,
    /// Initiate to the next address of the ordered peer list, wrapping.
    NextPeer,
}

/// Which proofs restart the periodic interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuppressOn {
    /// The peer's own liveness check only, as IOS does.
    Hello,
    /// Any IKE message.
    Ike,
    /// Any proof, ESP included.
    Any,
}

/// How the tries of a probe are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// R-U-THERE (RFC 3706): each try is a new exchange, at a fixed distance.
    Ikev1,
    /// An empty INFORMATIONAL request (RFC 7296 §2.4): a try is a retransmission, so gaps grow.
    Ikev2,
}

/// Dead peer detection as configured, for everyone, for a connection or for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DpdPolicy {
    /// When we probe of our own accord.
    pub mode: Mode,
    /// How long nothing may be heard before we ask.
    pub interval: Duration,
    /// Time between the tries of one probe; see [`DpdPolicy::gap`].
    pub retry: Duration,
    /// Tries after the first.
    pub retries: u8,
    /// How much longer each gap is than the one before (IKEv2), in per cent: 120 is a factor of 1.2.
    pub backoff_percent: u16,
    /// What to do after a verdict.
    pub action: Action,
    /// Idle time after which even a silent tunnel is probed; [`Mode::Hybrid`] only.
    pub cleanup: Option<Duration>,
    /// Share of `interval` by which a probe may come early, so that peers that came up together do
    /// not probe together. It never makes one late.
    pub jitter_percent: u8,
    /// Which proofs restart the periodic interval.
    pub suppress_on: SuppressOn,
    /// How long a peer may stay suspect before the verdict falls anyway; ten intervals if not set.
    pub suspect_max: Option<Duration>,
    /// Permits intervals and gaps below the ranges that suit a network, for labs and tests.
    pub allow_fast: bool,
}

impl Default for DpdPolicy {
    fn default() -> Self {
        Self {
            mode: Mode::OnDemand,
            interval: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            retries: 4,
            backoff_percent: 120,
            action: Action::Clear,
            cleanup: None,
            jitter_percent: 10,
            suppress_on: SuppressOn::Any,
            suspect_max: None,
            allow_fast: false,
        }
    }
}

/// Shortest, shortest with `allow-fast`, longest.
struct TimeRange(Duration, Duration, Duration);

const INTERVAL: TimeRange = TimeRange(
    Duration::from_secs(10),
    Duration::from_millis(100),
    Duration::from_secs(3_600),
);
const RETRY: TimeRange = TimeRange(
    Duration::from_secs(2),
    Duration::from_millis(50),
    Duration::from_secs(60),
);
const CLEANUP: TimeRange = TimeRange(
    Duration::from_secs(60),
    Duration::from_millis(200),
    Duration::from_secs(86_400),
);
const SUSPECT_MAX: TimeRange = TimeRange(
    Duration::from_secs(10),
    Duration::from_millis(100),
    Duration::from_secs(86_400),
);
const FIRST_GAP: TimeRange = TimeRange(
    Duration::from_millis(100),
    Duration::from_millis(5),
    Duration::MAX,
);

impl DpdPolicy {
    /// Checks every range.
    ///
    /// # Errors
    /// All settings that are wrong, in the order in which a configuration lists them.
    pub fn validate(&self) -> Result<(), Vec<PolicyError>> {
        let mut errors = Vec::new();
        let times = [
            (Setting::Interval, Some(self.interval), INTERVAL),
            (Setting::Retry, Some(self.retry), RETRY),
            (Setting::Cleanup, self.cleanup, CLEANUP),
            (Setting::SuspectMax, self.suspect_max, SUSPECT_MAX),
        ];
        for (setting, given, range) in times {
            errors.extend(given.and_then(|given| self.check_time(setting, given, &range)));
        }
        let numbers = [
            (Setting::Retries, u32::from(self.retries), 1, 20),
            (Setting::Backoff, u32::from(self.backoff_percent), 120, 300),
            (Setting::Jitter, u32::from(self.jitter_percent), 0, 50),
        ];
        for (setting, given, min, max) in numbers {
            if !(min..=max).contains(&given) {
                errors.push(PolicyError::Number {
                    setting,
                    given,
                    min,
                    max,
                });
            }
        }
        errors.extend(self.check_cleanup());
        if errors.is_empty() {
            errors.extend(self.check_first_gap());
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn check_time(
        &self,
        setting: Setting,
        given: Duration,
        range: &TimeRange,
    ) -> Option<PolicyError> {
        let &TimeRange(usual_min, fast_min, max) = range;
        let min = if self.allow_fast { fast_min } else { usual_min };
        if (min..=max).contains(&given) {
            return None;
        }
        let fast_helps = !self.allow_fast && (fast_min..usual_min).contains(&given);
        Some(PolicyError::Time {
            setting,
            given,
            min,
            max,
            fast_min: fast_helps.then_some(fast_min),
        })
    }

    fn check_cleanup(&self) -> Option<PolicyError> {
        let cleanup = self.cleanup?;
        if self.mode != Mode::Hybrid {
            return Some(PolicyError::CleanupWithoutHybrid);
        }
        (cleanup <= self.interval).then_some(PolicyError::CleanupWithinInterval {
            cleanup,
            interval: self.interval,
        })
    }

    fn check_first_gap(&self) -> Option<PolicyError> {
        let TimeRange(usual, fast, _) = FIRST_GAP;
        let min = if self.allow_fast { fast } else { usual };
        let gap = self.gap(Protocol::Ikev2, 1);
        (gap < min).then_some(PolicyError::FirstGapTooShort { gap, min })
    }

    /// Whether this mode ever probes of its own accord.
    #[must_use]
    pub const fn probes(&self) -> bool {
        !matches!(self.mode, Mode::RespondOnly | Mode::Off)
    }

    /// Tries of a whole probe: the first and the retries.
    #[must_use]
    pub const fn tries(&self) -> u8 {
        self.retries.saturating_add(1)
    }

    /// From the first try of a probe to the verdict: `(1 + retries) × retry`, in either protocol.
    #[must_use]
    pub fn probe_duration(&self) -> Duration {
        self.retry.saturating_mul(u32::from(self.tries()))
    }

    /// How long to wait after try number `number` (from 1) for its answer.
    ///
    /// IKEv1 waits `retry` each time. In IKEv2 each gap is `backoff` times the one before, scaled so
    /// that together they last exactly as long as the fixed gaps would.
    #[must_use]
    pub fn gap(&self, protocol: Protocol, number: u8) -> Duration {
        match protocol {
            Protocol::Ikev1 => self.retry,
            // RFC 7296 §2.4: retransmission times must grow.
            Protocol::Ikev2 => self
                .growing_offset(number)
                .saturating_sub(self.growing_offset(number.saturating_sub(1))),
        }
    }

    /// Time from the first try to the end of the gap after try `number`, with growing gaps.
    fn growing_offset(&self, number: u8) -> Duration {
        let sum_of = |gaps: u8| {
            let mut weight = 1_u128 << 20;
            let mut sum = 0;
            for _ in 0..gaps {
                sum += weight;
                weight = weight * u128::from(self.backoff_percent) / 100;
            }
            sum
        };
        let whole = sum_of(self.tries());
        let nanos = self.probe_duration().as_nanos() * sum_of(number.min(self.tries())) / whole;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The longest time from a peer's last sign of life to the verdict, without a tick of the wheel
    /// and without repeated tries. On demand it runs only if there is traffic to send; a mode that
    /// never probes has no bound.
    #[must_use]
    pub fn detection_bound(&self) -> Option<Duration> {
        self.probes()
            .then(|| self.interval.saturating_add(self.probe_duration()))
    }

    /// How long a peer may stay suspect: the setting, or ten intervals.
    #[must_use]
    pub fn suspect_duration_max(&self) -> Duration {
        self.suspect_max
            .unwrap_or_else(|| self.interval.saturating_mul(10))
    }
}
