//! Cisco's fragmentation of IKEv1 messages, which no document describes: a payload 132 holds a piece
//! of a whole message, header included. Nothing protects the pieces, only the whole.

use core::time::Duration;

use timer::Instant;
use wire::ikev1::{Fragment, HEADER_LEN, Header, Payload, encode_message};

use super::IkeSa;
use crate::{Context, Rejection};

/// Most pieces of one message.
const PIECES_MAX: usize = 32;
/// Most octets of one message.
const OCTETS_MAX: usize = 16 * 1024;
/// How long the pieces of one message may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Octets that a piece needs beside its share: header, generic header, ID, number, flags.
const OVERHEAD: usize = HEADER_LEN + 8;
/// The least share of a piece, however small the datagrams are to be.
const SHARE_MIN: usize = 64;

/// The pieces of one message so far.
pub(super) struct Reassembly {
    id: u16,
    pieces: Vec<Option<Box<[u8]>>>,
    /// How many there are, once the last has come.
    total: Option<usize>,
    octets: usize,
    until: Instant,
}

impl Reassembly {
    fn new(id: u16, now: Instant) -> Self {
        Self {
            id,
            pieces: Vec::new(),
            total: None,
            octets: 0,
            until: now + TIMEOUT,
        }
    }

    fn store(&mut self, fragment: &Fragment<'_>) -> Result<(), Rejection> {
        let number = usize::from(fragment.number);
        if number > PIECES_MAX || self.octets + fragment.data.len() > OCTETS_MAX {
            return Err(Rejection::FragmentLimit);
        }
        if self.total.is_some_and(|total| number > total)
            || (fragment.last && self.pieces.len() > number)
        {
            return Err(Rejection::FragmentInvalid);
        }
        if self.pieces.len() < number {
            self.pieces.resize(number, None);
        }
        let slot = number.checked_sub(1).and_then(|at| self.pieces.get_mut(at));
        let slot = slot.ok_or(Rejection::FragmentInvalid)?;
        if slot.is_some() {
            return Err(Rejection::FragmentDuplicate);
        }
        *slot = Some(fragment.data.into());
        self.octets += fragment.data.len();
        if fragment.last {
            self.total = Some(number);
        }
        Ok(())
    }

    fn whole(&self) -> Option<Vec<u8>> {
        if self.total? != self.pieces.len() {
            return None;
        }
        let mut whole = Vec::with_capacity(self.octets);
        for piece in &self.pieces {
            whole.extend_from_slice(piece.as_ref()?);
        }
        Some(whole)
    }
}

impl IkeSa {
    /// A piece of a message; the whole once it is the last missing one.
    pub(super) fn join(
        &mut self,
        fragment: &Fragment<'_>,
        ctx: &Context<'_>,
    ) -> Result<Option<Vec<u8>>, Rejection> {
        if self.fragment_size.is_none() {
            return Err(Rejection::FragmentInvalid);
        }
        // Another number is another message; a peer sends one at a time.
        self.fragments
            .take_if(|begun| begun.id != fragment.id || begun.until <= ctx.now);
        let begun = self
            .fragments
            .get_or_insert_with(|| Box::new(Reassembly::new(fragment.id, ctx.now)));
        match begun.store(fragment) {
            Ok(()) => {}
            Err(Rejection::FragmentDuplicate) => return Err(Rejection::FragmentDuplicate),
            Err(rejection) => {
                self.fragments = None;
                return Err(rejection);
            }
        }
        let whole = begun.whole();
        if whole.is_some() {
            self.fragments = None;
        }
        Ok(whole)
    }

    /// When pieces that wait for others are forgotten.
    pub(super) fn fragments_deadline(&self) -> Instant {
        self.fragments
            .as_ref()
            .map_or(Instant::MAX, |begun| begun.until)
    }

    pub(super) fn fragments_due(&mut self, now: Instant) {
        self.fragments.take_if(|begun| begun.until <= now);
    }

    /// The message as it goes out: whole, or in pieces if it is long and the peer takes them.
    pub(super) fn datagrams_of(&mut self, message: Vec<u8>) -> Vec<Vec<u8>> {
        let Some(size) = self.fragment_size else {
            return vec![message];
        };
        let limit = self.path.message_len_max(size);
        if message.len() <= limit {
            return vec![message];
        }
        let Ok(header) = Header::parse(&message) else {
            return vec![message];
        };
        self.fragment_id = self.fragment_id.wrapping_add(1).max(1);
        let share = limit.saturating_sub(OVERHEAD).max(SHARE_MIN);
        let pieces = message.chunks(share);
        let last = pieces.len();
        let header = self.header(header.exchange, header.message_id, false);
        (1..=u8::MAX)
            .zip(pieces)
            .map(|(number, data)| {
                let fragment = Payload::Fragment(Fragment {
                    id: self.fragment_id,
                    number,
                    last: usize::from(number) == last,
                    data,
                });
                encode_message(&header, &[fragment])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(number: u8, last: bool, data: &[u8]) -> Fragment<'_> {
        Fragment {
            id: 1,
            number,
            last,
            data,
        }
    }

    #[test]
    fn pieces_come_together_in_any_order() {
        let mut begun = Reassembly::new(1, Instant::ZERO);
        assert_eq!(begun.store(&piece(3, true, b"sage")), Ok(()));
        assert_eq!(begun.store(&piece(1, false, b"a ")), Ok(()));
        assert_eq!(begun.whole(), None);
        let again = begun.store(&piece(1, false, b"b "));
        assert_eq!(again, Err(Rejection::FragmentDuplicate));
        assert_eq!(begun.store(&piece(2, false, b"mes")), Ok(()));
        assert_eq!(begun.whole().as_deref(), Some(&b"a message"[..]));
    }

    #[test]
    fn contradictions_and_excess_are_refused() {
        let mut begun = Reassembly::new(1, Instant::ZERO);
        let far = begun.store(&piece(33, false, b""));
        assert_eq!(far, Err(Rejection::FragmentLimit));
        let long = begun.store(&piece(1, false, &[0; OCTETS_MAX + 1]));
        assert_eq!(long, Err(Rejection::FragmentLimit));
        assert_eq!(begun.store(&piece(4, false, b"x")), Ok(()));
        let shorter = begun.store(&piece(2, true, b"x"));
        assert_eq!(shorter, Err(Rejection::FragmentInvalid));
        assert_eq!(begun.store(&piece(5, true, b"x")), Ok(()));
        let longer = begun.store(&piece(6, false, b"x"));
        assert_eq!(longer, Err(Rejection::FragmentInvalid));
    }
}
