use std::ops::Range;
use std::sync::Arc;

use crate::aead::{self, AeadKey, SALT_LEN};
use crate::associated::Associated;
use crate::cbc_hmac::{CbcOpener, CbcSealer};
#[cfg(target_arch = "x86_64")]
use crate::chain::{self, LANES, Lane};
#[cfg(target_arch = "x86_64")]
use crate::together::Waiting;
use crate::{EncryptionAlgorithm, IntegrityAlgorithm, ProtectionSuite, Provider};

/// The packet is not what its sender sealed, or not long enough to be anything that was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcvMismatch;

impl std::fmt::Display for IcvMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the integrity check value does not match the packet")
    }
}

impl std::error::Error for IcvMismatch {}

/// The key of one direction, for the side that sends.
///
/// A packet lies in one buffer: `associated | iv | plaintext | icv`. For ESP the associated
/// octets are the SPI and the sequence number; for IKE everything from the header to the
/// Encrypted payload's own generic header.
pub struct SealingKey(Sealing);

#[derive(Clone)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(
        clippy::large_enum_variant,
        reason = "the usual key lies inline, so that an SA's cache lines hold it"
    )
)]
enum Sealing {
    Aead(AeadKey),
    CbcHmac {
        key: Arc<CbcSealer>,
        block_len: u8,
        icv_len: u8,
    },
}

/// The key of one direction, for the side that receives.
pub struct OpeningKey(Opening);

#[derive(Clone)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(
        clippy::large_enum_variant,
        reason = "the usual key lies inline, so that an SA's cache lines hold it"
    )
)]
enum Opening {
    Aead(AeadKey),
    CbcHmac {
        key: Arc<CbcOpener>,
        block_len: u8,
        icv_len: u8,
    },
}

impl SealingKey {
    /// Builds the key from keying material: key, salt, integrity key (RFC 7296 §2.17).
    ///
    /// # Panics
    /// When `key_material` has not [`ProtectionSuite::key_material_len`] octets or the suite is
    /// not [consistent](ProtectionSuite::is_consistent).
    #[must_use]
    pub fn new(suite: ProtectionSuite, key_material: &[u8]) -> Self {
        Self::with_provider(Provider::default(), suite, key_material)
    }

    /// As [`Self::new`], with the AEAD computed by `provider`.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn with_provider(provider: Provider, suite: ProtectionSuite, key_material: &[u8]) -> Self {
        Self(match KeyParts::split(suite, key_material) {
            KeyParts::Aead {
                algorithm,
                key,
                salt,
            } => Sealing::Aead(AeadKey::new(provider, algorithm, key, salt)),
            KeyParts::CbcHmac {
                encryption,
                integrity,
                key,
                integrity_key,
                block_len,
                icv_len,
            } => Sealing::CbcHmac {
                key: Arc::new(CbcSealer::new(encryption, integrity, key, integrity_key)),
                block_len,
                icv_len,
            },
        })
    }

    /// A copy for another shard that seals for the same SA. Whoever has one draws its counters from
    /// where the others draw theirs, for a counter must never repeat.
    #[must_use]
    pub fn copy_for_another_shard(&self) -> Self {
        Self(self.0.clone())
    }

    /// Seals `packet` in place: writes the IV, turns plaintext into ciphertext, writes the ICV.
    ///
    /// `associated` is the number of leading octets that are authenticated but not encrypted.
    /// `esn_high` is the unsent half of a 64-bit sequence number. `counter` must never repeat
    /// under one key: it is the IV of an AEAD (RFC 4106 §3.1), and a repetition gives the key
    /// away.
    ///
    /// # Panics
    /// When `packet` has no room for IV and ICV after `associated` octets, or the plaintext is
    /// not a multiple of [`ProtectionSuite::block_len`]: the caller laid the packet out.
    #[inline]
    pub fn seal(&self, packet: &mut [u8], associated: usize, esn_high: Option<u32>, counter: u64) {
        match &self.0 {
            Sealing::Aead(key) => {
                let (associated, rest) = packet.split_at_mut(associated);
                key.seal(counter, Associated::new(associated, esn_high), rest);
            }
            Sealing::CbcHmac {
                key,
                block_len,
                icv_len,
            } => {
                let layout = CbcLayout::of(packet, associated, *block_len, *icv_len);
                let (iv, text) = layout.iv_and_text(packet);
                key.write_iv(counter, iv);
                key.encrypt(iv, text);
                layout.write_icv(packet, key, esn_high);
            }
        }
    }

    /// Whether its packets are sealed faster in company, by [`seal_together`](crate::seal_together).
    #[must_use]
    pub fn gains_by_company(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if let Sealing::CbcHmac { key, .. } = &self.0 {
            return key.chain().is_some();
        }
        false
    }

    /// Seals packets whose keys all gain by it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn seal_company(company: &mut [Option<Waiting<'_>>; LANES]) {
        let mut lanes = company.each_mut().map(|waiting| {
            let waiting = waiting.as_mut()?;
            let (key, layout) = waiting.key.chained(waiting.packet, waiting.associated)?;
            let (iv, text) = layout.iv_and_text(waiting.packet);
            key.write_iv(waiting.counter, iv);
            Some(Lane {
                key: key.chain()?,
                iv: (&*iv).try_into().ok()?,
                text,
            })
        });
        chain::encrypt(&mut lanes);
        for waiting in company.iter_mut().flatten() {
            if let Some((key, layout)) = waiting.key.chained(waiting.packet, waiting.associated) {
                layout.write_icv(waiting.packet, key, waiting.esn_high);
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn chained(&self, packet: &[u8], associated: usize) -> Option<(&CbcSealer, CbcLayout)> {
        match &self.0 {
            Sealing::Aead(_) => None,
            Sealing::CbcHmac {
                key,
                block_len,
                icv_len,
            } => {
                let layout = CbcLayout::of(packet, associated, *block_len, *icv_len);
                Some((key, layout))
            }
        }
    }
}

/// Where the parts of a packet lie that is sealed with CBC and HMAC.
#[derive(Clone, Copy)]
struct CbcLayout {
    iv: usize,
    text: usize,
    icv: usize,
}

impl CbcLayout {
    /// # Panics
    /// When the packet has no room for IV and ICV, or the text is not in whole blocks.
    fn of(packet: &[u8], associated: usize, block_len: u8, icv_len: u8) -> Self {
        let block_len = usize::from(block_len);
        let text = associated.checked_add(block_len).expect("room for the IV");
        let icv = packet.len().checked_sub(usize::from(icv_len));
        let icv = icv.expect("room for the ICV");
        assert!(text <= icv, "room for the IV");
        assert!(
            (icv - text).is_multiple_of(block_len),
            "plaintext padded to whole blocks"
        );
        Self {
            iv: associated,
            text,
            icv,
        }
    }

    fn iv_and_text(self, packet: &mut [u8]) -> (&mut [u8], &mut [u8]) {
        packet[self.iv..self.icv].split_at_mut(self.text - self.iv)
    }

    fn write_icv(self, packet: &mut [u8], key: &CbcSealer, esn_high: Option<u32>) {
        let (covered, icv) = packet.split_at_mut(self.icv);
        key.icv(covered, esn_high, icv);
    }
}

impl OpeningKey {
    /// Builds the key from keying material: key, salt, integrity key (RFC 7296 §2.17).
    ///
    /// # Panics
    /// As [`SealingKey::new`].
    #[must_use]
    pub fn new(suite: ProtectionSuite, key_material: &[u8]) -> Self {
        Self::with_provider(Provider::default(), suite, key_material)
    }

    /// As [`Self::new`], with the AEAD computed by `provider`.
    ///
    /// # Panics
    /// As [`SealingKey::new`].
    #[must_use]
    pub fn with_provider(provider: Provider, suite: ProtectionSuite, key_material: &[u8]) -> Self {
        Self(match KeyParts::split(suite, key_material) {
            KeyParts::Aead {
                algorithm,
                key,
                salt,
            } => Opening::Aead(AeadKey::new(provider, algorithm, key, salt)),
            KeyParts::CbcHmac {
                encryption,
                integrity,
                key,
                integrity_key,
                block_len,
                icv_len,
            } => Opening::CbcHmac {
                key: Arc::new(CbcOpener::new(encryption, integrity, key, integrity_key)),
                block_len,
                icv_len,
            },
        })
    }

    /// A copy for another shard that opens for the same SA.
    #[must_use]
    pub fn copy_for_another_shard(&self) -> Self {
        Self(self.0.clone())
    }

    /// Opens `packet` in place and says where in it the plaintext lies.
    ///
    /// Any packet may be given: one that is too short, or whose ciphertext is not in whole
    /// blocks, is refused.
    ///
    /// # Errors
    /// [`IcvMismatch`]; the content of `packet` is then unspecified.
    #[inline]
    pub fn open(
        &self,
        packet: &mut [u8],
        associated: usize,
        esn_high: Option<u32>,
    ) -> Result<Range<usize>, IcvMismatch> {
        match &self.0 {
            Opening::Aead(key) => {
                let text = text_range(packet, associated, aead::IV_LEN, aead::ICV_LEN)?;
                let (associated, rest) = packet.split_at_mut(associated);
                key.open(Associated::new(associated, esn_high), rest)?;
                Ok(text)
            }
            Opening::CbcHmac {
                key,
                block_len,
                icv_len,
            } => {
                let block_len = usize::from(*block_len);
                let icv_len = usize::from(*icv_len);
                let text = text_range(packet, associated, block_len, icv_len)?;
                if !text.len().is_multiple_of(block_len) {
                    return Err(IcvMismatch);
                }
                let (covered, icv) = packet.split_at_mut(text.end);
                key.verify(covered, esn_high, icv)?;
                let (iv, ciphertext) = covered
                    .get_mut(associated..)
                    .and_then(|rest| rest.split_at_mut_checked(block_len))
                    .ok_or(IcvMismatch)?;
                key.decrypt(iv, ciphertext);
                Ok(text)
            }
        }
    }
}

/// Where the ciphertext lies in a packet that may be of any length.
fn text_range(
    packet: &[u8],
    associated: usize,
    iv_len: usize,
    icv_len: usize,
) -> Result<Range<usize>, IcvMismatch> {
    let start = associated.checked_add(iv_len).ok_or(IcvMismatch)?;
    let end = packet.len().checked_sub(icv_len).ok_or(IcvMismatch)?;
    if start > end {
        return Err(IcvMismatch);
    }
    Ok(start..end)
}

/// Keying material, cut up.
enum KeyParts<'a> {
    Aead {
        algorithm: EncryptionAlgorithm,
        key: &'a [u8],
        salt: [u8; SALT_LEN],
    },
    CbcHmac {
        encryption: EncryptionAlgorithm,
        integrity: IntegrityAlgorithm,
        key: &'a [u8],
        integrity_key: &'a [u8],
        block_len: u8,
        icv_len: u8,
    },
}

impl<'a> KeyParts<'a> {
    fn split(suite: ProtectionSuite, key_material: &'a [u8]) -> Self {
        assert!(suite.is_consistent(), "an AEAD stands alone, CBC does not");
        assert_eq!(
            key_material.len(),
            suite.key_material_len(),
            "keying material has the suite's length"
        );
        let encryption = suite.encryption;
        let (key, rest) = key_material.split_at(encryption.key_len());
        match (suite.integrity, rest.first_chunk()) {
            (Some(integrity), _) => Self::CbcHmac {
                encryption,
                integrity,
                key,
                integrity_key: rest,
                // Blocks have 8 or 16 octets.
                block_len: encryption.block_len() as u8,
                // Truncated HMACs are 12 to 32 octets long.
                icv_len: integrity.icv_len() as u8,
            },
            (None, Some(salt)) => Self::Aead {
                algorithm: encryption,
                key,
                salt: *salt,
            },
            (None, None) => unreachable!("the length was checked above"),
        }
    }
}
