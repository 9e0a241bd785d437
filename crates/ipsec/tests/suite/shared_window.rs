use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ipsec::{Refused, ReplayWindow, SharedWindow};
use proptest::prelude::*;

fn steps() -> impl Strategy<Value = Vec<i64>> {
    // Mostly forward by little, sometimes back, seldom far forward.
    let step = prop_oneof![
        8 => 0_i64..4,
        4 => -200_i64..0,
        2 => 0_i64..300,
        1 => 0_i64..100_000,
        1 => -20_000_i64..0,
    ];
    proptest::collection::vec(step, 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// To one shard alone the shared window says what its own window would say.
    #[test]
    fn alone_it_is_a_replay_window(size in 0_u32..9000, start in 0_u64..1 << 40, steps in steps()) {
        let mut model = ReplayWindow::new(size, true);
        let window = SharedWindow::new(size);
        let mut at = start;
        for step in steps {
            at = at.saturating_add_signed(step);
            prop_assert_eq!(window.check(at), model.check(at), "{}", at);
            let (shared, own) = (window.advance(at), model.advance(at));
            prop_assert_eq!(shared.err(), own.err(), "{}", at);
            prop_assert_eq!(window.top(), model.top());
        }
    }

    /// An SA becomes several shards' and one's again at any time, and back: its window takes each number
    /// once, and those that it covers, which are more while it is shared.
    #[test]
    fn shared_and_taken_back_it_forgets_nothing(
        size in 0_u32..9000,
        start in prop_oneof![Just(0), 0_u64..20_000, 0_u64..1 << 40],
        steps in proptest::collection::vec((0_u8..20, -300_i64..300), 1..600),
    ) {
        let mut window = ReplayWindow::new(size, true);
        let (mut at, mut top, mut covered) = (start, 0, u64::from(window.size()));
        // What was too old when it was shared stays so.
        let mut known_from = 0;
        let mut seen = HashSet::new();
        for (what, step) in steps {
            match what {
                0 => {
                    let _ = window.share();
                    known_from = (top + 1_u64).saturating_sub(covered).max(known_from);
                    covered = u64::from(window.size() + ReplayWindow::SLACK);
                }
                1 => {
                    window.take_back();
                    covered = u64::from(window.size());
                }
                2 => at = at.saturating_add_signed(step * 100),
                _ => at = at.saturating_add_signed(step / 20),
            }
            let expected = if at == 0 || top >= at + covered {
                Some(Refused::TooOld)
            } else if seen.contains(&at) {
                Some(Refused::Duplicate)
            } else {
                None
            };
            let checked = window.check(at).err();
            let outcome = window.advance(at).err();
            prop_assert_eq!(checked, outcome);
            if at >= known_from || outcome.is_none() {
                prop_assert_eq!(outcome, expected, "{} below {}", at, top);
            }
            if outcome.is_none() {
                seen.insert(at);
                top = top.max(at);
            }
            prop_assert_eq!(window.top(), top);
        }
    }

    /// Losses are counted once the ring has passed them: of everything before the last two turns
    /// each number either came or was lost.
    #[test]
    fn what_did_not_come_is_lost(keep in proptest::collection::vec(any::<bool>(), 2000)) {
        let window = SharedWindow::new(64);
        let (mut came, mut lost) = (0, 0);
        for (number, keep) in (1_u64..).zip(&keep) {
            if *keep {
                lost += window.advance(number).unwrap();
                came += 1;
            }
        }
        // Pass everything by.
        let end = 2000 + 1024;
        for number in 2001..=end {
            lost += window.advance(number).unwrap();
        }
        prop_assert_eq!(came + lost, 2000);
    }
}

/// Several threads bring the same numbers, each twice, a little out of order: each number counts
/// once, whoever brings it.
#[test]
fn of_many_threads_one_succeeds() {
    const NUMBERS: u64 = 60_000;
    const THREADS: u64 = 4;
    let window = SharedWindow::new(ReplayWindow::SIZE_MAX);
    let accepted: Vec<AtomicU32> = (0..=NUMBERS).map(|_| AtomicU32::new(0)).collect();
    // The threads stay together, so that nobody's numbers grow too old.
    let step = std::sync::Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (window, accepted, step) = (&window, &accepted, &step);
            scope.spawn(move || {
                for start in (1..=NUMBERS).step_by(2000) {
                    step.wait();
                    for at in 0..2000 {
                        // Each thread has an order of its own: 2,000 and these have no common factor.
                        let stride = [3, 7, 11, 13][thread as usize];
                        let number = start + at * stride % 2000;
                        for _ in 0..2 {
                            match window.advance(number) {
                                Ok(_) => {
                                    accepted[number as usize].fetch_add(1, Ordering::Relaxed);
                                }
                                Err(reason) => assert_eq!(reason, Refused::Duplicate, "{number}"),
                            }
                        }
                    }
                }
            });
        }
    });
    assert_eq!(window.top(), NUMBERS);
    for (number, times) in accepted.iter().enumerate().skip(1) {
        assert_eq!(times.load(Ordering::Relaxed), 1, "{number}");
    }
}

/// Two views of one window know what the other has seen.
#[test]
fn views_share_what_they_know() {
    let shared = Arc::new(SharedWindow::new(64));
    let mut one = ReplayWindow::shared(shared.clone(), true);
    let mut other = ReplayWindow::shared(shared, true);
    assert_eq!(one.advance(5), Ok(0));
    assert_eq!(other.check(5), Err(Refused::Duplicate));
    assert_eq!(other.top(), 5);
    assert!(other.advance(u64::from(u32::MAX)).is_ok());
    // The other half of the number is taken from what the other view has seen.
    assert_eq!(one.complete(3), Ok((1 << 32) + 3));
    assert!(one.advance((1 << 32) + 3).is_ok());
    assert_eq!(other.check(4), Err(Refused::TooOld));
    assert_eq!(one.check(0), Err(Refused::TooOld));
}
