use std::fs::File;
use std::io::{self, Read};

use crypto::Entropy;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A generator for one thread, seeded once by the operating system.
pub(crate) struct SeededEntropy(ChaCha20Rng);

impl SeededEntropy {
    /// # Errors
    /// The operating system gives no random octets.
    pub(crate) fn new() -> io::Result<Self> {
        let mut seed = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        Ok(Self(ChaCha20Rng::from_seed(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generators_differ() {
        let mut first = SeededEntropy::new().unwrap();
        let mut second = SeededEntropy::new().unwrap();
        assert_ne!(first.next_u64(), second.next_u64());
        assert_ne!(first.next_u64(), first.next_u64());
    }
}
