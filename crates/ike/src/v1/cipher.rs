use crypto::{EncryptionAlgorithm, Secret};

use super::iv::Iv;
use crate::Rejection;

/// The cipher of an IKE SA, which both ends use with one key (RFC 2409 appendix B).
pub(super) struct Cipher {
    algorithm: EncryptionAlgorithm,
    key: Secret,
}

impl Cipher {
    pub(super) fn new(algorithm: EncryptionAlgorithm, key: Secret) -> Self {
        Self { algorithm, key }
    }

    pub(super) fn block_len(&self) -> usize {
        self.algorithm.block_len()
    }

    /// Encrypts whole blocks in place and returns the IV of the next message.
    pub(super) fn encrypt(&self, iv: &Iv, text: &mut [u8]) -> Iv {
        crypto::cbc_encrypt(self.algorithm, self.key.expose(), iv.octets(), text);
        iv.after(text)
    }

    /// Decrypts in place and returns the IV of the next message, to be used once this one has been
    /// authenticated.
    ///
    /// # Errors
    /// When it is not made of whole blocks.
    pub(super) fn decrypt(&self, iv: &Iv, octets: &mut [u8]) -> Result<Iv, Rejection> {
        if octets.is_empty() || !octets.len().is_multiple_of(self.block_len()) {
            return Err(Rejection::Malformed);
        }
        let next = iv.after(octets);
        crypto::cbc_decrypt(self.algorithm, self.key.expose(), iv.octets(), octets);
        Ok(next)
    }
}
