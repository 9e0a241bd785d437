//! Building the Encrypted payload, whole or in fragments (RFC 7296 §3.14, RFC 7383 §2.5).

use crypto::{ProtectionSuite, SealingKey, Secret};
use ipsec::ahead::fetch;
use wire::ikev2::{
    HEADER_LEN, Header, Payload, PayloadType, encode_encrypted_head, encode_payloads,
};

/// Octets of the generic header of SK, and of SKF with its two numbers.
const SK_HEAD_LEN: usize = 4;
const SKF_HEAD_LEN: usize = 8;
/// The Pad Length octet.
const PAD_LENGTH_LEN: usize = 1;
/// The most that fits behind the 16-bit length of an SK payload, for a message that must not be
/// fragmented; no message that we build comes near.
const WHOLE_LEN_MAX: usize = 60_000;

/// Protects what we send. A ready key is ten times as large as what it is made from, and an IKE SA
/// rests nearly all the time, so the key is built for each message.
pub(crate) struct MessageSealer {
    suite: ProtectionSuite,
    material: Secret,
    /// Number of the next message or fragment under this key. Retransmissions are the same octets
    /// again, so no number is ever used for two contents.
    counter: u64,
}

impl MessageSealer {
    /// `material` is what a [`SealingKey`] of the suite is built from.
    pub(crate) fn new(suite: ProtectionSuite, material: Secret) -> Self {
        Self {
            suite,
            material,
            counter: 0,
        }
    }

    /// Asks the processor for the memory of what the key is built from.
    pub(crate) fn fetch(&self) {
        fetch(self.material.expose(), 0);
    }

    /// The message with these payloads, protected: one datagram, or several fragments when the
    /// peer takes them (`message_len_max` is set) and one would be longer.
    pub(crate) fn seal(
        &mut self,
        header: &Header,
        payloads: &[Payload<'_>],
        message_len_max: Option<usize>,
    ) -> Vec<Vec<u8>> {
        let key = SealingKey::new(self.suite, self.material.expose());
        // A liveness check has nothing inside.
        let mut inner = Vec::with_capacity(if payloads.is_empty() { 0 } else { 512 });
        let first = encode_payloads(payloads, &mut inner);
        let whole_len = HEADER_LEN + SK_HEAD_LEN + self.sealed_len(inner.len());
        match message_len_max {
            Some(limit) if whole_len > limit => {
                self.seal_fragments(&key, header, first, &inner, limit)
            }
            _ => vec![self.seal_one(&key, header, first, None, &inner)],
        }
    }

    fn seal_fragments(
        &mut self,
        key: &SealingKey,
        header: &Header,
        first: PayloadType,
        inner: &[u8],
        limit: usize,
    ) -> Vec<Vec<u8>> {
        let chunk_len = self.chunk_len(limit);
        let total = u16::try_from(inner.len().div_ceil(chunk_len)).unwrap_or(u16::MAX);
        (1..=total)
            .zip(inner.chunks(chunk_len))
            .map(|(number, chunk)| {
                // RFC 7383 §2.5: only the first fragment names the first payload.
                let first = if number == 1 {
                    first
                } else {
                    PayloadType::NONE
                };
                self.seal_one(key, header, first, Some((number, total)), chunk)
            })
            .collect()
    }

    /// How much plaintext a fragment of at most `limit` octets holds.
    fn chunk_len(&self, limit: usize) -> usize {
        let overhead = HEADER_LEN + SKF_HEAD_LEN + self.suite.iv_len() + self.suite.icv_len();
        let room = limit.saturating_sub(overhead);
        let blocks = room - room % self.suite.block_len();
        // A limit without room for anything still makes progress, in messages that exceed it.
        blocks.saturating_sub(PAD_LENGTH_LEN).max(64)
    }

    /// Octets from the IV to the ICV for so much plaintext.
    fn sealed_len(&self, plain_len: usize) -> usize {
        let padded = (plain_len + PAD_LENGTH_LEN).next_multiple_of(self.suite.block_len());
        self.suite.iv_len() + padded + self.suite.icv_len()
    }

    fn seal_one(
        &mut self,
        key: &SealingKey,
        header: &Header,
        first: PayloadType,
        fragment: Option<(u16, u16)>,
        plain: &[u8],
    ) -> Vec<u8> {
        let sealed_len = self.sealed_len(plain.len());
        debug_assert!(
            sealed_len <= WHOLE_LEN_MAX,
            "fragments are for long messages"
        );
        let mut message = encode_encrypted_head(header, &[], first, fragment, sealed_len);
        let associated = message.len();
        message.resize(associated + self.suite.iv_len(), 0);
        message.extend_from_slice(plain);
        let padded_len = sealed_len - self.suite.iv_len() - self.suite.icv_len();
        let pad_len = padded_len - plain.len() - PAD_LENGTH_LEN;
        message.resize(message.len() + pad_len, 0);
        // A block has at most 16 octets, so that the padding is always counted in one octet.
        message.push(u8::try_from(pad_len).unwrap_or(u8::MAX));
        message.resize(associated + sealed_len, 0);
        key.seal(&mut message, associated, None, self.counter);
        self.counter += 1;
        message
    }
}
