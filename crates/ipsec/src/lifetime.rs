use crate::RekeyPolicy;

/// How much an SA may carry, per direction (RFC 4301 §4.4.2.1). `u64::MAX` stands for no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VolumeLimits {
    /// Octets of inner packets after which a rekey is due.
    pub soft_bytes: u64,
    /// Packets after which a rekey is due.
    pub soft_packets: u64,
    /// Octets after which nothing passes.
    pub hard_bytes: u64,
    /// Packets after which nothing passes.
    pub hard_packets: u64,
}

/// How far an SA has come in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LifeStage {
    /// No limit is near.
    Fresh,
    /// Rekey now.
    Soft,
    /// Nothing passes any more.
    Hard,
}

impl VolumeLimits {
    /// No limit at all.
    pub const NONE: Self = Self {
        soft_bytes: u64::MAX,
        soft_packets: u64::MAX,
        hard_bytes: u64::MAX,
        hard_packets: u64::MAX,
    };

    /// The limits that a policy sets. `random` decides how much of the jitter is taken off the soft
    /// limits; the hard ones are a tenth above the limits as configured.
    #[must_use]
    pub fn from_policy(policy: &RekeyPolicy, random: u32) -> Self {
        let share = u64::from(policy.jitter_percent.min(100)) * u64::from(random) / 100;
        let soft = |limit: u64| limit - scale(limit, share);
        let hard = |limit: u64| limit.saturating_add(limit / 10);
        Self {
            soft_bytes: policy.bytes.map_or(u64::MAX, soft),
            soft_packets: policy.packets.map_or(u64::MAX, soft),
            hard_bytes: policy.bytes.map_or(u64::MAX, hard),
            hard_packets: policy.packets.map_or(u64::MAX, hard),
        }
    }

    /// The same, but nothing passes after `octets` if that is less, and a rekey is due in good time
    /// before.
    #[must_use]
    pub fn within(self, octets: u64) -> Self {
        if octets >= self.hard_bytes {
            return self;
        }
        Self {
            soft_bytes: self.soft_bytes.min(octets - octets / 10),
            hard_bytes: octets,
            ..self
        }
    }

    /// Where an SA stands that has carried so much.
    #[must_use]
    pub const fn stage(&self, bytes: u64, packets: u64) -> LifeStage {
        if bytes >= self.hard_bytes || packets >= self.hard_packets {
            LifeStage::Hard
        } else if bytes >= self.soft_bytes || packets >= self.soft_packets {
            LifeStage::Soft
        } else {
            LifeStage::Fresh
        }
    }
}

/// `limit` times `share`, where 2³² is one.
fn scale(limit: u64, share: u64) -> u64 {
    let product = (u128::from(limit) * u128::from(share)) >> 32;
    u64::try_from(product).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RekeyPolicy = RekeyPolicy {
        time: None,
        bytes: Some(1_000_000),
        packets: None,
        hard_time: None,
        jitter_percent: 10,
    };

    #[test]
    fn jitter_shortens_soft_limits_only() {
        let (none, most) = (
            VolumeLimits::from_policy(&POLICY, 0),
            VolumeLimits::from_policy(&POLICY, u32::MAX),
        );
        assert_eq!(none.soft_bytes, 1_000_000);
        assert!(
            (900_000..=900_001).contains(&most.soft_bytes),
            "{}",
            most.soft_bytes
        );
        assert_eq!((none.hard_bytes, most.hard_bytes), (1_100_000, 1_100_000));
        assert_eq!((none.soft_packets, none.hard_packets), (u64::MAX, u64::MAX));
    }

    #[test]
    fn what_a_peer_allows_shortens_and_never_lengthens() {
        let limits = VolumeLimits::from_policy(&POLICY, 0);
        let shorter = limits.within(500_000);
        assert_eq!((shorter.soft_bytes, shorter.hard_bytes), (450_000, 500_000));
        assert_eq!(limits.within(9_000_000), limits);
        let alone = VolumeLimits::NONE.within(1_000);
        assert_eq!((alone.soft_bytes, alone.hard_bytes), (900, 1_000));
        assert_eq!(alone.soft_packets, u64::MAX);
    }

    #[test]
    fn stages_follow_the_first_limit_reached() {
        let limits = VolumeLimits {
            soft_packets: 5,
            hard_packets: 9,
            ..VolumeLimits::NONE
        };
        assert_eq!(limits.stage(u64::MAX - 1, 4), LifeStage::Fresh);
        assert_eq!(limits.stage(0, 5), LifeStage::Soft);
        assert_eq!(limits.stage(0, 9), LifeStage::Hard);
        let limits = VolumeLimits::from_policy(&POLICY, 0);
        assert_eq!(limits.stage(1_000_000, 1), LifeStage::Soft);
        assert_eq!(limits.stage(1_100_000, 1), LifeStage::Hard);
    }
}
