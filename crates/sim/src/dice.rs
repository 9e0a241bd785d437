use core::time::Duration;

use crypto::Entropy;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// All chance of a simulation.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice that always fall the same way for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Other dice, whose falls do not depend on how often these are rolled from now on.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.0.next_u64())
    }

    /// A number below `end`; zero if `end` is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// `true` in so many of a thousand cases.
    pub fn per_mille(&mut self, share: u32) -> bool {
        self.below(1_000) < u64::from(share)
    }

    /// A time from `min` to `max`.
    pub fn between(&mut self, min: Duration, max: Duration) -> Duration {
        let span = u64::try_from(max.saturating_sub(min).as_nanos()).unwrap_or(u64::MAX);
        min + Duration::from_nanos(self.below(span.saturating_add(1)))
    }

    /// `count` different numbers below `end`, in ascending order.
    #[must_use]
    pub fn choose(&mut self, count: u32, end: u32) -> Vec<u32> {
        let mut left = count.min(end);
        let mut chosen = Vec::new();
        for candidate in 0..end {
            if self.below(u64::from(end - candidate)) < u64::from(left) {
                chosen.push(candidate);
                left -= 1;
            }
        }
        chosen
    }
}

impl Entropy for Dice {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

/// The seed of a test: `PALISADE_SIM_SEED` if it is set, else `default`. It is printed, so that a run
/// that failed can be repeated.
///
/// # Panics
/// If the variable holds anything but a number.
#[must_use]
pub fn seed(default: u64) -> u64 {
    let seed = match std::env::var("PALISADE_SIM_SEED") {
        Ok(text) => text.parse().expect("PALISADE_SIM_SEED is a number"),
        Err(_) => default,
    };
    println!("PALISADE_SIM_SEED={seed}");
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_falls_the_same_way() {
        let falls = |seed| {
            let mut dice = Dice::new(seed);
            (0..100).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(falls(7), falls(7));
        assert_ne!(falls(7), falls(8));
        assert!(falls(7).iter().all(|fall| *fall < 1_000));
    }

    #[test]
    fn a_choice_has_the_size_asked_for_and_no_doubles() {
        let chosen = Dice::new(1).choose(300, 1_000);
        assert_eq!(chosen.len(), 300);
        assert!(chosen.is_sorted_by(|one, next| one < next));
        assert!(chosen.iter().all(|number| *number < 1_000));
        assert_eq!(Dice::new(1).choose(9, 3), [0, 1, 2]);
    }
}
