//! The order in which what several shards open for one comes to the inner device.

use core::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use esp::{Turn, Turns};
use smallvec::SmallVec;

use super::batch::Batch;
use crate::Output;

/// Batches that are delivered at once as a rule.
const INLINE: usize = 16;
/// Batches that may be under way at once: what arrives in the milliseconds for which the host holds back a
/// thread that opens one.
const SLOTS: usize = 512;

/// The batches of one owner on their way from whoever opened them to the inner device, in the order in
/// which they arrived. Whoever has opened one puts it here; whoever finds the next one in turn
/// delivers it and all that follow it without a gap. Nobody waits for anybody.
pub(crate) struct Relay {
    turns: Turns,
    /// Where each batch waits for its turn: room for one.
    slots: Box<[ArrayQueue<Box<Batch>>]>,
    /// Somebody delivers, and will look again before they stop.
    delivering: AtomicBool,
    /// Batches that were delivered, for their owner to learn from and to use again.
    returned: ArrayQueue<Box<Batch>>,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            turns: Turns::default(),
            slots: (0..SLOTS).map(|_| ArrayQueue::new(1)).collect(),
            delivering: AtomicBool::new(false),
            returned: ArrayQueue::new(SLOTS * 2),
        }
    }
}

impl Relay {
    /// A place in the order, unless too many batches are under way. For the owner only.
    pub(crate) fn turn(&self) -> Option<Turn> {
        ((self.turns.pending() as usize) < SLOTS).then(|| self.turns.take())
    }

    /// Whether every batch has come to the inner device. For the owner only.
    pub(crate) fn is_idle(&self) -> bool {
        self.turns.pending() == 0
    }

    /// How many turns have been given.
    pub(crate) fn given(&self) -> u64 {
        self.turns.given()
    }

    /// How many have been given back.
    pub(crate) fn done(&self) -> u64 {
        self.turns.returned()
    }

    /// The next batch that its owner may learn from.
    pub(crate) fn returned(&self) -> Option<Box<Batch>> {
        self.returned.pop()
    }

    /// Puts a batch where its turn will find it. [`deliver`](Self::deliver) has to follow.
    fn put(&self, batch: Box<Batch>) {
        if let Some(slot) = self.slot(batch.turn_number()) {
            // No more turns are under way than there are slots, so there is room.
            let _ = slot.push(batch);
        }
        // Pairs with the fence in `deliver`: either whoever delivers sees this batch, or we see that nobody
        // delivers.
        fence(Ordering::SeqCst);
    }

    /// Delivers what is due, unless somebody else is at it.
    pub(crate) fn deliver(&self, out: &mut impl Output) {
        while self.next_is_there() && !self.delivering.swap(true, Ordering::Acquire) {
            let mut delivered: SmallVec<[Box<Batch>; INLINE]> = SmallVec::new();
            let mut due = self.turns.returned();
            while let Some(batch) = self.take(due) {
                batch.deliver(out);
                due += 1;
                delivered.push(batch);
            }
            // What the device holds back must not be overtaken by whoever comes next.
            out.flush_inner();
            for mut batch in delivered {
                if let Some(turn) = batch.turn.take() {
                    self.turns.done(turn);
                }
                // Its owner learns nothing of a batch for which there is no room; it allows no more
                // of them than have room.
                let _ = self.returned.push(batch);
            }
            self.delivering.store(false, Ordering::Release);
            fence(Ordering::SeqCst);
        }
    }

    fn next_is_there(&self) -> bool {
        let slot = self.slot(self.turns.returned());
        slot.is_some_and(|slot| !slot.is_empty())
    }

    fn take(&self, turn: u64) -> Option<Box<Batch>> {
        self.slot(turn)?.pop()
    }

    fn slot(&self, turn: u64) -> Option<&ArrayQueue<Box<Batch>>> {
        self.slots.get(turn as usize % SLOTS)
    }
}

/// A batch of one SA on its way to a shard that opens it for another.
///
/// It is never lost: one that is dropped gives its turn back, and its packets are gone.
pub struct Parcel {
    relay: Arc<Relay>,
    batch: Option<Box<Batch>>,
}

impl Parcel {
    pub(crate) fn new(relay: &Arc<Relay>, batch: Box<Batch>) -> Self {
        Self {
            relay: Arc::clone(relay),
            batch: Some(batch),
        }
    }

    pub(crate) fn batch_mut(&mut self) -> Option<&mut Batch> {
        self.batch.as_deref_mut()
    }

    /// Delivers it when its turn comes, now or by somebody else.
    pub(crate) fn finish(mut self, out: &mut impl Output) {
        if let Some(batch) = self.batch.take() {
            self.relay.put(batch);
        }
        self.relay.deliver(out);
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.relay.put(batch);
        }
    }
}
