use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast;

use crate::view::{Event, EventKind};

/// Events that a reader may lag behind before it starts to miss some.
const BACKLOG: usize = 4_096;

/// The event stream's source. Cheap to clone; publishing never blocks and never fails: a reader that
/// cannot keep up misses events and is told how many.
#[derive(Clone)]
pub struct EventHub {
    sender: broadcast::Sender<Arc<Event>>,
    published: Arc<[AtomicU64; EventKind::ALL.len()]>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self::new()
    }
}

impl EventHub {
    /// A stream without readers.
    #[must_use]
    pub fn new() -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        Self {
            sender,
            published: Arc::new([const { AtomicU64::new(0) }; EventKind::ALL.len()]),
        }
    }

    /// Hands an event to every reader there is.
    pub fn publish(&self, event: Event) {
        if let Some(count) = self.published.get(event.event as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // No reader is no fault.
        let _ = self.sender.send(Arc::new(event));
    }

    /// Whether anybody reads: an event that is costly to put together can be spared.
    #[must_use]
    pub fn has_readers(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }

    pub(crate) fn report(&self, scrape: &mut metrics::Scrape) {
        for (kind, count) in EventKind::ALL.iter().zip(self.published.iter()) {
            let count = count.load(Ordering::Relaxed);
            scrape.count(&metrics::catalogue::EVENTS, [kind.as_str()], count);
        }
        let readers = self.sender.receiver_count() as f64;
        scrape.gauge(&metrics::catalogue::EVENT_SUBSCRIBERS, [], readers);
    }
}
