//! Whose turn it is among the peers of a connection, and when.

use core::time::Duration;

use ipsec::ConnectionPolicy;

/// The pause after a round in which no peer answered; it doubles with each further round.
const ROUND_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between two rounds.
const ROUND_MAX: Duration = Duration::from_secs(60);
/// The pause between two peers of one round.
const STEP: Duration = Duration::from_millis(100);

/// The ordered peers of a connection, of which the last is followed by the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ring {
    count: u16,
    default: Option<u16>,
}

impl Ring {
    /// `None` if the connection has nobody to connect to.
    pub(crate) fn of(policy: &ConnectionPolicy) -> Option<Self> {
        let count = u16::try_from(policy.remote_addrs.len()).ok()?;
        let default = policy.default_peer.filter(|default| *default < count);
        (count > 0).then_some(Self { count, default })
    }

    /// Whether there is anybody else to turn to.
    pub(crate) const fn has_several(self) -> bool {
        self.count > 1
    }

    /// With whom a new need begins: the default peer, or else the one whose turn it is.
    pub(crate) fn afresh(self, turn: u16) -> u16 {
        self.default.unwrap_or(turn % self.count)
    }

    /// Who follows one that could not be reached.
    pub(crate) const fn after(self, failed: u16) -> u16 {
        failed.wrapping_add(1) % self.count
    }

    /// Who follows one that died: the default peer, unless it is the dead one; else the next, or with
    /// `again` the same.
    pub(crate) fn after_death(self, dead: u16, again: bool) -> u16 {
        match self.default {
            Some(default) if default != dead => default,
            _ if again => dead % self.count,
            _ => self.after(dead),
        }
    }

    /// Whether a round is over in which each peer was tried, after so many failures in a row.
    pub(crate) const fn round_is_over(self, failures: u32) -> bool {
        failures.is_multiple_of(self.count as u32)
    }

    /// The pause after so many failures in a row: short before the other peers of the round, growing
    /// from round to round. `random` adds up to half as much again, so that those who failed together
    /// do not return together.
    pub(crate) fn pause(self, failures: u32, random: u32) -> Duration {
        let pause = if self.round_is_over(failures) {
            let rounds = failures / u32::from(self.count);
            let doublings = rounds.saturating_sub(1).min(6);
            ROUND_FIRST.saturating_mul(1 << doublings).min(ROUND_MAX)
        } else {
            STEP
        };
        pause + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(count: u16, default: Option<u16>) -> Ring {
        Ring { count, default }
    }

    #[test]
    fn the_last_is_followed_by_the_first() {
        let three = ring(3, None);
        assert_eq!([0, 1, 2].map(|failed| three.after(failed)), [1, 2, 0]);
        assert_eq!(three.after(u16::MAX), 0);
        assert_eq!(three.after_death(2, false), 0);
        assert_eq!(three.after_death(2, true), 2);
        assert_eq!(three.afresh(2), 2, "who answered last is asked again");
    }

    #[test]
    fn the_default_is_preferred_unless_it_is_the_one_that_died() {
        let three = ring(3, Some(1));
        assert_eq!([0, 1, 2].map(|turn| three.afresh(turn)), [1; 3]);
        assert_eq!([0, 2].map(|dead| three.after_death(dead, false)), [1; 2]);
        assert_eq!(three.after_death(1, false), 2);
        assert_eq!(three.after_death(1, true), 1);
    }

    #[test]
    fn pauses_are_short_within_a_round_and_grow_from_round_to_round() {
        let three = ring(3, None);
        let seconds = |failures, random| three.pause(failures, random).as_secs_f64();
        assert!((seconds(1, 0) - 0.1).abs() < 1e-9);
        assert!((seconds(2, u32::MAX) - 0.15).abs() < 1e-9);
        let rounds: Vec<_> = (1..10).map(|round| seconds(3 * round, 0)).collect();
        assert_eq!(
            rounds,
            [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0],
            "bounded"
        );
        assert!((seconds(u32::MAX - 1, u32::MAX) - 0.15).abs() < 1e-9);
        assert!((seconds(u32::MAX, u32::MAX) - 90.0).abs() < 1e-6);
        let alone = ring(1, None);
        assert!((alone.pause(1, 0).as_secs_f64() - 1.0).abs() < 1e-9);
    }
}
