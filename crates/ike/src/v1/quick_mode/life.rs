//! Lifetimes of Child SAs as attributes (RFC 2407 §4.5, §4.6.3.1).

use core::time::Duration;

use ipsec::RekeyPolicy;
use wire::ikev1::Attribute;
use wire::ikev1::numbers::phase2::{attribute, life_type};

/// Octets of a kilobyte.
const KILOBYTE: u64 = 1_024;

/// What an SA may live to; `None` when nothing was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Life {
    pub(super) seconds: Option<u64>,
    pub(super) kilobytes: Option<u64>,
}

impl Life {
    /// What we propose: when the SA is gone, not when we rekey it.
    pub(super) fn of(policy: &RekeyPolicy) -> Self {
        let seconds = policy.hard_time.or(policy.time);
        let octets = policy.bytes.map(|soft| soft.saturating_add(soft / 10));
        Self {
            seconds: seconds.map(|time| time.as_secs().max(1)),
            kilobytes: octets.map(|octets| (octets / KILOBYTE).max(1)),
        }
    }

    /// The shorter of two, limit by limit.
    pub(super) fn shorter(self, other: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            seconds: least(self.seconds, other.seconds),
            kilobytes: least(self.kilobytes, other.kilobytes),
        }
    }

    /// The limits of ours that a peer with other ones has to be told (RFC 2407 §4.6.3.1).
    pub(super) fn to_be_told(self, peer: Self) -> Self {
        // RFC 2407 §4.5: who says nothing means eight hours, and no limit by volume.
        let told = |own: Option<u64>, peer: u64| own.filter(|own| *own < peer);
        Self {
            seconds: told(self.seconds, peer.seconds.unwrap_or(28_800)),
            kilobytes: told(self.kilobytes, peer.kilobytes.unwrap_or(u64::MAX)),
        }
    }

    /// Neither limit is there.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The limit by time.
    pub(super) fn time(self) -> Option<Duration> {
        self.seconds.map(Duration::from_secs)
    }

    /// The limit by volume.
    pub(super) fn octets(self) -> Option<u64> {
        let kilobytes = self.kilobytes?;
        Some(kilobytes.saturating_mul(KILOBYTE))
    }

    /// Reads a list of attributes that holds nothing but lifetimes.
    pub(super) fn read(attributes: &[Attribute<'_>]) -> Self {
        let mut life = LifeReader::default();
        for Attribute { kind, value } in attributes {
            match (*kind, value.number()) {
                (attribute::LIFE_TYPE, Some(unit)) => life.unit(unit),
                (attribute::LIFE_DURATION, duration) => life.duration(duration),
                _ => {}
            }
        }
        life.finish()
    }
}

/// Reads the pairs of unit and duration, which stand one after the other.
#[derive(Default)]
pub(super) struct LifeReader {
    unit: Option<u64>,
    life: Life,
}

impl LifeReader {
    pub(super) fn unit(&mut self, unit: u64) {
        self.unit = Some(unit);
    }

    /// A duration of zero, or longer than eight octets can say, limits nothing.
    pub(super) fn duration(&mut self, duration: Option<u64>) {
        let duration = duration.filter(|duration| *duration > 0);
        let unit = self.unit.take();
        if unit == Some(u64::from(life_type::SECONDS)) {
            self.life.seconds = duration;
        } else if unit == Some(u64::from(life_type::KILOBYTES)) {
            self.life.kilobytes = duration;
        }
    }

    pub(super) fn finish(self) -> Life {
        self.life
    }
}

/// Durations as octets, which attributes borrow.
pub(super) struct Durations {
    seconds: Option<[u8; 4]>,
    kilobytes: Option<[u8; 4]>,
}

impl Durations {
    /// Durations beyond four octets are written as the longest of these.
    pub(super) fn new(life: Life) -> Self {
        let octets = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
        Self {
            seconds: life.seconds.map(octets),
            kilobytes: life.kilobytes.map(octets),
        }
    }

    pub(super) fn attributes(&self) -> Vec<Attribute<'_>> {
        let mut attributes = Vec::with_capacity(8);
        for (unit, duration) in [
            (life_type::SECONDS, &self.seconds),
            (life_type::KILOBYTES, &self.kilobytes),
        ] {
            if let Some(duration) = duration {
                attributes.push(Attribute::basic(attribute::LIFE_TYPE, unit));
                attributes.push(Attribute::variable(attribute::LIFE_DURATION, duration));
            }
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_told_of_what_is_shorter_than_it_thinks() {
        let life = |seconds, kilobytes| Life { seconds, kilobytes };
        let own = life(Some(3_600), Some(1_000));
        assert_eq!(own.to_be_told(own), Life::default());
        assert_eq!(own.to_be_told(life(None, None)), own);
        assert_eq!(
            own.to_be_told(life(Some(7_200), Some(10))),
            life(Some(3_600), None)
        );
        let long = life(Some(86_400), None);
        assert!(
            long.to_be_told(life(None, None)).is_empty(),
            "the default is shorter"
        );
        assert_eq!(
            own.shorter(life(Some(60), None)),
            life(Some(60), Some(1_000))
        );
    }

    #[test]
    fn limits_of_a_policy_are_the_hard_ones() {
        let policy = RekeyPolicy {
            time: Some(Duration::from_secs(3_000)),
            hard_time: Some(Duration::from_secs(3_600)),
            bytes: Some(10_240_000),
            packets: Some(9),
            jitter_percent: 10,
        };
        let life = Life::of(&policy);
        assert_eq!(life.seconds, Some(3_600));
        assert_eq!(life.kilobytes, Some(11_000));
        let nothing = RekeyPolicy {
            time: None,
            hard_time: None,
            bytes: None,
            ..policy
        };
        assert!(Life::of(&nothing).is_empty());
    }

    #[test]
    fn durations_follow_their_units() {
        let read = |attributes: &[Attribute<'_>]| {
            let life = Life::read(attributes);
            (life.seconds, life.kilobytes)
        };
        let (unit, duration) = (1, 2);
        let long = [0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            read(&[
                Attribute::basic(unit, 2),
                Attribute::basic(duration, 7),
                Attribute::basic(unit, 1),
                Attribute::variable(duration, &[1, 0, 0]),
            ]),
            (Some(65_536), Some(7))
        );
        assert_eq!(read(&[Attribute::basic(duration, 7)]), (None, None));
        assert_eq!(
            read(&[
                Attribute::basic(unit, 1),
                Attribute::variable(duration, &long)
            ]),
            (None, None)
        );
        assert_eq!(
            read(&[Attribute::basic(unit, 1), Attribute::basic(duration, 0)]),
            (None, None)
        );
    }
}
