use std::collections::BTreeSet;

use ipsec::{Refused, ReplayWindow};
use proptest::prelude::*;

/// What the window should be: all numbers ever received.
struct Model {
    received: BTreeSet<u64>,
    size: u64,
}

impl Model {
    fn top(&self) -> u64 {
        self.received.last().copied().unwrap_or(0)
    }

    fn receive(&mut self, sequence: u64) -> Result<(), Refused> {
        if sequence == 0 || sequence + self.size <= self.top() {
            return Err(Refused::TooOld);
        }
        if self.received.insert(sequence) {
            Ok(())
        } else {
            Err(Refused::Duplicate)
        }
    }

    /// Numbers never received among those that a ring of `ring` bits has left behind.
    fn lost(&self, ring: u64) -> u64 {
        let left = self.top().saturating_sub(ring);
        left - self.received.range(..=left).count() as u64
    }
}

/// Mostly small steps around the top, sometimes jumps over the whole window and beyond.
fn steps(size: u64) -> impl Strategy<Value = Vec<i64>> {
    let size = i64::try_from(size).unwrap();
    let step = prop_oneof![
        6 => 1_i64..4,
        4 => -8_i64..=0,
        3 => -size - 3..=-size + 3,
        2 => 1..=size + 130,
        1 => -3 * size..20 * size,
    ];
    proptest::collection::vec(step, 1..400)
}

fn sizes() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(64_u32),
        Just(65),
        Just(127),
        Just(128),
        Just(129),
        Just(1000),
        Just(1024),
        Just(8192),
        64_u32..=8192,
    ]
}

proptest! {
    #[test]
    fn the_window_is_the_set_of_what_came(
        (size, steps) in sizes().prop_flat_map(|size| (Just(size), steps(u64::from(size)))),
        start in prop_oneof![Just(0_u64), Just(u64::from(u32::MAX) - 300), 0..u64::MAX / 4],
    ) {
        let mut window = ReplayWindow::new(size, true);
        let mut model = Model { received: BTreeSet::new(), size: u64::from(size) };
        let ring = u64::from(size.max(128).next_power_of_two());
        let mut lost = 0;
        if start > 0 {
            // The beginning of a long life, too long for the model.
            lost += window.advance(start).unwrap();
            model.receive(start).unwrap();
            prop_assert_eq!(lost, start.saturating_sub(ring));
        }
        for step in steps {
            let sequence = model.top().saturating_add_signed(step);
            let expected = model.receive(sequence);
            prop_assert_eq!(window.check(sequence), expected);
            let advanced = window.advance(sequence);
            prop_assert_eq!(advanced.map(|_| ()), expected);
            lost += advanced.unwrap_or(0);
            prop_assert_eq!(window.top(), model.top());
            prop_assert_eq!(lost, model.lost(ring));
            if expected.is_ok() {
                prop_assert_eq!(window.check(sequence), Err(Refused::Duplicate));
            }
        }
    }

    #[test]
    fn the_high_half_is_found_within_reach(
        size in sizes(),
        top in prop_oneof![
            1_u64..10_000,
            (1_u64..5, -9000_i64..9000).prop_map(|(high, off)| (high << 32).saturating_add_signed(off)),
            1..u64::MAX / 2,
        ],
        back in any::<bool>(),
        distance in 0_u64..1 << 33,
    ) {
        let mut window = ReplayWindow::new(size, true);
        window.advance(top).unwrap();
        let size = u64::from(size);
        // RFC 4303 A2.1: whatever lies in the window, or ahead by less than 2^32 less the window.
        let sequence = if back {
            top.saturating_sub(distance % size).max(1)
        } else {
            top + distance % ((1 << 32) - size + 1)
        };
        let low = u32::try_from(sequence & 0xffff_ffff).unwrap();
        prop_assert_eq!(window.complete(low), Ok(sequence));
    }
}

#[test]
fn before_the_first_packet_nothing_lies_behind() {
    let window = ReplayWindow::new(64, true);
    assert_eq!(window.complete(1), Ok(1));
    assert_eq!(window.complete(u32::MAX - 63), Ok(u64::from(u32::MAX) - 63));
    assert_eq!(window.complete(u32::MAX), Err(Refused::TooOld));
}

#[test]
fn the_last_numbers_of_all_do_not_overflow() {
    let mut window = ReplayWindow::new(64, true);
    window.advance(u64::MAX - 1).unwrap();
    assert_eq!(window.complete(u32::MAX), Ok(u64::MAX));
    assert_eq!(window.advance(u64::MAX), Ok(1));
    // The next number would be 2^64.
    assert_eq!(window.complete(0), Err(Refused::TooOld));
}

#[test]
fn thirty_two_bits_do_not_wrap() {
    let mut window = ReplayWindow::new(64, false);
    assert_eq!(window.complete(u32::MAX), Ok(u64::from(u32::MAX)));
    window.advance(u64::from(u32::MAX)).unwrap();
    assert_eq!(window.complete(1), Ok(1));
    assert_eq!(window.check(1), Err(Refused::TooOld));
    assert_eq!(window.check(0), Err(Refused::TooOld));
}

#[test]
fn sizes_out_of_range_are_brought_in() {
    assert_eq!(ReplayWindow::new(1, false).size(), ReplayWindow::SIZE_MIN);
    assert_eq!(
        ReplayWindow::new(u32::MAX, false).size(),
        ReplayWindow::SIZE_MAX
    );
}
