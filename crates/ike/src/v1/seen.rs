/// Message IDs that one ISAKMP SA can remember.
const REMEMBERED_MAX: usize = 2_048;

/// The message IDs of exchanges that the peer has begun, so that a recording of one proves nothing
/// and does nothing. Nothing is forgotten before the ISAKMP SA is: when the memory is full, a new one
/// has to be negotiated, and until then no new exchange counts as proof of life.
///
/// Questions after our life are not remembered: their sequence numbers do the same (RFC 3706 §6.2).
#[derive(Default)]
pub(super) struct SeenIds {
    ids: Vec<u32>,
}

impl SeenIds {
    /// Whether the peer has begun an exchange with this ID before.
    pub(super) fn contains(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }

    /// Remembers an ID; `false` when there is no room left.
    pub(super) fn insert(&mut self, id: u32) -> bool {
        if self.ids.len() >= REMEMBERED_MAX {
            return false;
        }
        self.ids.push(id);
        true
    }

    /// Whether just now an eighth of the room is left, so that a new ISAKMP SA should be negotiated.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.ids.len() == REMEMBERED_MAX - REMEMBERED_MAX / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_stays_seen_and_no_more_is_taken_than_there_is_room_for() {
        let mut seen = SeenIds::default();
        for id in 1..=2_048 {
            assert!(!seen.contains(id));
            assert!(seen.insert(id));
            assert_eq!(seen.is_nearly_full(), id == 1_792);
        }
        assert!(!seen.insert(9_999));
        assert!(!seen.contains(9_999));
        assert!(seen.contains(1) && seen.contains(2_048));
    }
}
