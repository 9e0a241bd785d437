//! Opening the Encrypted payload, whole or in fragments (RFC 7296 §3.14, RFC 7383 §2.6).

use smallvec::SmallVec;

use crypto::{OpeningKey, ProtectionSuite, Secret};
use ipsec::ahead::fetch;
use timer::Instant;
use wire::ikev2::{Encrypted, Message, PayloadType};

use super::reassembly::{Joined, Reassembly};
use crate::Rejection;

/// Octets of a message that is decrypted without an allocation: a liveness check and its answer.
const SHORT: usize = 128;

/// The decrypted inside of a message.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Inner {
    /// Type of the first payload.
    pub(crate) first: PayloadType,
    /// The payloads.
    pub(crate) octets: Vec<u8>,
}

/// Checks and decrypts what the peer sends. As in [`MessageSealer`](super::seal::MessageSealer), the
/// key is built for each message.
pub(crate) struct MessageOpener {
    suite: ProtectionSuite,
    material: Secret,
    /// Of a request of the peer, and of a response: both may be under way at once.
    reassembly: [Option<Box<Reassembly>>; 2],
}

impl MessageOpener {
    /// `material` is what an [`OpeningKey`] of the suite is built from.
    pub(crate) fn new(suite: ProtectionSuite, material: Secret) -> Self {
        Self {
            suite,
            material,
            reassembly: [None, None],
        }
    }

    /// Asks the processor for the memory of what the key is built from.
    pub(crate) fn fetch(&self) {
        fetch(self.material.expose(), 0);
    }

    /// Opens a message whose message ID the caller has found to be the expected one. `Ok(None)`
    /// when it is a good fragment of a message that is not complete.
    ///
    /// # Errors
    /// When the message is not protected, not authentic, or contradicts other fragments.
    pub(crate) fn open(
        &mut self,
        datagram: &[u8],
        message: &Message<'_>,
        now: Instant,
    ) -> Result<Option<Inner>, Rejection> {
        let encrypted = message.encrypted.ok_or(Rejection::Unprotected)?;
        let slot = usize::from(message.header.flags.response);
        let Some(place) = encrypted.fragment else {
            let octets = self.decrypt(datagram, &encrypted)?;
            // The same message may come whole after some of its fragments got lost.
            self.forget(slot);
            let first = encrypted.first;
            return Ok(Some(Inner { first, octets }));
        };
        let (number, total) = place;
        let message_id = message.header.message_id;
        self.drop_stale(slot, message_id, now);
        match self.reassembly.get(slot) {
            Some(Some(begun)) => begun.admits(number, total)?,
            _ => Reassembly::may_begin(total)?,
        }
        // RFC 7383 §2.6: a fragment is authenticated before anything is stored.
        let octets = self.decrypt(datagram, &encrypted)?;
        let Some(slot) = self.reassembly.get_mut(slot) else {
            return Err(Rejection::FragmentInvalid);
        };
        let begun = slot.get_or_insert_with(|| Box::new(Reassembly::new(message_id, total, now)));
        match begun.store(number, total, encrypted.first, octets)? {
            Joined::Incomplete => Ok(None),
            Joined::Complete(inner) => {
                *slot = None;
                Ok(Some(inner))
            }
        }
    }

    /// Whether the message is authentic; nothing is kept of it. For a retransmitted request, whose
    /// answer is cached.
    pub(crate) fn is_authentic(&self, datagram: &[u8], message: &Message<'_>) -> bool {
        let encrypted = message.encrypted.as_ref();
        encrypted.is_some_and(|encrypted| self.decrypt(datagram, encrypted).is_ok())
    }

    fn decrypt(&self, datagram: &[u8], encrypted: &Encrypted) -> Result<Vec<u8>, Rejection> {
        let mut packet: SmallVec<[u8; SHORT]> = SmallVec::from_slice(datagram);
        let text = OpeningKey::new(self.suite, self.material.expose())
            .open(&mut packet, encrypted.body, None)
            .map_err(|_| Rejection::IcvMismatch)?;
        let padded = packet.get(text).ok_or(Rejection::Malformed)?;
        let (pad_len, plain) = padded.split_last().ok_or(Rejection::Malformed)?;
        // RFC 7296 §3.14: the padding may have any content and any length up to 255.
        let plain_len = plain.len().checked_sub(usize::from(*pad_len));
        let plain = plain_len.and_then(|len| plain.get(..len));
        plain.map(<[u8]>::to_vec).ok_or(Rejection::Malformed)
    }

    fn drop_stale(&mut self, slot: usize, message_id: u32, now: Instant) {
        let stale = |begun: &Reassembly| begun.is_stale(message_id, now);
        if matches!(self.reassembly.get(slot), Some(Some(begun)) if stale(begun)) {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: usize) {
        if let Some(slot) = self.reassembly.get_mut(slot) {
            *slot = None;
        }
    }
}

#[cfg(test)]
#[path = "sk_tests.rs"]
mod tests;
