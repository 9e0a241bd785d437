//! Encrypted messages on their way out (RFC 2409 §5, appendix B).

use wire::ikev1::{
    ExchangeType, Flags, HEADER_LEN, Header, Payload, encode_message, hash_range, pad_to_block,
};

use super::IkeSa;
use super::hashes::{Cover, exchange_hash};
use super::iv::Iv;

impl IkeSa {
    /// A header without length and first payload.
    pub(super) fn header(
        &self,
        exchange: ExchangeType,
        message_id: u32,
        encryption: bool,
    ) -> Header {
        let (initiator_cookie, responder_cookie) = self.cookies();
        Header {
            initiator_cookie,
            responder_cookie,
            next_payload: 0,
            major: 1,
            minor: 0,
            exchange,
            flags: Flags {
                encryption,
                commit: false,
                authentication_only: false,
            },
            message_id,
            length: 0,
        }
    }

    /// A message of an exchange after phase 1: HASH over what `cover` says, then the payloads. One
    /// datagram or its fragments, and the IV of the next message. `None` without keys.
    pub(super) fn seal(
        &mut self,
        exchange: ExchangeType,
        message_id: u32,
        iv: &Iv,
        cover: Cover<'_>,
        payloads: &[Payload<'_>],
    ) -> Option<(Vec<Vec<u8>>, Iv)> {
        let keys = self.keys.as_ref()?;
        let hash = keys.suite.hash;
        let zeros = vec![0; hash.output_len()];
        let mut chain = vec![Payload::Hash(&zeros)];
        chain.extend_from_slice(payloads);
        let mut message = encode_message(&self.header(exchange, message_id, true), &chain);
        let place = hash_range(hash.output_len());
        let covered = message.get(place.end..).unwrap_or_default();
        let value = exchange_hash(hash, &keys.authentication, message_id, cover, covered);
        if let Some(slot) = message.get_mut(place) {
            slot.copy_from_slice(value.expose());
        }
        let next = self.encrypt(&mut message, iv)?;
        Some((self.datagrams_of(message), next))
    }

    /// A message of phase 1 that is encrypted; its chain of IVs moves on.
    pub(super) fn seal_phase_one(
        &mut self,
        exchange: ExchangeType,
        payloads: &[Payload<'_>],
    ) -> Option<Vec<Vec<u8>>> {
        let mut message = encode_message(&self.header(exchange, 0, true), payloads);
        let iv = self.keys.as_ref()?.chain;
        let next = self.encrypt(&mut message, &iv)?;
        self.keys.as_mut()?.chain = next;
        Some(self.datagrams_of(message))
    }

    /// Pads and encrypts what follows the header.
    fn encrypt(&self, message: &mut Vec<u8>, iv: &Iv) -> Option<Iv> {
        let cipher = &self.keys.as_ref()?.cipher;
        pad_to_block(message, cipher.block_len());
        let text = message.get_mut(HEADER_LEN..)?;
        Some(cipher.encrypt(iv, text))
    }
}
