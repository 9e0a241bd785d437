//! Why a policy cannot be used.

use core::fmt;
use core::time::Duration;

/// A setting of [`DpdPolicy`](crate::DpdPolicy), by the name that the configuration gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    /// `interval`
    Interval,
    /// `retry`
    Retry,
    /// `retries`
    Retries,
    /// `backoff`
    Backoff,
    /// `cleanup`
    Cleanup,
    /// `jitter`
    Jitter,
    /// `suspect-max`
    SuspectMax,
}

impl Setting {
    /// The name in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Retry => "retry",
            Self::Retries => "retries",
            Self::Backoff => "backoff",
            Self::Cleanup => "cleanup",
            Self::Jitter => "jitter",
            Self::SuspectMax => "suspect-max",
        }
    }
}

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// A time lies outside its range.
    Time {
        /// Which one.
        setting: Setting,
        /// What was given.
        given: Duration,
        /// The shortest that is allowed.
        min: Duration,
        /// The longest that is allowed.
        max: Duration,
        /// The shortest that `allow-fast` would permit, if that is what is missing.
        fast_min: Option<Duration>,
    },
    /// A number lies outside its range.
    Number {
        /// Which one.
        setting: Setting,
        /// What was given.
        given: u32,
        /// The least that is allowed.
        min: u32,
        /// The greatest that is allowed.
        max: u32,
    },
    /// `cleanup` is set and the mode is not `hybrid`.
    CleanupWithoutHybrid,
    /// `cleanup` is not longer than `interval`.
    CleanupWithinInterval {
        /// The clean-up time given.
        cleanup: Duration,
        /// The interval that it has to exceed.
        interval: Duration,
    },
    /// With so many retries and so steep a backoff the first gap of a probe would be too short.
    FirstGapTooShort {
        /// The gap that the settings lead to.
        gap: Duration,
        /// The shortest that is allowed.
        min: Duration,
    },
}

impl PolicyError {
    /// The setting to change.
    #[must_use]
    pub const fn setting(&self) -> Setting {
        match self {
            Self::Time { setting, .. } | Self::Number { setting, .. } => *setting,
            Self::CleanupWithoutHybrid | Self::CleanupWithinInterval { .. } => Setting::Cleanup,
            Self::FirstGapTooShort { .. } => Setting::Backoff,
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time {
                setting,
                given,
                min,
                max,
                fast_min,
            } => {
                write!(
                    f,
                    "{} is {given:?}; it must be between {min:?} and {max:?}",
                    setting.as_str()
                )?;
                match fast_min {
                    Some(fast) => write!(f, " (allow-fast permits {fast:?} and more, for labs)"),
                    None => Ok(()),
                }
            }
            Self::Number {
                setting: Setting::Backoff,
                given,
                min,
                max,
            } => write!(
                f,
                "backoff is {}; it must be between {} and {}",
                Factor(*given),
                Factor(*min),
                Factor(*max)
            ),
            Self::Number {
                setting,
                given,
                min,
                max,
            } => write!(
                f,
                "{} is {given}; it must be between {min} and {max}",
                setting.as_str()
            ),
            Self::CleanupWithoutHybrid => {
                f.write_str("cleanup has a meaning only in the mode hybrid")
            }
            Self::CleanupWithinInterval { cleanup, interval } => write!(
                f,
                "cleanup is {cleanup:?}; it must be longer than the interval of {interval:?}"
            ),
            Self::FirstGapTooShort { gap, min } => write!(
                f,
                "with this many retries the backoff leaves {gap:?} between the first two tries; \
                 at least {min:?} is needed: lower backoff or retries, or raise retry"
            ),
        }
    }
}

impl core::error::Error for PolicyError {}

/// Shows per cent as the factor that a configuration writes.
struct Factor(u32);

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
