//! AES-GCM (NIST SP 800-38D) for processors that have AES and carry-less multiplication four lanes
//! wide: AVX-512 with VAES and VPCLMULQDQ.
//!
//! It exists for three things that libraries do not give together: the expanded key lies inline,
//! so that an SA's cache lines can be fetched ahead; short packets cost no more than they must; and
//! there is no `unsafe` in it. Nothing depends on secrets but the values in registers: there are no
//! tables to look up and no branches but on lengths. ADR 0007 has the reasons and the figures, and
//! the tests hold it against the other providers octet for octet.

mod ghash;
mod packet;
mod schedule;

use core::ops::Range;

use archmage::{SimdToken, X64V4xToken};
use zeroize::Zeroize;

use crate::aead::SALT_LEN;
use crate::associated::Associated;
use schedule::Expanded;
pub(crate) use schedule::{RoundKeys, Rounds, round_keys_128, round_keys_256};

/// An AES-GCM key, expanded, with the powers of its hash key.
///
/// The token proves that the processor has what the code below is compiled for.
#[derive(Clone)]
pub(crate) struct GcmKey {
    expanded: Expanded,
    token: X64V4xToken,
}

impl GcmKey {
    /// Expands a key of 16 or 32 octets; `None` for another length, or if this processor lacks
    /// something.
    pub(crate) fn new(key: &[u8], salt: [u8; SALT_LEN]) -> Option<Self> {
        let token = X64V4xToken::summon()?;
        let expanded = if let Ok(key) = key.try_into() {
            let mut expanded = Expanded::zeroed(salt, Rounds::Ten);
            schedule::expand_128(token, key, &mut expanded);
            expanded
        } else {
            let mut expanded = Expanded::zeroed(salt, Rounds::Fourteen);
            schedule::expand_256(token, key.try_into().ok()?, &mut expanded);
            expanded
        };
        Some(Self { expanded, token })
    }

    /// Encrypts `text` within `packet` in place and returns the ICV.
    ///
    /// # Panics
    /// When `text` does not lie within `packet`.
    #[inline]
    pub(crate) fn seal(
        &self,
        iv: u64,
        associated: Associated<'_>,
        packet: &mut [u8],
        text: Range<usize>,
    ) -> [u8; 16] {
        let (token, key, nonce) = (self.token, &self.expanded, self.nonce(iv));
        match key.rounds {
            Rounds::Ten => packet::seal_128(token, key, nonce, associated, packet, text),
            Rounds::Fourteen => packet::seal_256(token, key, nonce, associated, packet, text),
        }
    }

    /// Decrypts `text` within `packet` in place and returns whether `icv` is that of the packet.
    ///
    /// # Panics
    /// When `text` does not lie within `packet`.
    #[inline]
    pub(crate) fn open(
        &self,
        iv: u64,
        associated: Associated<'_>,
        packet: &mut [u8],
        text: Range<usize>,
        icv: [u8; 16],
    ) -> bool {
        let (token, key, nonce) = (self.token, &self.expanded, self.nonce(iv));
        match key.rounds {
            Rounds::Ten => packet::open_128(token, key, nonce, associated, packet, text, icv),
            Rounds::Fourteen => packet::open_256(token, key, nonce, associated, packet, text, icv),
        }
    }

    const fn nonce(&self, iv: u64) -> Nonce {
        Nonce {
            salt: u32::from_be_bytes(self.expanded.salt),
            iv,
        }
    }
}

/// RFC 4106 §4: the salt of the key, then the IV of the packet.
#[derive(Clone, Copy)]
struct Nonce {
    salt: u32,
    iv: u64,
}

impl Drop for GcmKey {
    fn drop(&mut self) {
        self.expanded.zeroize();
    }
}
