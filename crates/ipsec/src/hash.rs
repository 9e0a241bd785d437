use core::hash::{BuildHasher, Hasher};

/// A fast hash of addresses under a secret seed: one multiplication for eight octets, upper and
/// lower half of the product folded together.
#[derive(Clone, Copy)]
pub(crate) struct KeyedState {
    seed: u64,
}

impl KeyedState {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl BuildHasher for KeyedState {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { state: self.seed }
    }
}

pub(crate) struct KeyedHasher {
    state: u64,
}

/// The fractional part of the golden ratio: odd, with its bits well mixed.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl KeyedHasher {
    const fn fold(&mut self, word: u64) {
        // The product's halves are meant to be cut out of it.
        #[allow(clippy::cast_possible_truncation)]
        const fn halves(product: u128) -> (u64, u64) {
            (product as u64, (product >> 64) as u64)
        }
        let (low, high) = halves(((self.state ^ word) as u128) * (MULTIPLIER as u128));
        self.state = low ^ high.rotate_left(23);
    }
}

impl Hasher for KeyedHasher {
    fn write(&mut self, octets: &[u8]) {
        for chunk in octets.chunks(8) {
            let word = chunk
                .iter()
                .fold(0, |word, &octet| (word << 8) | u64::from(octet));
            self.fold(word);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.fold(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    // Both halves are meant.
    #[allow(clippy::cast_possible_truncation)]
    fn write_u128(&mut self, value: u128) {
        self.fold(value as u64);
        self.fold((value >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_spread_over_both_ends_of_the_hash() {
        let state = KeyedState::new(0x0123_4567_89ab_cdef);
        let mut low = [0_u32; 256];
        let mut high = [0_u32; 256];
        for address in 0x0a00_0000_u128..0x0a01_0000 {
            let [first, .., last] = state.hash_one(address).to_be_bytes();
            high[usize::from(first >> 1)] += 1;
            low[usize::from(last)] += 1;
        }
        // 65,536 addresses: 256 a place, 512 a place of the upper seven bits.
        assert!(
            low.iter().all(|&count| (128..512).contains(&count)),
            "{low:?}"
        );
        assert!(
            high[..128]
                .iter()
                .all(|&count| (256..1024).contains(&count)),
            "{high:?}"
        );
    }

    #[test]
    fn the_seed_decides() {
        let (one, two) = (KeyedState::new(1), KeyedState::new(2));
        assert_ne!(one.hash_one(7_u128), two.hash_one(7_u128));
        assert_eq!(one.hash_one(7_u128), one.hash_one(7_u128));
    }
}
