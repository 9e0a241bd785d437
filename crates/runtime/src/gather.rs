//! How long a worker lets datagrams gather (ADR 0012).

use core::time::Duration;

use timer::Instant;

/// While no ESP moves, a round begins this long after the one before it at the earliest: datagrams that
/// come one by one, as answers to probes do, would each cost a wake-up.
const ROUND_MIN: Duration = Duration::from_millis(1);
/// The same while much ESP moves: its packets would take longer to wake for than to open or seal.
const ROUND_MIN_DENSE: Duration = Duration::from_micros(50);
/// Without ESP for so long, nobody notices that.
const ESP_QUIET: Duration = Duration::from_millis(100);
/// How long packets are counted before it is known how dense they are.
const SPELL: Duration = Duration::from_millis(1);
/// ESP packets a second from which on they are dense.
const DENSE_RATE: u64 = 40_000;

/// What a worker remembers of ESP.
#[derive(Default)]
pub(crate) struct Gather {
    /// Packets seen so far.
    packets: u64,
    /// When the latest was seen.
    at: Option<Instant>,
    spell: Spell,
}

impl Gather {
    /// How long the next round must wait, when the latest began at `woke` and so much ESP has passed
    /// since the start.
    pub(crate) fn pause(&mut self, packets: u64, woke: Instant, now: Instant) -> Duration {
        if packets != self.packets {
            self.packets = packets;
            self.at = Some(now);
        }
        self.spell.count(packets, now);
        let least = match self.at {
            Some(_) if self.spell.is_dense => ROUND_MIN_DENSE,
            Some(at) if now - at < ESP_QUIET => Duration::ZERO,
            _ => ROUND_MIN,
        };
        least.saturating_sub(now - woke)
    }
}

/// How much ESP moved lately.
#[derive(Default)]
struct Spell {
    began: Option<Instant>,
    /// Packets that had passed when it began.
    packets: u64,
    /// Whether they were many in the spell before it.
    is_dense: bool,
}

impl Spell {
    fn count(&mut self, packets: u64, now: Instant) {
        let lasted = self.began.map_or(SPELL, |began| now - began);
        if lasted < SPELL {
            return;
        }
        let passed = packets.saturating_sub(self.packets);
        let dense = DENSE_RATE.saturating_mul(lasted.as_micros() as u64) / 1_000_000;
        self.is_dense = self.began.is_some() && passed >= dense;
        self.packets = packets;
        self.began = Some(now);
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

    #[test]
    fn dense_esp_gathers_while_it_lasts() {
        let mut gather = Gather::default();
        let mut packets = 0;
        let mut pauses = Vec::new();
        for round in 0..40 {
            let woke = micros(round * 100);
            packets += 10;
            pauses.push(gather.pause(packets, woke, woke + Duration::from_micros(20)));
        }
        assert_eq!(pauses[..10], [Duration::ZERO; 10], "nothing is known yet");
        assert_eq!(pauses[11..], [Duration::from_micros(30); 29]);
        for round in 40..60 {
            let woke = micros(round * 100);
            packets += 1;
            pauses.push(gather.pause(packets, woke, woke));
        }
        assert_eq!(pauses[51..], [Duration::ZERO; 9]);
    }
}
