//! Ciphers in CBC mode.

use aes::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit,
    KeyInit,
};
use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use des::TdesEde3;

use crate::EncryptionAlgorithm;

/// Longest block of a cipher in CBC mode, AES's, in octets.
pub(crate) const BLOCK_LEN_MAX: usize = 16;

const WHOLE_BLOCKS: &str = "the text is made of whole blocks";
const KEY_LEN: &str = "the key has the cipher's length";
const IV_LEN: &str = "the IV is one block of the cipher";

/// Encrypts `text` in place, with nothing that would protect its integrity: for messages of IKEv1, whose
/// HASH payloads do that (RFC 2409 appendix B).
///
/// # Panics
/// When `text` is not a multiple of the block, `key` or `iv` do not have the cipher's lengths, or the
/// algorithm is an AEAD: all of them are the caller's choice, never the peer's.
pub fn cbc_encrypt(algorithm: EncryptionAlgorithm, key: &[u8], iv: &[u8], text: &mut [u8]) {
    Encryptor::new(algorithm, key).encrypt(iv, text);
}

/// Decrypts `text` in place. Whether the outcome means anything is not known afterwards.
///
/// # Panics
/// As [`cbc_encrypt`].
pub fn cbc_decrypt(algorithm: EncryptionAlgorithm, key: &[u8], iv: &[u8], text: &mut [u8]) {
    Decryptor::new(algorithm, key).decrypt(iv, text);
}

/// The encrypting half of a key schedule.
pub(crate) enum Encryptor {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
    TripleDes(TdesEde3),
}

/// The decrypting half of a key schedule.
pub(crate) enum Decryptor {
    Aes128(Aes128Dec),
    Aes192(Aes192Dec),
    Aes256(Aes256Dec),
    TripleDes(TdesEde3),
}

impl Encryptor {
    /// # Panics
    /// When `key` has not the length of the algorithm's key, or the algorithm is an AEAD.
    pub(crate) fn new(algorithm: EncryptionAlgorithm, key: &[u8]) -> Self {
        match algorithm {
            EncryptionAlgorithm::Aes128Cbc => Self::Aes128(schedule(key)),
            EncryptionAlgorithm::Aes192Cbc => Self::Aes192(schedule(key)),
            EncryptionAlgorithm::Aes256Cbc => Self::Aes256(schedule(key)),
            EncryptionAlgorithm::TripleDesCbc => Self::TripleDes(schedule(key)),
            EncryptionAlgorithm::Aes128Gcm16
            | EncryptionAlgorithm::Aes192Gcm16
            | EncryptionAlgorithm::Aes256Gcm16
            | EncryptionAlgorithm::ChaCha20Poly1305 => aead_given(),
        }
    }

    /// Encrypts one block in place.
    pub(crate) fn encrypt_block(&self, block: &mut [u8]) {
        match self {
            Self::Aes128(cipher) => encrypt_block(cipher, block),
            Self::Aes192(cipher) => encrypt_block(cipher, block),
            Self::Aes256(cipher) => encrypt_block(cipher, block),
            Self::TripleDes(cipher) => encrypt_block(cipher, block),
        }
    }

    /// Encrypts whole blocks in place.
    pub(crate) fn encrypt(&self, iv: &[u8], text: &mut [u8]) {
        match self {
            Self::Aes128(cipher) => encrypt_blocks(cipher, iv, text),
            Self::Aes192(cipher) => encrypt_blocks(cipher, iv, text),
            Self::Aes256(cipher) => encrypt_blocks(cipher, iv, text),
            Self::TripleDes(cipher) => encrypt_blocks(cipher, iv, text),
        }
    }
}

impl Decryptor {
    /// # Panics
    /// As [`Encryptor::new`].
    pub(crate) fn new(algorithm: EncryptionAlgorithm, key: &[u8]) -> Self {
        match algorithm {
            EncryptionAlgorithm::Aes128Cbc => Self::Aes128(schedule(key)),
            EncryptionAlgorithm::Aes192Cbc => Self::Aes192(schedule(key)),
            EncryptionAlgorithm::Aes256Cbc => Self::Aes256(schedule(key)),
            EncryptionAlgorithm::TripleDesCbc => Self::TripleDes(schedule(key)),
            EncryptionAlgorithm::Aes128Gcm16
            | EncryptionAlgorithm::Aes192Gcm16
            | EncryptionAlgorithm::Aes256Gcm16
            | EncryptionAlgorithm::ChaCha20Poly1305 => aead_given(),
        }
    }

    /// Decrypts whole blocks in place.
    pub(crate) fn decrypt(&self, iv: &[u8], text: &mut [u8]) {
        match self {
            Self::Aes128(cipher) => decrypt_blocks(cipher, iv, text),
            Self::Aes192(cipher) => decrypt_blocks(cipher, iv, text),
            Self::Aes256(cipher) => decrypt_blocks(cipher, iv, text),
            Self::TripleDes(cipher) => decrypt_blocks(cipher, iv, text),
        }
    }
}

fn aead_given() -> ! {
    panic!("an AEAD is not a cipher in CBC mode")
}

fn schedule<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect(KEY_LEN)
}

fn encrypt_block<C: BlockCipherEncrypt>(cipher: &C, block: &mut [u8]) {
    cipher.encrypt_block(block.try_into().expect(IV_LEN));
}

fn encrypt_blocks<C: BlockCipherEncrypt>(cipher: &C, iv: &[u8], text: &mut [u8]) {
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "{WHOLE_BLOCKS}");
    cbc::Encryptor::inner_iv_init(cipher, iv.try_into().expect(IV_LEN)).encrypt_blocks(blocks);
}

fn decrypt_blocks<C: BlockCipherDecrypt>(cipher: &C, iv: &[u8], text: &mut [u8]) {
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "{WHOLE_BLOCKS}");
    cbc::Decryptor::inner_iv_init(cipher, iv.try_into().expect(IV_LEN)).decrypt_blocks(blocks);
}
