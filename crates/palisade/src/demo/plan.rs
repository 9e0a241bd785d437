//! How the demonstration goes: when peers come, when they die, and by which policy that is found out.

use std::time::Duration;

use anyhow::{Result, bail};
use dpd::{DpdPolicy, Mode, SuppressOn};

use crate::cli::DemoArgs;

/// Peers that come in a second.
const ARRIVALS_PER_SECOND: f64 = 500.0;
/// Larger crowds come in this time.
const ARRIVAL_S_MAX: f64 = 20.0;
/// This many deaths at once are no reason for the breaker to open.
const DEATHS_AT_ONCE_MAX: u32 = 150;
/// Deaths in a second if there are not more of them than that.
const DEATHS_PER_SECOND_FEW: f64 = 50.0;
/// Deaths in a second otherwise: many more in one fault domain would rightly be taken for a fault of
/// ours by the breaker.
const DEATHS_PER_SECOND_MANY: f64 = 15.0;
/// From the moment when all are up to the first death.
const CALM_S: f64 = 3.0;
/// The same in a hurry.
const CALM_S_MIN: f64 = 0.5;
/// For the last handshakes.
const SETTLE_S: f64 = 2.0;
/// After the last verdict that is due, to see that nobody else is declared dead.
const AFTERMATH_S: f64 = 2.0;
/// Packets that all peers together send in a second at most.
const PACKETS_PER_SECOND_MAX: f64 = 4_000.0;

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
        let deaths_per_second = if dead > DEATHS_AT_ONCE_MAX {
            DEATHS_PER_SECOND_MANY
        } else {
            DEATHS_PER_SECOND_FEW
        };
        let mut plan = Self {
            peers,
            dead,
            policy: policy(Duration::from_secs(3), Duration::from_secs(1)),
            arrivals_per_second: crowd / arrival_s,
            packets_per_second: (PACKETS_PER_SECOND_MAX / crowd).min(2.0),
            calm_s: CALM_S,
            spread_s: (f64::from(dead) / deaths_per_second).max(1.0),
            duration_s: 0.0,
            json: args.json,
        };
        plan.duration_s = plan.needed_s().ceil();
        if let Some(seconds) = args.seconds {
            plan.fit(seconds)?;
        }
        Ok(plan)
    }

    /// How long the run has to be.
    fn needed_s(&self) -> f64 {
        let arrival_s = f64::from(self.peers) / self.arrivals_per_second;
        let bound_s = self.bound().as_secs_f64();
        arrival_s + SETTLE_S + self.calm_s + self.spread_s + bound_s + AFTERMATH_S
    }

    /// Makes the run last as long as was asked for: with less calm and quicker probes if need be.
    fn fit(&mut self, seconds: u32) -> Result<()> {
        self.duration_s = f64::from(seconds);
        if self.needed_s() > self.duration_s {
            self.calm_s = CALM_S_MIN;
        }
        if self.needed_s() > self.duration_s {
            self.policy = policy(Duration::from_secs(1), Duration::from_millis(300));
        }
        let least = self.needed_s().ceil();
        if least > self.duration_s {
            bail!(
                "{} peers of which {} die cannot be shown in {seconds} seconds: write --seconds {least} or more, \
                 or fewer --peers or --dead",
                self.peers,
                self.dead
            );
        }
        Ok(())
    }

    /// The longest time in which a death is found.
    pub(crate) fn bound(&self) -> Duration {
        // The policy probes, so that it has a bound; a timer fires at most a tick late.
        self.policy.detection_bound().unwrap_or_default() + timer::TICK
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration_s)
    }

    /// The policy in words.
    pub(crate) fn policy_text(&self) -> String {
        format!(
            "periodic: a probe after {} s without IKE from the peer, {} tries within {} s, so a death is found within {:.2} s",
            self.policy.interval.as_secs_f64(),
            self.policy.tries(),
            self.policy.probe_duration().as_secs_f64(),
            self.bound().as_secs_f64(),
        )
    }
}

/// Short times, so that one can watch. Traffic does not put probes off, so that there are some to
/// be seen.
fn policy(interval: Duration, retry: Duration) -> DpdPolicy {
    DpdPolicy {
        mode: Mode::Periodic,
        interval,
        retry,
        retries: 4,
        // Probes that come early leave room for a machine that has other things to do.
        jitter_percent: 50,
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
    fn the_usual_run_takes_well_under_two_minutes() {
        let plan = plan(1_000, None, None).expect("a plan");
        assert_eq!((plan.peers, plan.dead), (1_000, 100));
        assert_eq!(plan.bound(), Duration::from_millis(8_008));
        assert_eq!(plan.policy.validate(), Ok(()));
        assert!(plan.duration_s < 30.0, "{}", plan.duration_s);
    }

    #[test]
    fn a_length_that_was_asked_for_is_kept_or_refused() {
        let long = plan(50, Some(5), Some(60)).expect("a plan");
        assert_eq!(
            (long.duration_s, long.bound()),
            (60.0, Duration::from_millis(8_008))
        );
        let short = plan(50, Some(5), Some(10)).expect("a plan");
        assert_eq!(
            (short.duration_s, short.bound()),
            (10.0, Duration::from_millis(2_508))
        );
        assert_eq!(short.policy.validate(), Ok(()));
        assert!(plan(50, Some(5), Some(3)).is_err());
        assert!(plan(1_000, Some(1_000), Some(20)).is_err());
        assert!(plan(10, Some(11), None).is_err());
    }

    #[test]
    fn deaths_are_never_so_dense_that_the_breaker_opens() {
        let breaker = dpd::BreakerPolicy::default();
        for dead in [1, 100, 150, 151, 3_000] {
            let plan = plan(20_000, Some(dead), None).expect("a plan");
            let rate = f64::from(dead) / plan.spread_s;
            let in_window = (rate * breaker.window.as_secs_f64()).min(f64::from(dead));
            assert!(
                in_window < f64::from(breaker.peers_min),
                "{dead}: {in_window}"
            );
        }
    }
}
