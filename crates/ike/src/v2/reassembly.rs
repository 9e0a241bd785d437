//! Putting the fragments of a message together (RFC 7383 §2.6), within limits.

use core::time::Duration;

use timer::Instant;
use wire::ikev2::PayloadType;

use super::open::Inner;
use crate::Rejection;

/// Most fragments of one message.
pub(crate) const FRAGMENTS_MAX: u16 = 64;
/// Most octets inside one message.
pub(crate) const REASSEMBLED_LEN_MAX: usize = 64 * 1024;
/// How long the fragments of one message may take.
pub(crate) const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(30);

/// The authenticated fragments of one message so far.
pub(super) struct Reassembly {
    message_id: u32,
    begun_at: Instant,
    first: PayloadType,
    parts: Vec<Option<Vec<u8>>>,
    octets: usize,
}

/// What came of a fragment.
pub(super) enum Joined {
    /// Others are missing.
    Incomplete,
    /// It was the last missing one.
    Complete(Inner),
}

impl Reassembly {
    pub(super) fn new(message_id: u32, total: u16, now: Instant) -> Self {
        Self {
            message_id,
            begun_at: now,
            first: PayloadType::NONE,
            parts: vec![None; usize::from(total)],
            octets: 0,
        }
    }

    /// Whether a message in so many fragments may be put together at all.
    pub(super) fn may_begin(total: u16) -> Result<(), Rejection> {
        if total > FRAGMENTS_MAX {
            return Err(Rejection::FragmentLimit);
        }
        Ok(())
    }

    /// Whether the fragments belong to another message, or wait for too long.
    pub(super) fn is_stale(&self, message_id: u32, now: Instant) -> bool {
        self.message_id != message_id || now - self.begun_at > REASSEMBLY_TIMEOUT
    }

    /// Whether a fragment is worth being decrypted (RFC 7383 §2.6).
    pub(super) fn admits(&self, number: u16, total: u16) -> Result<(), Rejection> {
        if usize::from(total) < self.parts.len() {
            return Err(Rejection::FragmentInvalid);
        }
        if usize::from(total) > self.parts.len() {
            return Self::may_begin(total);
        }
        match self.parts.get(index_of(number)) {
            Some(None) => Ok(()),
            Some(Some(_)) => Err(Rejection::FragmentDuplicate),
            None => Err(Rejection::FragmentInvalid),
        }
    }

    /// Stores an authenticated fragment.
    pub(super) fn store(
        &mut self,
        number: u16,
        total: u16,
        first: PayloadType,
        octets: Vec<u8>,
    ) -> Result<Joined, Rejection> {
        if usize::from(total) > self.parts.len() {
            // RFC 7383 §2.6: the sender fragmented anew, in smaller pieces.
            self.parts = vec![None; usize::from(total)];
            self.octets = 0;
        }
        let len = self.octets.saturating_add(octets.len());
        if len > REASSEMBLED_LEN_MAX {
            return Err(Rejection::FragmentLimit);
        }
        let part = self.parts.get_mut(index_of(number));
        *part.ok_or(Rejection::FragmentInvalid)? = Some(octets);
        self.octets = len;
        if number == 1 {
            self.first = first;
        }
        if self.parts.iter().any(Option::is_none) {
            return Ok(Joined::Incomplete);
        }
        let parts = self.parts.iter_mut().filter_map(Option::take);
        Ok(Joined::Complete(Inner {
            first: self.first,
            octets: parts.collect::<Vec<_>>().concat(),
        }))
    }
}

/// Fragments are numbered from 1; the parser refuses 0.
fn index_of(number: u16) -> usize {
    usize::from(number.wrapping_sub(1))
}
