//! How long a worker lets datagrams gather (ADR 0012).

use core::time::Duration;

use timer::Instant;

/// While no ESP moves, a round begins this long after the one before it at the earliest: datagrams that
/// come one by one, as answers to probes do, would each cost a wake-up.
const ROUND_MIN: Duration = Duration::from_millis(1);
/// Without ESP for so long, nobody notices that.
const ESP_QUIET: Duration = Duration::from_millis(100);

/// What a worker remembers of ESP.
#[derive(Default)]
pub(crate) struct Gather {
    /// Packets seen so far.
    packets: u64,
    /// When the latest was seen.
    at: Option<Instant>,
}

impl Gather {
    /// How long the next round must wait, when the latest began at `woke` and so much ESP has passed
    /// since the start.
    pub(crate) fn pause(&mut self, packets: u64, woke: Instant, now: Instant) -> Duration {
        if packets != self.packets {
            self.packets = packets;
            self.at = Some(now);
        }
        if self.at.is_some_and(|at| now - at < ESP_QUIET) {
            return Duration::ZERO;
        }
        ROUND_MIN.saturating_sub(now - woke)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1_000)
    }

    #[test]
    fn rounds_without_esp_begin_a_millisecond_apart() {
        let mut gather = Gather::default();
        let pause = gather.pause(0, micros(5_000), micros(5_040));
        assert_eq!(pause, Duration::from_micros(960));
        assert_eq!(
            gather.pause(0, micros(5_000), micros(6_100)),
            Duration::ZERO
        );
    }

    #[test]
    fn esp_is_waited_for_at_once_until_it_has_been_quiet() {
        let mut gather = Gather::default();
        let start = micros(1_000_000);
        assert_eq!(gather.pause(1, start, start), Duration::ZERO);
        let soon = micros(1_099_000);
        assert_eq!(gather.pause(1, soon, soon), Duration::ZERO);
        let later = micros(1_101_000);
        assert_eq!(gather.pause(1, later, later), ROUND_MIN);
        assert_eq!(gather.pause(2, later, later), Duration::ZERO);
    }
}
