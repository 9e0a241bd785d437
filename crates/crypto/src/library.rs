//! The AEADs of the libraries.

use std::sync::Arc;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm};
use aws_lc_rs::aead as aws_lc;
use chacha20poly1305::ChaCha20Poly1305;

use crate::aead::{ICV_LEN, NONCE_LEN, not_an_aead};
use crate::{EncryptionAlgorithm, IcvMismatch};

type Aes192Gcm = AesGcm<Aes192, aes_gcm::aead::consts::U12>;

/// An AEAD key of one of the libraries, behind a pointer that its copies share.
#[derive(Clone)]
pub(crate) enum LibraryKey {
    AwsLc(Arc<aws_lc::LessSafeKey>),
    Aes128Gcm(Arc<Aes128Gcm>),
    Aes192Gcm(Arc<Aes192Gcm>),
    Aes256Gcm(Arc<Aes256Gcm>),
    ChaCha20Poly1305(Arc<ChaCha20Poly1305>),
}

impl LibraryKey {
    /// # Panics
    /// When `key` has not the length of the algorithm's key, or the algorithm is not an AEAD.
    pub(crate) fn aws_lc(algorithm: EncryptionAlgorithm, key: &[u8]) -> Self {
        let algorithm = match algorithm {
            EncryptionAlgorithm::Aes128Gcm16 => &aws_lc::AES_128_GCM,
            EncryptionAlgorithm::Aes192Gcm16 => &aws_lc::AES_192_GCM,
            EncryptionAlgorithm::Aes256Gcm16 => &aws_lc::AES_256_GCM,
            EncryptionAlgorithm::ChaCha20Poly1305 => &aws_lc::CHACHA20_POLY1305,
            EncryptionAlgorithm::Aes128Cbc
            | EncryptionAlgorithm::Aes192Cbc
            | EncryptionAlgorithm::Aes256Cbc
            | EncryptionAlgorithm::TripleDesCbc => not_an_aead(),
        };
        let key = aws_lc::UnboundKey::new(algorithm, key).expect("the key has the cipher's length");
        Self::AwsLc(Arc::new(aws_lc::LessSafeKey::new(key)))
    }

    /// # Panics
    /// As [`Self::aws_lc`].
    pub(crate) fn portable(algorithm: EncryptionAlgorithm, key: &[u8]) -> Self {
        const LENGTH: &str = "the key has the cipher's length";
        match algorithm {
            EncryptionAlgorithm::Aes128Gcm16 => {
                Self::Aes128Gcm(Arc::new(Aes128Gcm::new_from_slice(key).expect(LENGTH)))
            }
            EncryptionAlgorithm::Aes192Gcm16 => {
                Self::Aes192Gcm(Arc::new(Aes192Gcm::new_from_slice(key).expect(LENGTH)))
            }
            EncryptionAlgorithm::Aes256Gcm16 => {
                Self::Aes256Gcm(Arc::new(Aes256Gcm::new_from_slice(key).expect(LENGTH)))
            }
            EncryptionAlgorithm::ChaCha20Poly1305 => Self::ChaCha20Poly1305(Arc::new(
                ChaCha20Poly1305::new_from_slice(key).expect(LENGTH),
            )),
            EncryptionAlgorithm::Aes128Cbc
            | EncryptionAlgorithm::Aes192Cbc
            | EncryptionAlgorithm::Aes256Cbc
            | EncryptionAlgorithm::TripleDesCbc => not_an_aead(),
        }
    }

    /// Encrypts `text` in place and writes the ICV.
    ///
    /// # Panics
    /// When `text` is longer than the cipher's limit, 64 GiB: no packet is.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated: &[u8],
        text: &mut [u8],
        icv: &mut [u8; ICV_LEN],
    ) {
        const LENGTH: &str = "a packet is shorter than the cipher's limit";
        match self {
            Self::AwsLc(key) => key
                .seal_in_place_scatter(
                    aws_lc::Nonce::assume_unique_for_key(*nonce),
                    aws_lc::Aad::from(associated),
                    text,
                    &[],
                    icv,
                )
                .expect(LENGTH),
            Self::Aes128Gcm(key) => {
                *icv = portable_seal(&**key, *nonce, associated, text).expect(LENGTH);
            }
            Self::Aes192Gcm(key) => {
                *icv = portable_seal(&**key, *nonce, associated, text).expect(LENGTH);
            }
            Self::Aes256Gcm(key) => {
                *icv = portable_seal(&**key, *nonce, associated, text).expect(LENGTH);
            }
            Self::ChaCha20Poly1305(key) => {
                *icv = portable_seal(&**key, *nonce, associated, text).expect(LENGTH);
            }
        }
    }

    /// Verifies and decrypts `text` in place; on failure its content is unspecified.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated: &[u8],
        text: &mut [u8],
        icv: &[u8; ICV_LEN],
    ) -> Result<(), IcvMismatch> {
        match self {
            Self::AwsLc(key) => key
                .open_in_place_separate_tag(
                    aws_lc::Nonce::assume_unique_for_key(*nonce),
                    aws_lc::Aad::from(associated),
                    icv,
                    text,
                )
                .map(|_| ())
                .map_err(|_| IcvMismatch),
            Self::Aes128Gcm(key) => portable_open(&**key, *nonce, associated, text, icv),
            Self::Aes192Gcm(key) => portable_open(&**key, *nonce, associated, text, icv),
            Self::Aes256Gcm(key) => portable_open(&**key, *nonce, associated, text, icv),
            Self::ChaCha20Poly1305(key) => portable_open(&**key, *nonce, associated, text, icv),
        }
    }
}

fn portable_seal<A>(
    key: &A,
    nonce: [u8; NONCE_LEN],
    associated: &[u8],
    text: &mut [u8],
) -> Result<[u8; ICV_LEN], aes_gcm::Error>
where
    A: AeadInOut<NonceSize = aes_gcm::aead::consts::U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let icv = key.encrypt_inout_detached(&nonce.into(), associated, text.into())?;
    Ok(icv.into())
}

fn portable_open<A>(
    key: &A,
    nonce: [u8; NONCE_LEN],
    associated: &[u8],
    text: &mut [u8],
    icv: &[u8; ICV_LEN],
) -> Result<(), IcvMismatch>
where
    A: AeadInOut<NonceSize = aes_gcm::aead::consts::U12, TagSize = aes_gcm::aead::consts::U16>,
{
    key.decrypt_inout_detached(&nonce.into(), associated, text.into(), &(*icv).into())
        .map_err(|_| IcvMismatch)
}
