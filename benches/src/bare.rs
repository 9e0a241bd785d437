use std::time::{Duration, Instant as Stopwatch};

use aws_lc_rs::aead::{self, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use crypto::{OpeningKey, ProtectionSuite, SealingKey};

use crate::{BATCH, Mix};

const ASSOCIATED_LEN: usize = 8;

/// The protection alone, without anything that makes it ESP: buffers of the right length go through
/// the key of a suite.
pub struct Bare {
    sealing: SealingKey,
    opening: OpeningKey,
    buffers: Vec<Vec<u8>>,
    counter: u64,
}

impl Bare {
    /// Buffers for texts of the lengths of a mix.
    #[must_use]
    pub fn new(suite: ProtectionSuite, mix: Mix) -> Self {
        let keys = vec![0x42; suite.key_material_len()];
        let buffer = |place| {
            let text = (mix.len(place) + 2).next_multiple_of(suite.block_len().max(4));
            vec![7; ASSOCIATED_LEN + suite.iv_len() + text + suite.icv_len()]
        };
        Self {
            sealing: SealingKey::new(suite, &keys),
            opening: OpeningKey::new(suite, &keys),
            buffers: (0..BATCH).map(buffer).collect(),
            counter: 0,
        }
    }

    /// Seals each buffer once.
    pub fn seal(&mut self) -> Duration {
        let begin = Stopwatch::now();
        for buffer in &mut self.buffers {
            self.counter += 1;
            self.sealing
                .seal(buffer, ASSOCIATED_LEN, Some(0), self.counter);
        }
        begin.elapsed()
    }

    /// Opens each buffer once.
    ///
    /// # Panics
    /// When a buffer had not been sealed.
    pub fn open(&mut self) -> Duration {
        let begin = Stopwatch::now();
        for buffer in &mut self.buffers {
            self.opening
                .open(buffer, ASSOCIATED_LEN, Some(0))
                .expect("authentic");
        }
        begin.elapsed()
    }
}

/// AES-128-GCM as AWS-LC offers it, called without anything between.
pub struct ByLibrary {
    key: LessSafeKey,
    texts: Vec<Vec<u8>>,
    counter: u64,
}

impl ByLibrary {
    /// Texts of the lengths of a mix.
    ///
    /// # Panics
    /// Never: the key has the right length.
    #[must_use]
    pub fn new(mix: Mix) -> Self {
        let algorithm: &'static Algorithm = &aead::AES_128_GCM;
        let key = UnboundKey::new(algorithm, &[0x42; 16]).expect("the right length");
        Self {
            key: LessSafeKey::new(key),
            texts: (0..BATCH).map(|place| vec![7; mix.len(place)]).collect(),
            counter: 0,
        }
    }

    /// Seals each text once.
    ///
    /// # Panics
    /// Never: the texts are short.
    pub fn seal(&mut self) -> Duration {
        let begin = Stopwatch::now();
        let mut icv = [0; 16];
        for text in &mut self.texts {
            self.counter += 1;
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
            self.key
                .seal_in_place_scatter(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(nonce),
                    text,
                    &[],
                    &mut icv,
                )
                .expect("short enough");
        }
        std::hint::black_box(icv);
        begin.elapsed()
    }
}
