use core::num::NonZeroU16;
use core::time::Duration;

/// Limits and times that hold for every IKE SA of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Time until a request is sent for the second time.
    pub retransmit_first: Duration,
    /// Each gap between transmissions is this many percent of the gap before; more than 100.
    pub retransmit_growth_percent: u32,
    /// The longest gap between two transmissions of one request.
    pub retransmit_gap_max: Duration,
    /// Transmissions of one request after the first, before the IKE SA is given up.
    pub retransmits_max: u8,
    /// Time in which a peer must have authenticated, and in which a responder must have answered
    /// IKE_SA_INIT and IKE_AUTH.
    pub half_open_timeout: Duration,
    /// Time in which a computation must come back; then its exchange is given up.
    pub computation_timeout: Duration,
    /// Shards over which newcomers are spread by their addresses and ports: each counts its part of them, and holds it against its part of
    /// the limits that follow.
    pub shards: NonZeroU16,
    /// Half-open IKE SAs at most, from all sources.
    pub half_open_max: usize,
    /// Half-open IKE SAs at most from one source prefix (IPv4 /24, IPv6 /64).
    pub half_open_prefix_max: usize,
    /// Half-open IKE SAs from all sources above which every source must return a cookie.
    pub cookie_threshold: usize,
    /// Half-open IKE SAs from one source prefix above which that prefix must return a cookie.
    pub cookie_threshold_prefix: usize,
    /// Half-open IKE SAs from all sources above which every source must solve a puzzle (RFC 8019).
    pub puzzle_threshold: usize,
    /// Half-open IKE SAs from one source prefix above which that prefix must solve a puzzle.
    pub puzzle_threshold_prefix: usize,
    /// Zero bits of a puzzle at the threshold.
    pub puzzle_bits: u8,
    /// Zero bits of a puzzle when the last place is nearly taken.
    pub puzzle_bits_max: u8,
    /// Zero bits of the hardest puzzle that we solve as initiator; 0 to solve none.
    pub puzzle_bits_accepted: u8,
    /// Time after which the cookie secret is replaced; the one before stays good for as long again.
    pub cookie_lifetime: Duration,
    /// Unprotected refusals (INVALID_KE_PAYLOAD and the like) sent per second at most.
    pub refusals_per_second: u32,
    /// Child SAs of one IKE SA at most.
    pub children_max: usize,
    /// Requests of ours that may wait for the window at most.
    pub queue_max: usize,
    /// Pause before an exchange that the peer refused with TEMPORARY_FAILURE, or that failed, is
    /// tried again (RFC 7296 §2.25).
    pub retry_after_refusal: Duration,
    /// How long a peer may refuse with TEMPORARY_FAILURE before the IKE SA is given up as out of
    /// sync (RFC 7296 §2.25: several minutes).
    pub refusals_end: Duration,
}

impl Settings {
    /// One shard's part of a limit that all share.
    pub(crate) fn part(&self, limit: usize) -> usize {
        limit.div_ceil(usize::from(self.shards.get()))
    }

    /// One shard's part of the unprotected refusals that may leave in a second.
    pub(crate) fn refusals_part(&self) -> u32 {
        self.refusals_per_second
            .div_ceil(u32::from(self.shards.get()))
    }

    /// The pause after the transmission with this number (0 is the first) of a request.
    #[must_use]
    pub fn retransmit_gap(&self, transmission: u8) -> Duration {
        let mut gap = self.retransmit_first;
        for _ in 0..transmission {
            gap = gap.saturating_mul(self.retransmit_growth_percent) / 100;
            if gap >= self.retransmit_gap_max {
                return self.retransmit_gap_max;
            }
        }
        gap
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retransmit_first: Duration::from_millis(500),
            retransmit_growth_percent: 200,
            retransmit_gap_max: Duration::from_secs(32),
            retransmits_max: 7,
            half_open_timeout: Duration::from_secs(30),
            computation_timeout: Duration::from_secs(10),
            shards: NonZeroU16::MIN,
            half_open_max: 20_000,
            half_open_prefix_max: 2_000,
            cookie_threshold: 2_000,
            cookie_threshold_prefix: 200,
            puzzle_threshold: 10_000,
            puzzle_threshold_prefix: 1_000,
            puzzle_bits: 16,
            puzzle_bits_max: 20,
            puzzle_bits_accepted: 20,
            cookie_lifetime: Duration::from_secs(60),
            refusals_per_second: 200,
            children_max: 64,
            queue_max: 16,
            retry_after_refusal: Duration::from_secs(5),
            refusals_end: Duration::from_secs(180),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_up_to_their_limit() {
        let settings = Settings::default();
        let gaps: Vec<u64> = (0..9)
            .map(|n| u64::try_from(settings.retransmit_gap(n).as_millis()).expect("small"))
            .collect();
        assert_eq!(
            gaps,
            [
                500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000, 32_000
            ]
        );
    }
}
