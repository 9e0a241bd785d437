use core::net::IpAddr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::OnceLock;

use crossbeam::queue::ArrayQueue;
use ike::Computed;
use ipsec::{FrontVrf, InnerVrf};
use netio::Waker;
use shard::{Listener, Mail, OuterPacket, Parcel, Question, Ticket};

use crate::worker::Worker;

/// What other threads send to a worker.
pub(crate) enum Message {
    /// A datagram that reached another shard first.
    Outer(Box<Stray>),
    /// An inner packet that reached another shard first.
    Inner(InnerVrf, Box<[u8]>),
    /// Packets of another shard's SA, for this one to open.
    Parcel(Parcel),
    /// From another shard.
    Mail(Mail),
    /// From the compute pool.
    Computed(Ticket, Computed),
    /// From the resolver: what a host name stands for.
    Resolved(Question, Vec<IpAddr>),
    /// From the control interface: done on the worker's thread.
    Call(Box<dyn FnOnce(&mut Worker) + Send>),
}

/// A datagram on its way from the shard that received it to the shard that owns it.
pub(crate) struct Stray {
    pub(crate) listener: Listener,
    pub(crate) fvrf: FrontVrf,
    pub(crate) local: core::net::SocketAddr,
    pub(crate) remote: core::net::SocketAddr,
    pub(crate) tos: u8,
    pub(crate) bytes: Box<[u8]>,
}

impl Stray {
    /// A copy that outlives the buffer it came in.
    pub(crate) fn of(packet: &OuterPacket<'_>) -> Self {
        Self {
            listener: packet.listener,
            fvrf: packet.fvrf,
            local: packet.local,
            remote: packet.remote,
            tos: packet.tos,
            bytes: Box::from(&*packet.bytes),
        }
    }

    /// What the shard takes.
    pub(crate) fn packet(&mut self) -> OuterPacket<'_> {
        OuterPacket {
            listener: self.listener,
            fvrf: self.fvrf,
            local: self.local,
            remote: self.remote,
            tos: self.tos,
            bytes: &mut self.bytes,
        }
    }
}

/// Parcels that wait for a worker at most: one in its hands, and others so that it does not fall asleep
/// after that.
const PARCELS_MAX: u32 = 3;

/// A worker's bounded inbox. Packets and messages queue apart, so that a flood of strays does not
/// cost an exchange its key.
pub(crate) struct Mailbox {
    packets: ArrayQueue<Message>,
    messages: ArrayQueue<Message>,
    /// Set while the worker sleeps or is about to.
    idle: AtomicBool,
    /// Parcels that were left and are not opened yet.
    parcels: AtomicU32,
    waker: OnceLock<Waker>,
    pub(crate) drops: AtomicU64,
    pub(crate) handoffs: AtomicU64,
    pub(crate) finished: AtomicBool,
    /// When the worker last went round its loop, in milliseconds of the service's clock.
    pub(crate) beat_millis: AtomicU64,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            packets: ArrayQueue::new(capacity.max(1)),
            messages: ArrayQueue::new(capacity.max(1)),
            idle: AtomicBool::new(false),
            parcels: AtomicU32::new(0),
            waker: OnceLock::new(),
            drops: AtomicU64::new(0),
            handoffs: AtomicU64::new(0),
            finished: AtomicBool::new(false),
            beat_millis: AtomicU64::new(0),
        }
    }

    pub(crate) fn connect(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    /// Leaves a message, or drops and counts it when the box is full.
    pub(crate) fn post(&self, message: Message) -> bool {
        let queue = match message {
            Message::Parcel(_) => &self.packets,
            Message::Outer(_) | Message::Inner(..) => {
                self.handoffs.fetch_add(1, Ordering::Relaxed);
                &self.packets
            }
            Message::Mail(_) | Message::Computed(..) | Message::Resolved(..) | Message::Call(_) => {
                &self.messages
            }
        };
        if queue.push(message).is_err() {
            self.drops.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        // Pairs with the fence in `sleep`: either we see that the worker is idle, or it sees the
        // message before it sleeps.
        fence(Ordering::SeqCst);
        let was_idle =
            self.idle.load(Ordering::Relaxed) && self.idle.swap(false, Ordering::Relaxed);
        if let Some(waker) = self.waker.get().filter(|_| was_idle) {
            waker.wake();
        }
        true
    }

    /// Whether the worker has time for one more parcel.
    pub(crate) fn has_time(&self) -> bool {
        self.parcels.load(Ordering::Relaxed) < PARCELS_MAX && !self.packets.is_full()
    }

    /// Leaves a parcel; [`parcel_opened`](Self::parcel_opened) is to follow when it has been opened.
    pub(crate) fn post_parcel(&self, parcel: Parcel) -> Result<(), Parcel> {
        if !self.has_time() {
            return Err(parcel);
        }
        self.parcels.fetch_add(1, Ordering::Relaxed);
        // A parcel that finds no room after all gives its turn back by itself.
        if !self.post(Message::Parcel(parcel)) {
            self.parcel_opened();
        }
        Ok(())
    }

    pub(crate) fn parcel_opened(&self) {
        self.parcels.fetch_sub(1, Ordering::Relaxed);
    }

    /// Announces that the worker is about to sleep. `false` when it must not, because there is
    /// something to do.
    pub(crate) fn sleep(&self) -> bool {
        self.idle.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.is_empty() {
            return true;
        }
        self.idle.store(false, Ordering::Relaxed);
        false
    }

    /// The worker is awake: nobody needs to wake it.
    pub(crate) fn awake(&self) {
        self.idle.store(false, Ordering::Relaxed);
    }

    /// The next message; messages before packets.
    pub(crate) fn take(&self) -> Option<Message> {
        self.messages.pop().or_else(|| self.packets.pop())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.packets.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len() + self.packets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Message {
        Message::Inner(InnerVrf::GLOBAL, Box::from([1, 2, 3]))
    }

    #[test]
    fn a_full_box_drops_and_counts() {
        let mailbox = Mailbox::new(2);
        assert!(mailbox.post(packet()));
        assert!(mailbox.post(packet()));
        assert!(!mailbox.post(packet()));
        assert_eq!(mailbox.drops.load(Ordering::Relaxed), 1);
        assert!(mailbox.post(Message::Call(Box::new(|_| {}))));
        assert!(matches!(mailbox.take(), Some(Message::Call(_))));
        assert_eq!(mailbox.len(), 2);
    }

    #[test]
    fn a_worker_with_mail_does_not_sleep() {
        let mailbox = Mailbox::new(2);
        assert!(mailbox.sleep());
        mailbox.awake();
        mailbox.post(packet());
        assert!(!mailbox.sleep());
    }
}
