//! The ranges of the settings and what is said about those that lie outside.

use std::time::Duration;

use dpd::{DpdPolicy, Mode, PolicyError, Protocol, Setting};
use proptest::prelude::*;

fn complaint(policy: &DpdPolicy) -> String {
    let errors = policy.validate().expect_err("out of range");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn the_defaults_are_within_their_ranges() {
    let policy = DpdPolicy::default();
    assert_eq!(policy.validate(), Ok(()));
    assert_eq!(policy.tries(), 5);
    assert_eq!(policy.probe_duration(), secs(10));
    assert_eq!(policy.detection_bound(), Some(secs(20)));
    assert_eq!(policy.suspect_duration_max(), secs(100));
}

#[test]
fn each_setting_names_its_range() {
    let default = DpdPolicy::default;
    let cases = [
        (
            DpdPolicy {
                interval: secs(9),
                ..default()
            },
            "interval is 9s; it must be between 10s and 3600s (allow-fast permits 100ms and more, for labs)",
        ),
        (
            DpdPolicy {
                interval: secs(3_601),
                ..default()
            },
            "interval is 3601s; it must be between 10s and 3600s",
        ),
        (
            DpdPolicy {
                retry: secs(61),
                ..default()
            },
            "retry is 61s; it must be between 2s and 60s",
        ),
        (
            DpdPolicy {
                retries: 0,
                ..default()
            },
            "retries is 0; it must be between 1 and 20",
        ),
        (
            DpdPolicy {
                backoff_percent: 119,
                ..default()
            },
            "backoff is 1.19; it must be between 1.20 and 3.00",
        ),
        (
            DpdPolicy {
                jitter_percent: 51,
                ..default()
            },
            "jitter is 51; it must be between 0 and 50",
        ),
        (
            DpdPolicy {
                cleanup: Some(secs(60)),
                ..default()
            },
            "cleanup has a meaning only in the mode hybrid",
        ),
        (
            DpdPolicy {
                mode: Mode::Hybrid,
                interval: secs(90),
                cleanup: Some(secs(90)),
                ..default()
            },
            "cleanup is 90s; it must be longer than the interval of 90s",
        ),
        (
            DpdPolicy {
                retries: 20,
                backoff_percent: 200,
                ..default()
            },
            "with this many retries the backoff leaves 20.027µs between the first two tries; \
             at least 100ms is needed: lower backoff or retries, or raise retry",
        ),
    ];
    for (policy, text) in cases {
        assert_eq!(complaint(&policy), text);
    }
}

#[test]
fn allow_fast_widens_the_ranges_downwards_only() {
    let fast = DpdPolicy {
        interval: Duration::from_millis(500),
        retry: Duration::from_millis(100),
        allow_fast: true,
        ..DpdPolicy::default()
    };
    assert_eq!(fast.validate(), Ok(()));
    let slow = DpdPolicy {
        retry: secs(61),
        ..fast
    };
    assert_eq!(
        complaint(&slow),
        "retry is 61s; it must be between 50ms and 60s"
    );
}

#[test]
fn every_wrong_setting_is_named() {
    let policy = DpdPolicy {
        interval: secs(1),
        retries: 99,
        jitter_percent: 99,
        ..DpdPolicy::default()
    };
    let errors = policy.validate().expect_err("out of range");
    let settings: Vec<_> = errors.iter().map(PolicyError::setting).collect();
    assert_eq!(
        settings,
        [Setting::Interval, Setting::Retries, Setting::Jitter]
    );
}

proptest! {
    #[test]
    fn gaps_grow_by_the_backoff_and_fill_the_same_total(
        retry in 2_u64..=60,
        retries in 1_u8..=20,
        backoff_percent in 120_u16..=300,
    ) {
        let policy = DpdPolicy { retry: secs(retry), retries, backoff_percent, ..DpdPolicy::default() };
        let sum = |protocol| (1..=policy.tries()).map(|n| policy.gap(protocol, n)).sum::<Duration>();
        prop_assert_eq!(sum(Protocol::Ikev1), policy.probe_duration());
        prop_assert_eq!(sum(Protocol::Ikev2), policy.probe_duration());
        if policy.validate().is_ok() {
            for number in 1..policy.tries() {
                let one = policy.gap(Protocol::Ikev2, number).as_secs_f64();
                let next = policy.gap(Protocol::Ikev2, number + 1).as_secs_f64();
                let factor = next / one;
                prop_assert!((factor - f64::from(backoff_percent) / 100.0).abs() < 0.001, "{}", factor);
            }
        }
    }
}
