use core::ops::Range;

/// Octets in front of a received payload that a header may be written into.
pub const HEADROOM: usize = 192;

/// Octets behind the largest payload that a trailer may be written into.
pub const TAILROOM: usize = 128;

/// One packet's storage: headroom, payload, tailroom.
///
/// Its storage never moves and never grows, so that a kernel ring may hold its address while the
/// value itself lies in a table. A `Vec` and not a `Box`, because moving a `Box` asserts that no
/// other pointer to its contents is in use.
///
/// The default one has no storage: it stands in the place of one that was taken away.
#[derive(Default)]
pub struct Buffer {
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// A buffer for payloads of up to `payload_max` octets.
    #[must_use]
    pub fn new(payload_max: usize) -> Self {
        Self {
            storage: vec![0; HEADROOM + payload_max + TAILROOM],
            start: HEADROOM,
            end: HEADROOM,
        }
    }

    /// The payload.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or(&[])
    }

    /// The payload, to be changed in place.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.storage
            .get_mut(self.start..self.end)
            .unwrap_or(&mut [])
    }

    /// Octets of payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Octets free in front of the payload.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// Octets free behind the payload.
    #[must_use]
    pub fn tailroom(&self) -> usize {
        self.storage.len().saturating_sub(self.end)
    }

    /// The whole storage, to be read.
    #[must_use]
    pub fn storage(&self) -> &[u8] {
        &self.storage
    }

    /// The whole storage, headroom and tailroom included; [`Buffer::range`] says where the payload
    /// lies in it.
    #[must_use]
    pub fn storage_mut(&mut self) -> &mut [u8] {
        &mut self.storage
    }

    /// Where the payload lies in the storage.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Declares `range` of the storage to be the payload. Returns `false`, and changes nothing,
    /// when it does not lie within the storage.
    pub fn set_range(&mut self, range: Range<usize>) -> bool {
        let valid = range.start <= range.end && range.end <= self.storage.len();
        if valid {
            self.start = range.start;
            self.end = range.end;
        }
        valid
    }

    /// Replaces the payload by a copy of `bytes`, placed after the headroom. Returns `false`, and
    /// leaves the buffer empty, when it does not fit in front of the tailroom.
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        self.clear();
        if bytes.len() > self.payload_max() {
            return false;
        }
        self.end = self.start + bytes.len();
        self.bytes_mut().copy_from_slice(bytes);
        true
    }

    /// Puts `header` in front of the payload. Returns `false`, and changes nothing, when the
    /// headroom is too small.
    pub fn prepend(&mut self, header: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(header.len()) else {
            return false;
        };
        if let Some(place) = self.storage.get_mut(start..self.start) {
            place.copy_from_slice(header);
        }
        self.start = start;
        true
    }

    /// Empties the payload and restores the headroom.
    pub fn clear(&mut self) {
        self.start = HEADROOM;
        self.end = HEADROOM;
    }

    /// Largest payload with full headroom and tailroom.
    #[must_use]
    pub fn payload_max(&self) -> usize {
        self.storage.len().saturating_sub(HEADROOM + TAILROOM)
    }
}

/// Buffers allocated once and handed around.
pub struct BufferPool {
    free: Vec<Buffer>,
    payload_max: usize,
    total: usize,
}

impl BufferPool {
    /// `count` buffers for payloads of up to `payload_max` octets.
    #[must_use]
    pub fn new(count: usize, payload_max: usize) -> Self {
        Self {
            free: (0..count).map(|_| Buffer::new(payload_max)).collect(),
            payload_max,
            total: count,
        }
    }

    /// Adds `count` buffers.
    pub(crate) fn extend(&mut self, count: usize) {
        let new = (0..count).map(|_| Buffer::new(self.payload_max));
        self.free.extend(new);
        self.total += count;
    }

    /// An empty buffer, or `None` when all are in use.
    pub fn take(&mut self) -> Option<Buffer> {
        self.free.pop()
    }

    /// Takes a buffer back. One that is not of this pool's size, or one too many, is freed.
    pub fn give(&mut self, mut buffer: Buffer) {
        if buffer.payload_max() == self.payload_max && self.free.len() < self.total {
            buffer.clear();
            self.free.push(buffer);
        }
    }

    /// Buffers not in use.
    #[must_use]
    pub fn available(&self) -> usize {
        self.free.len()
    }

    /// Octets of the largest payload.
    #[must_use]
    pub fn payload_max(&self) -> usize {
        self.payload_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_keeps_room_on_both_sides() {
        let mut buffer = Buffer::new(1500);
        assert!(buffer.fill(&[7; 1500]));
        assert_eq!(buffer.headroom(), HEADROOM);
        assert_eq!(buffer.tailroom(), TAILROOM);
        assert!(!buffer.fill(&[7; 1501]));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_header_goes_into_the_headroom() {
        let mut buffer = Buffer::new(10);
        assert!(buffer.fill(b"body"));
        assert!(buffer.prepend(b"head"));
        assert_eq!(buffer.bytes(), b"headbody");
        assert!(!buffer.prepend(&[0; HEADROOM]));
        assert_eq!(buffer.bytes(), b"headbody");
    }

    #[test]
    fn a_range_outside_the_storage_is_refused() {
        let mut buffer = Buffer::new(10);
        assert!(!buffer.set_range(0..HEADROOM + 10 + TAILROOM + 1));
        #[expect(clippy::reversed_empty_ranges, reason = "the hostile case itself")]
        let reversed = 5..4;
        assert!(!buffer.set_range(reversed));
        assert!(buffer.set_range(HEADROOM - 36..HEADROOM + 10));
        assert_eq!(buffer.len(), 46);
    }

    #[test]
    fn a_pool_never_grows() {
        let mut pool = BufferPool::new(2, 64);
        let first = pool.take().expect("two are free");
        let second = pool.take().expect("one is free");
        assert!(pool.take().is_none());
        pool.give(first);
        pool.give(second);
        pool.give(Buffer::new(64));
        pool.give(Buffer::new(65));
        assert_eq!(pool.available(), 2);
    }
}
