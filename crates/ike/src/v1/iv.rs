//! Initialisation vectors (RFC 2409 appendix B): each exchange has a chain of them, in which the next
//! is the last block of ciphertext before it, whichever end sent that.

use crypto::PrfAlgorithm;

/// The longest block of our ciphers.
const BLOCK_LEN_MAX: usize = 16;

/// An initialisation vector, one block long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Iv {
    octets: [u8; BLOCK_LEN_MAX],
    len: usize,
}

impl Iv {
    /// The first of phase 1, made of both public values.
    pub(super) fn of_phase_one(
        hash: PrfAlgorithm,
        block_len: usize,
        initiator_public: &[u8],
        responder_public: &[u8],
    ) -> Self {
        Self::cut(
            &crypto::digest(hash, &[initiator_public, responder_public]),
            block_len,
        )
    }

    /// The first of a later exchange. `last` is the last of phase 1.
    pub(super) fn of_exchange(hash: PrfAlgorithm, last: &Self, message_id: u32) -> Self {
        let digest = crypto::digest(hash, &[last.octets(), &message_id.to_be_bytes()]);
        Self::cut(&digest, last.len)
    }

    /// The one after a message with this ciphertext, whole blocks.
    pub(super) fn after(&self, ciphertext: &[u8]) -> Self {
        let start = ciphertext.len().saturating_sub(self.len);
        Self::cut(ciphertext.get(start..).unwrap_or_default(), self.len)
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&self.octets)
    }

    /// The first `len` octets.
    fn cut(octets: &[u8], len: usize) -> Self {
        let len = len.min(BLOCK_LEN_MAX);
        let mut iv = Self {
            octets: [0; BLOCK_LEN_MAX],
            len,
        };
        for (to, from) in iv.octets.iter_mut().take(len).zip(octets) {
            *to = *from;
        }
        iv
    }
}
