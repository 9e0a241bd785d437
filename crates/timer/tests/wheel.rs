//! The wheel's promises, one a test, and the wheel against a sorted map.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use timer::{Instant, TICK, TimerKey, Wheel};

fn fired(wheel: &mut Wheel<u32>, now: Instant) -> Vec<u32> {
    let mut tokens = Vec::new();
    wheel.fire(now, |timer| tokens.push(timer.token));
    tokens.sort_unstable();
    tokens
}

#[test]
fn never_before_the_due_time_and_within_a_tick_of_it() {
    let mut wheel = Wheel::new(Instant::ZERO);
    let dues = [
        1_u64, 7, 8, 9, 10_000, 32_767, 32_768, 32_769, 40_001, 3_600_000,
    ];
    for millis in dues {
        wheel.arm(Instant::from_millis(millis), millis as u32);
    }
    let mut seen = Vec::new();
    let mut now = Instant::ZERO;
    while !wheel.is_empty() {
        now += TICK;
        wheel.fire(now, |timer| {
            assert!(now >= timer.due, "{} fired early", timer.token);
            assert!(now - timer.due < TICK, "{} fired late", timer.token);
            seen.push(u64::from(timer.token));
        });
    }
    seen.sort_unstable();
    assert_eq!(seen, dues);
}

#[test]
fn a_due_time_in_the_past_fires_at_the_next_tick() {
    let start = Instant::from_secs(100);
    let mut wheel = Wheel::new(start);
    wheel.arm(Instant::ZERO, 1);
    wheel.arm(start, 2);
    assert_eq!(fired(&mut wheel, start), []);
    assert_eq!(fired(&mut wheel, start + TICK), [1, 2]);
}

#[test]
fn a_cancelled_timer_does_not_fire_and_its_key_stays_stale() {
    let mut wheel = Wheel::new(Instant::ZERO);
    let due = Instant::from_secs(1);
    let key = wheel.arm(due, 1);
    assert_eq!(wheel.cancel(key), Some(1));
    assert_eq!(wheel.cancel(key), None);
    // The entry is used again, under another generation.
    wheel.arm(due, 2);
    assert_eq!(wheel.cancel(key), None);
    assert!(!wheel.rearm(key, Instant::from_secs(5)));
    assert_eq!(fired(&mut wheel, due), [2]);
    assert!(wheel.is_empty());
}

#[test]
fn a_moved_timer_keeps_its_key_and_fires_once() {
    let mut wheel = Wheel::new(Instant::ZERO);
    let key = wheel.arm(Instant::from_secs(1), 1);
    assert!(wheel.rearm(key, Instant::from_secs(90)));
    assert_eq!(fired(&mut wheel, Instant::from_secs(89)), []);
    assert!(wheel.rearm(key, Instant::from_secs(91)));
    assert_eq!(fired(&mut wheel, Instant::from_secs(90)), []);
    assert_eq!(fired(&mut wheel, Instant::from_secs(91)), [1]);
    assert!(!wheel.rearm(key, Instant::from_secs(99)));
}

#[test]
fn a_jump_of_the_clock_fires_all_it_passed_over_in_order_of_ticks() {
    let mut wheel = Wheel::new(Instant::ZERO);
    let hour = Duration::from_secs(3_600);
    for hours in (1..=100_u32).rev() {
        wheel.arm(Instant::ZERO + hour * hours, hours);
    }
    let mut tokens = Vec::new();
    wheel.fire(Instant::ZERO + hour * 60, |timer| tokens.push(timer.token));
    assert_eq!(tokens, (1..=60).collect::<Vec<_>>());
    assert_eq!(wheel.len(), 40);
    wheel.fire(Instant::ZERO + hour * 1_000_000, |timer| {
        tokens.push(timer.token);
    });
    assert_eq!(tokens, (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_clock_that_steps_back_fires_nothing_and_loses_nothing() {
    let mut wheel = Wheel::new(Instant::from_secs(50));
    wheel.arm(Instant::from_secs(60), 1);
    assert_eq!(fired(&mut wheel, Instant::from_secs(40)), []);
    assert_eq!(fired(&mut wheel, Instant::from_secs(59)), []);
    assert_eq!(fired(&mut wheel, Instant::from_secs(60)), [1]);
}

#[test]
fn the_end_of_time_can_be_armed() {
    let mut wheel = Wheel::new(Instant::ZERO);
    let key = wheel.arm(Instant::MAX, 1);
    let century = Duration::from_secs(100 * 365 * 24 * 3_600);
    assert_eq!(fired(&mut wheel, Instant::ZERO + century), []);
    assert_eq!(wheel.cancel(key), Some(1));
}

#[test]
fn the_next_deadline_is_exact_when_near_and_never_late_when_far() {
    let mut wheel = Wheel::new(Instant::ZERO);
    assert_eq!(wheel.next_deadline(), None);
    let due = Instant::from_secs(10_000);
    wheel.arm(due, 1);
    let mut calls = 0;
    loop {
        let deadline = wheel.next_deadline().expect("a timer is armed");
        assert!(deadline <= due, "slept past the timer");
        calls += 1;
        if fired(&mut wheel, deadline) == [1] {
            assert_eq!(deadline, due);
            break;
        }
    }
    assert_eq!(calls, 2, "one call to bring the timer near, one to fire it");
    wheel.arm(due + Duration::from_millis(9), 2);
    assert_eq!(wheel.next_deadline(), Some(due + TICK * 2));
}

#[test]
fn a_million_timers_each_fire_once_in_their_tick() {
    const TIMERS: u32 = 1_000_000;
    let mut wheel = Wheel::new(Instant::ZERO);
    for token in 0..TIMERS {
        // A multiplicative hash spreads the due times over 100 s without a random source.
        let micros = (u64::from(token.wrapping_mul(2_654_435_761)) * 100_000_000) >> 32;
        wheel.arm(Instant::from_nanos(micros * 1_000), token);
    }
    let mut seen = vec![false; TIMERS as usize];
    let mut now = Instant::ZERO;
    while now <= Instant::from_secs(101) {
        now += TICK;
        wheel.fire(now, |timer| {
            assert!(timer.due <= now && now - timer.due <= TICK);
            let first = !std::mem::replace(&mut seen[timer.token as usize], true);
            assert!(first, "fired twice");
        });
    }
    assert!(wheel.is_empty());
    assert!(seen.into_iter().all(|seen| seen));
}

/// What the wheel should do, said with a sorted map: a timer fires at the first tick after the last
/// one fired that is not before its due time.
#[derive(Default)]
struct Model {
    done: u64,
    timers: BTreeMap<(u64, u32), Instant>,
}

impl Model {
    const TICK: u64 = TICK.as_nanos() as u64;

    fn arm(&mut self, due: Instant, token: u32) -> (u64, u32) {
        let tick = due.as_nanos().div_ceil(Self::TICK).max(self.done + 1);
        self.timers.insert((tick, token), due);
        (tick, token)
    }

    fn fire(&mut self, now: Instant) -> Vec<(Instant, u32)> {
        let last = now.as_nanos() / Self::TICK;
        let later = self.timers.split_off(&(last + 1, 0));
        let fired = std::mem::replace(&mut self.timers, later);
        self.done = self.done.max(last);
        fired
            .into_iter()
            .map(|((_, token), due)| (due, token))
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arm(u64),
    Cancel(usize),
    Rearm(usize, u64),
    Advance(u64),
}

/// Nanoseconds from a tenth of a tick to well past the far ring's 37 hours, every scale alike.
fn span() -> impl Strategy<Value = u64> {
    (19_u32..50, 0_u64..1 << 20).prop_map(|(scale, noise)| (1 << scale) + noise)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => span().prop_map(Step::Arm),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (any::<usize>(), span()).prop_map(|(which, ahead)| Step::Rearm(which, ahead)),
        3 => span().prop_map(Step::Advance),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_wheel_does_what_a_sorted_map_would(steps in prop::collection::vec(step(), 1..200)) {
        let mut now = Instant::from_secs(1_000_000);
        let mut wheel = Wheel::new(now);
        let mut model = Model::default();
        model.fire(now);
        let mut keys: Vec<(TimerKey, (u64, u32))> = Vec::new();
        for (token, step) in (0_u32..).zip(steps) {
            match step {
                Step::Arm(ahead) => {
                    let due = now + Duration::from_nanos(ahead);
                    keys.push((wheel.arm(due, token), model.arm(due, token)));
                }
                Step::Cancel(which) if !keys.is_empty() => {
                    let (key, place) = keys[which % keys.len()];
                    let expected = model.timers.remove(&place).map(|_| place.1);
                    prop_assert_eq!(wheel.cancel(key), expected);
                }
                Step::Rearm(which, ahead) if !keys.is_empty() => {
                    let due = now + Duration::from_nanos(ahead);
                    let which = which % keys.len();
                    let (key, place) = keys[which];
                    let armed = model.timers.remove(&place).is_some();
                    prop_assert_eq!(wheel.rearm(key, due), armed);
                    if armed {
                        keys[which].1 = model.arm(due, place.1);
                    }
                }
                Step::Cancel(_) | Step::Rearm(..) => {}
                Step::Advance(by) => {
                    now += Duration::from_nanos(by);
                    let mut fired = Vec::new();
                    wheel.fire(now, |timer| fired.push((timer.due, timer.token)));
                    let mut expected = model.fire(now);
                    fired.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(fired, expected);
                }
            }
            prop_assert_eq!(wheel.len(), model.timers.len());
            let earliest = model.timers.keys().next().map(|(tick, _)| tick * Model::TICK);
            match (wheel.next_deadline(), earliest) {
                (None, None) => {}
                (Some(deadline), Some(earliest)) => {
                    prop_assert!(deadline.as_nanos() <= earliest, "would sleep past a timer");
                    prop_assert!(deadline.as_nanos() > model.done * Model::TICK, "would not sleep");
                }
                (deadline, earliest) => prop_assert!(false, "{deadline:?} against {earliest:?}"),
            }
        }
    }
}
