use aes::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit,
    KeyInit,
};
use aes::{Aes128Dec, Aes128Enc, Aes256Dec, Aes256Enc, Block};

use crate::hmac_key::HmacKey;
use crate::{EncryptionAlgorithm, IcvMismatch, IntegrityAlgorithm};

pub(crate) const BLOCK_LEN: usize = 16;
pub(crate) const ICV_LEN_MAX: usize = 32;

const KEY_LEN: &str = "the key has the cipher's length";

/// AES-CBC then HMAC, sealing side. Only the encrypting half of the key schedule is kept.
pub(crate) struct CbcSealer {
    cipher: Encryptor,
    hmac: HmacKey,
}

/// AES-CBC then HMAC, opening side.
pub(crate) struct CbcOpener {
    cipher: Decryptor,
    hmac: HmacKey,
}

#[expect(
    clippy::large_enum_variant,
    reason = "always behind the box of a sealing or opening key; a second one would cost a cache miss"
)]
enum Encryptor {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

#[expect(
    clippy::large_enum_variant,
    reason = "always behind the box of a sealing or opening key; a second one would cost a cache miss"
)]
enum Decryptor {
    Aes128(Aes128Dec),
    Aes256(Aes256Dec),
}

impl CbcSealer {
    pub(crate) fn new(
        encryption: EncryptionAlgorithm,
        integrity: IntegrityAlgorithm,
        key: &[u8],
        integrity_key: &[u8],
    ) -> Self {
        let cipher = match encryption {
            EncryptionAlgorithm::Aes128Cbc => {
                Encryptor::Aes128(Aes128Enc::new_from_slice(key).expect(KEY_LEN))
            }
            EncryptionAlgorithm::Aes256Cbc => {
                Encryptor::Aes256(Aes256Enc::new_from_slice(key).expect(KEY_LEN))
            }
            _ => aead_given(),
        };
        let hmac = HmacKey::for_integrity(integrity, integrity_key);
        Self { cipher, hmac }
    }

    /// The IV for packet number `counter`: the counter, encrypted under the packet key.
    ///
    /// RFC 3602 §3 wants IVs that cannot be predicted; NIST SP 800-38A appendix C names this
    /// construction, which needs no random source and never repeats under one key.
    pub(crate) fn iv(&self, counter: u64) -> [u8; BLOCK_LEN] {
        let mut block = Block::from((u128::from(counter)).to_be_bytes());
        match &self.cipher {
            Encryptor::Aes128(cipher) => cipher.encrypt_block(&mut block),
            Encryptor::Aes256(cipher) => cipher.encrypt_block(&mut block),
        }
        block.into()
    }

    /// Encrypts whole blocks in place.
    pub(crate) fn encrypt(&self, iv: &[u8; BLOCK_LEN], text: &mut [u8]) {
        match &self.cipher {
            Encryptor::Aes128(cipher) => encrypt_blocks(cipher, iv, text),
            Encryptor::Aes256(cipher) => encrypt_blocks(cipher, iv, text),
        }
    }

    /// The ICV over `covered` and, with extended sequence numbers, the high half that is not
    /// sent (RFC 4303 §2.2.1).
    pub(crate) fn icv(&self, covered: &[u8], esn_high: Option<u32>, icv: &mut [u8]) {
        compute_icv(&self.hmac, covered, esn_high, icv);
    }
}

impl CbcOpener {
    pub(crate) fn new(
        encryption: EncryptionAlgorithm,
        integrity: IntegrityAlgorithm,
        key: &[u8],
        integrity_key: &[u8],
    ) -> Self {
        let cipher = match encryption {
            EncryptionAlgorithm::Aes128Cbc => {
                Decryptor::Aes128(Aes128Dec::new_from_slice(key).expect(KEY_LEN))
            }
            EncryptionAlgorithm::Aes256Cbc => {
                Decryptor::Aes256(Aes256Dec::new_from_slice(key).expect(KEY_LEN))
            }
            _ => aead_given(),
        };
        let hmac = HmacKey::for_integrity(integrity, integrity_key);
        Self { cipher, hmac }
    }

    /// Verifies the ICV over `covered`, in constant time.
    pub(crate) fn verify(
        &self,
        covered: &[u8],
        esn_high: Option<u32>,
        icv: &[u8],
    ) -> Result<(), IcvMismatch> {
        let mut expected = [0; ICV_LEN_MAX];
        let expected = expected.get_mut(..icv.len()).ok_or(IcvMismatch)?;
        compute_icv(&self.hmac, covered, esn_high, expected);
        if crate::equal(expected, icv) {
            Ok(())
        } else {
            Err(IcvMismatch)
        }
    }

    /// Decrypts whole blocks in place.
    pub(crate) fn decrypt(&self, iv: &[u8; BLOCK_LEN], text: &mut [u8]) {
        match &self.cipher {
            Decryptor::Aes128(cipher) => decrypt_blocks(cipher, iv, text),
            Decryptor::Aes256(cipher) => decrypt_blocks(cipher, iv, text),
        }
    }
}

fn aead_given() -> ! {
    panic!("an AEAD suite is built without an integrity algorithm")
}

fn compute_icv(hmac: &HmacKey, covered: &[u8], esn_high: Option<u32>, icv: &mut [u8]) {
    match esn_high {
        Some(high) => hmac.compute(&[covered, &high.to_be_bytes()], icv),
        None => hmac.compute(&[covered], icv),
    }
}

fn encrypt_blocks<C>(cipher: &C, iv: &[u8; BLOCK_LEN], text: &mut [u8])
where
    C: BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>,
{
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    debug_assert!(rest.is_empty(), "the caller pads to whole blocks");
    cbc::Encryptor::inner_iv_init(cipher, &(*iv).into()).encrypt_blocks(blocks);
}

fn decrypt_blocks<C>(cipher: &C, iv: &[u8; BLOCK_LEN], text: &mut [u8])
where
    C: BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>,
{
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    debug_assert!(rest.is_empty(), "the caller checked for whole blocks");
    cbc::Decryptor::inner_iv_init(cipher, &(*iv).into()).decrypt_blocks(blocks);
}
