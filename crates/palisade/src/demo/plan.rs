//! How the demonstration goes: when peers come, when they die, and by which policy that is found out.

use std::time::Duration;

use anyhow::{Result, bail};
use dpd::{DpdPolicy, Mode, SuppressOn};

use crate::cli::DemoArgs;

/// Peers that come in a second.
const ARRIVALS_PER_SECOND: f64 = 500.0;
/// Larger crowds come in this time.
const ARRIVAL_S_MAX: f64 = 20.0;
/// Deaths in a second at most: many more in one fault domain would rightly be taken for a fault of
/// ours by the breaker.
const DEATHS_PER_SECOND_MAX: f64 = 15.0;
/// From the moment when all are up to the first death.
const CALM_S: f64 = 3.0;
/// For the last handshakes.
const SETTLE_S: f64 = 2.0;
/// After the last verdict that is due, to see that nobody else is declared dead.
const AFTERMATH_S: f64 = 2.0;
/// Packets that all peers together send in a second at most.
const PACKETS_PER_SECOND_MAX: f64 = 4_000.0;
/// The shortest demonstration.
const SECONDS_MIN: u32 = 10;

pub(crate) struct Plan {
    pub(crate) peers: u32,
    pub(crate) dead: u32,
    pub(crate) policy: DpdPolicy,
    pub(crate) arrivals_per_second: f64,
    pub(crate) packets_per_second: f64,
    pub(crate) calm_s: f64,
    pub(crate) spread_s: f64,
    pub(crate) duration_s: f64,
    pub(crate) json: bool,
}

impl Plan {
    pub(crate) fn new(args: &DemoArgs) -> Result<Self> {
        let peers = args.peers;
        let dead = args.dead.unwrap_or(peers / 10);
        if dead > peers {
            bail!("{dead} of {peers} peers cannot die: write --dead {peers} or less");
        }
        let crowd = f64::from(peers);
        let arrival_s = (crowd / ARRIVALS_PER_SECOND).clamp(1.0, ARRIVAL_S_MAX);
        let spread_s = (f64::from(dead) / DEATHS_PER_SECOND_MAX).max(1.0);
        let mut plan = Self {
            peers,
            dead,
            policy: policy(),
            arrivals_per_second: crowd / arrival_s,
            packets_per_second: (PACKETS_PER_SECOND_MAX / crowd).min(2.0),
            calm_s: CALM_S,
            spread_s,
            duration_s: 0.0,
            json: args.json,
        };
        let needed =
            arrival_s + SETTLE_S + CALM_S + spread_s + plan.bound().as_secs_f64() + AFTERMATH_S;
        plan.duration_s = needed.ceil();
        if let Some(seconds) = args.seconds {
            plan.fit(seconds, needed - CALM_S)?;
        }
        Ok(plan)
    }

    /// Makes the run last as long as was asked for.
    fn fit(&mut self, seconds: u32, needed_s: f64) -> Result<()> {
        let least = (needed_s + 1.0).ceil().max(f64::from(SECONDS_MIN));
        if f64::from(seconds) < least {
            bail!(
                "{} peers of which {} die cannot be shown in {seconds} seconds: write --seconds {least} or more, \
                 or fewer --peers or --dead",
                self.peers,
                self.dead
            );
        }
        self.duration_s = f64::from(seconds);
        self.calm_s = self.calm_s.min(self.duration_s - needed_s);
        Ok(())
    }

    /// The longest time in which a death is found.
    pub(crate) fn bound(&self) -> Duration {
        // The policy probes, so that it has a bound.
        self.policy.detection_bound().unwrap_or_default()
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration_s)
    }

    /// The policy in words.
    pub(crate) fn policy_text(&self) -> String {
        format!(
            "periodic: a probe after {} s without IKE from the peer, {} tries within {} s, so a death is found within {} s",
            self.policy.interval.as_secs_f64(),
            self.policy.tries(),
            self.policy.probe_duration().as_secs_f64(),
            self.bound().as_secs_f64(),
        )
    }
}

/// Short times, so that one can watch. Traffic does not put probes off, so that there are some to
/// be seen.
fn policy() -> DpdPolicy {
    DpdPolicy {
        mode: Mode::Periodic,
        interval: Duration::from_secs(3),
        retry: Duration::from_millis(500),
        retries: 4,
        jitter_percent: 20,
        suppress_on: SuppressOn::Ike,
        allow_fast: true,
        ..DpdPolicy::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(peers: u32, dead: Option<u32>, seconds: Option<u32>) -> Result<Plan> {
        Plan::new(&DemoArgs {
            peers,
            dead,
            seconds,
            json: false,
        })
    }

    #[test]
    fn the_policy_is_valid_and_short() {
        assert_eq!(policy().validate(), Ok(()));
        assert_eq!(
            plan(1_000, None, None).expect("a plan").bound(),
            Duration::from_millis(5_500)
        );
    }

    #[test]
    fn the_usual_run_takes_well_under_two_minutes() {
        let plan = plan(1_000, None, None).expect("a plan");
        assert_eq!((plan.peers, plan.dead), (1_000, 100));
        assert!(plan.duration_s < 30.0, "{}", plan.duration_s);
    }

    #[test]
    fn a_length_that_was_asked_for_is_kept_or_refused() {
        let asked = plan(50, Some(5), Some(15)).expect("a plan");
        assert_eq!(asked.duration_s, 15.0);
        assert!(asked.calm_s >= 1.0, "{}", asked.calm_s);
        assert!(plan(50, Some(5), Some(3)).is_err());
        assert!(plan(1_000, Some(1_000), Some(20)).is_err());
        assert!(plan(10, Some(11), None).is_err());
    }

    #[test]
    fn deaths_are_never_so_dense_that_the_breaker_opens() {
        let plan = plan(20_000, Some(3_000), None).expect("a plan");
        let window = dpd::BreakerPolicy::default().window.as_secs_f64();
        let in_window = f64::from(plan.dead) / plan.spread_s * window;
        assert!(
            in_window < f64::from(dpd::BreakerPolicy::default().peers_min),
            "{in_window}"
        );
    }
}
