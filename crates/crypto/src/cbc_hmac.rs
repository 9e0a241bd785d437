use crate::cbc::{BLOCK_LEN_MAX, Decryptor, Encryptor};
#[cfg(target_arch = "x86_64")]
use crate::chain::ChainKey;
use crate::hmac_key::HmacKey;
use crate::{EncryptionAlgorithm, IcvMismatch, IntegrityAlgorithm};

pub(crate) const ICV_LEN_MAX: usize = 32;

/// CBC then HMAC, sealing side. Only the encrypting half of the key schedule is kept.
pub(crate) struct CbcSealer {
    cipher: Encryptor,
    hmac: HmacKey,
    /// For packets that are sealed together.
    #[cfg(target_arch = "x86_64")]
    chain: Option<ChainKey>,
}

/// CBC then HMAC, opening side.
pub(crate) struct CbcOpener {
    cipher: Decryptor,
    hmac: HmacKey,
}

impl CbcSealer {
    pub(crate) fn new(
        encryption: EncryptionAlgorithm,
        integrity: IntegrityAlgorithm,
        key: &[u8],
        integrity_key: &[u8],
    ) -> Self {
        Self {
            cipher: Encryptor::new(encryption, key),
            hmac: HmacKey::for_integrity(integrity, integrity_key),
            #[cfg(target_arch = "x86_64")]
            chain: ChainKey::new(encryption, key),
        }
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) const fn chain(&self) -> Option<&ChainKey> {
        self.chain.as_ref()
    }

    /// Writes the IV for packet number `counter`: the counter, encrypted under the packet key.
    ///
    /// RFC 3602 §3 wants IVs that cannot be predicted; NIST SP 800-38A appendix C names this
    /// construction, which needs no random source and never repeats under one key.
    pub(crate) fn write_iv(&self, counter: u64, iv: &mut [u8]) {
        let block = u128::from(counter).to_be_bytes();
        iv.copy_from_slice(&block[BLOCK_LEN_MAX - iv.len()..]);
        self.cipher.encrypt_block(iv);
    }

    /// Encrypts whole blocks in place.
    pub(crate) fn encrypt(&self, iv: &[u8], text: &mut [u8]) {
        self.cipher.encrypt(iv, text);
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
        Self {
            cipher: Decryptor::new(encryption, key),
            hmac: HmacKey::for_integrity(integrity, integrity_key),
        }
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
    pub(crate) fn decrypt(&self, iv: &[u8], text: &mut [u8]) {
        self.cipher.decrypt(iv, text);
    }
}

fn compute_icv(hmac: &HmacKey, covered: &[u8], esn_high: Option<u32>, icv: &mut [u8]) {
    match esn_high {
        Some(high) => hmac.compute(&[covered, &high.to_be_bytes()], icv),
        None => hmac.compute(&[covered], icv),
    }
}
