//! Packets that leave from the buffers in which they came.

use core::ops::Range;

use crate::{Batch, Buffer, InnerPacket};

/// Where the octets of a packet are that is to leave.
pub(super) enum Octets {
    /// In a buffer that the engine owns.
    Own(Buffer),
    /// In a buffer of the batch that the caller works on.
    Lent(Place),
}

/// A part of a buffer of a batch.
pub(super) struct Place {
    /// The number of its packet.
    index: usize,
    /// Its place in the buffer's storage.
    range: Range<usize>,
}

/// Where the buffers of the batch lie that the caller works on.
#[derive(Default)]
pub(super) struct Lent {
    outer: Spans,
    inner: Spans,
}

impl Lent {
    pub(super) fn note(&mut self, batch: &Batch) {
        self.outer
            .note(batch.outer.iter().map(|packet| &packet.buffer));
        self.inner
            .note(batch.inner.iter().map(|packet| &packet.buffer));
    }

    pub(super) fn clear(&mut self) {
        self.outer.clear();
        self.inner.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outer.spans.is_empty() && self.inner.spans.is_empty()
    }

    /// Finds octets in a buffer that came from a socket.
    pub(super) fn in_outer(&mut self, octets: &[u8]) -> Option<Place> {
        self.outer.find(octets)
    }

    /// Finds octets in a buffer that came from a TUN queue, and never finds that buffer again: a
    /// buffer that is sent is gone.
    pub(super) fn in_inner(&mut self, octets: &[u8]) -> Option<Place> {
        let place = self.inner.find(octets)?;
        self.inner.spans[place.index].len = 0;
        Some(place)
    }
}

impl Place {
    /// Takes the buffer out of its packet. `None` if the batch is another one than was noted.
    pub(super) fn take(self, inner: &mut [InnerPacket]) -> Option<Buffer> {
        let packet = inner.get_mut(self.index)?;
        let mut buffer = core::mem::take(&mut packet.buffer);
        buffer.set_range(self.range).then_some(buffer)
    }

    /// The octets themselves; `lent` knows the buffer of each packet.
    pub(super) fn octets<'a>(&self, lent: impl Fn(usize) -> Option<&'a Buffer>) -> &'a [u8] {
        let storage = lent(self.index).map(Buffer::storage);
        let octets = storage.and_then(|storage| storage.get(self.range.clone()));
        octets.unwrap_or(&[])
    }
}

/// Stretches of memory. What is sought lies mostly where the last one was found, or behind it.
#[derive(Default)]
struct Spans {
    spans: Vec<Span>,
    at: usize,
}

struct Span {
    start: usize,
    len: usize,
}

impl Spans {
    fn note<'a>(&mut self, buffers: impl Iterator<Item = &'a Buffer>) {
        self.clear();
        self.spans.extend(buffers.map(|buffer| Span {
            start: buffer.storage().as_ptr().addr(),
            len: buffer.storage().len(),
        }));
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.at = 0;
    }

    fn find(&mut self, octets: &[u8]) -> Option<Place> {
        if octets.is_empty() {
            return None;
        }
        for _ in 0..self.spans.len() {
            let span = self.spans.get(self.at)?;
            let start = octets.as_ptr().addr().checked_sub(span.start);
            let range = start.map(|start| start..start + octets.len());
            if let Some(range) = range.filter(|range| range.end <= span.len) {
                return Some(Place {
                    index: self.at,
                    range,
                });
            }
            self.at = (self.at + 1) % self.spans.len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TunId;

    fn batch(count: usize) -> Batch {
        let mut batch = Batch::with_capacity(count);
        for number in 0..count {
            let mut buffer = Buffer::new(100);
            assert!(buffer.fill(&[number as u8; 60]));
            batch.inner.push(InnerPacket {
                tun: TunId(0),
                buffer,
            });
        }
        batch
    }

    #[test]
    fn a_slice_of_a_buffer_is_found_once_and_nothing_else_is() {
        let mut batch = batch(3);
        let mut lent = Lent::default();
        lent.note(&batch);
        for number in [1, 0, 2] {
            let slice = &batch.inner[number].buffer.bytes()[5..50];
            let place = lent.in_inner(slice).expect("it is in the batch");
            assert!(lent.in_inner(slice).is_none());
            let taken = place.take(&mut batch.inner).expect("it is there");
            assert_eq!(taken.bytes(), [number as u8; 45]);
        }
        let elsewhere = [0_u8; 45];
        lent.note(&batch);
        assert!(lent.in_inner(&elsewhere).is_none());
        assert!(lent.in_inner(&[]).is_none());
        assert!(lent.in_outer(&elsewhere).is_none());
    }

    #[test]
    fn another_batch_than_the_one_noted_gives_nothing() {
        let first = batch(2);
        let mut lent = Lent::default();
        lent.note(&first);
        let place = lent.in_inner(first.inner[1].buffer.bytes()).unwrap();
        assert!(place.take(&mut batch(1).inner).is_none());
    }
}
