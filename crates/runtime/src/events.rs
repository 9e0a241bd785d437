use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use shard::Event;

/// The events of all shards, for whoever listens. A listener that lags misses events; nobody waits
/// for it.
#[derive(Default)]
pub(crate) struct Events {
    listeners: RwLock<Vec<Listener>>,
    missed: AtomicU64,
}

struct Listener {
    sender: Sender<Arc<Event>>,
    alive: Weak<()>,
}

/// A listener's end of the event stream. Dropping it ends the subscription.
pub struct Subscription {
    receiver: Receiver<Arc<Event>>,
    _alive: Arc<()>,
}

impl Subscription {
    /// The next event if there is one already.
    #[must_use]
    pub fn ready(&self) -> Option<Arc<Event>> {
        self.receiver.try_recv().ok()
    }

    /// The next event, waiting for up to `timeout`; `None` when there was none in that time.
    ///
    /// # Errors
    /// [`StreamEnded`] when the service is gone and all its events have been read.
    pub fn next(&self, timeout: Duration) -> Result<Option<Arc<Event>>, StreamEnded> {
        match self.receiver.recv_timeout(timeout) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(StreamEnded),
        }
    }
}

/// No event will come any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamEnded;

impl Events {
    /// A new listener that may lag behind by up to `backlog` events.
    pub(crate) fn subscribe(&self, backlog: usize) -> Subscription {
        let (sender, receiver) = bounded(backlog.max(1));
        let alive = Arc::new(());
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Listener {
                sender,
                alive: Arc::downgrade(&alive),
            });
        Subscription {
            receiver,
            _alive: alive,
        }
    }

    pub(crate) fn publish(&self, event: Event) {
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if listeners.is_empty() {
            return;
        }
        let event = Arc::new(event);
        let mut gone = false;
        for listener in listeners.iter() {
            match listener.sender.try_send(Arc::clone(&event)) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    self.missed.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => gone = true,
            }
        }
        drop(listeners);
        if gone {
            self.listeners
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|listener| listener.alive.strong_count() != 0);
        }
    }

    /// Events that a listener had no room for, over all listeners.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}
