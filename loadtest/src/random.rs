//! Two kinds of randomness: keys and nonces from the operating system, lots from the scenario's seed.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};
use crypto::Entropy;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Octets for keys, nonces and SPIs; never the same twice.
pub(crate) struct Unpredictable(ChaCha12Rng);

impl Unpredictable {
    pub(crate) fn from_system() -> Result<Self> {
        let mut seed = [0; 32];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut seed))
            .context("cannot read /dev/urandom")?;
        Ok(Self(ChaCha12Rng::from_seed(seed)))
    }
}

impl Entropy for Unpredictable {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

/// What is drawn by lot: the same in every run with the same seed.
#[derive(Clone)]
pub(crate) struct Lots(ChaCha12Rng);

impl Lots {
    /// The lots for one `purpose`, so that one does not disturb another.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        rng.set_stream(purpose);
        Self(rng)
    }

    /// A number from 0 up to, but not including, 1.
    pub(crate) fn share(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from 0 up to, but not including, `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let scaled = u128::from(self.0.next_u64()) * end as u128;
        usize::try_from(scaled >> 64).unwrap_or(0)
    }

    /// Brings `items` into an order drawn by lot.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// A number from 0 up to, but not including, 1, that follows from a seed, a `purpose` and the number
/// of a peer alone: whatever happens before it is asked for.
pub(crate) fn place(seed: u64, purpose: u64, peer: u32) -> f64 {
    let mut word = seed ^ (purpose << 32) ^ u64::from(peer);
    // SplitMix64, twice: neighbouring numbers have nothing in common.
    for _ in 0..2 {
        word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
    }
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_repeat_by_seed_and_differ_by_purpose() {
        let draw = |seed, purpose| {
            let mut lots = Lots::new(seed, purpose);
            let mut items: Vec<u32> = (0..100).collect();
            lots.shuffle(&mut items);
            (lots.share().to_bits(), items)
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn places_follow_from_seed_purpose_and_peer_and_are_spread_evenly() {
        let mean = (0..10_000).map(|peer| place(1, 4, peer)).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
        assert_eq!(place(1, 4, 7).to_bits(), place(1, 4, 7).to_bits());
        for other in [place(2, 4, 7), place(1, 5, 7), place(1, 4, 8)] {
            assert_ne!(place(1, 4, 7).to_bits(), other.to_bits());
        }
    }

    #[test]
    fn shares_stay_below_one() {
        let mut lots = Lots::new(1, 1);
        let mean = (0..10_000).map(|_| lots.share()).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }
}
