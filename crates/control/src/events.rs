use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::sync::broadcast;

use crate::view::{Event, EventKind};

/// Events that a reader may lag behind before it starts to miss some.
const BACKLOG: usize = 16_384;

/// Some kinds of events, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kinds(u32);

impl Kinds {
    /// What a reader hears whatever it asks for: that it missed some.
    const ALWAYS: Self = Self(1 << EventKind::Missed as u32);

    /// The kinds that a list of their words names, separated by commas; all of them without a list.
    /// `Err` is a word that names none.
    pub(crate) fn named(list: Option<&str>) -> Result<Self, String> {
        let Some(list) = list else {
            return Ok(Self(u32::MAX));
        };
        let bit = |word: &str| {
            let kind = EventKind::ALL.iter().find(|kind| kind.as_str() == word);
            kind.map(|kind| 1 << *kind as u32)
                .ok_or_else(|| word.to_owned())
        };
        let mut bits = list.split(',').map(|word| bit(word.trim()));
        bits.try_fold(Self::ALWAYS.0, |kinds, bit| Ok(kinds | bit?))
            .map(Self)
    }

    fn holds(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }
}

/// The event stream's source. Cheap to clone; publishing never blocks and never fails: a reader that
/// cannot keep up misses events and is told how many.
#[derive(Clone)]
pub struct EventHub {
    sender: broadcast::Sender<Arc<Event>>,
    counts: Arc<Counts>,
}

struct Counts {
    /// What happened, by kind.
    happened: [AtomicU64; EventKind::ALL.len()],
    /// Who reads, by kind.
    readers: [AtomicU32; EventKind::ALL.len()],
}

/// A reader's end of the stream.
pub(crate) struct EventReader {
    receiver: broadcast::Receiver<Arc<Event>>,
    kinds: Kinds,
    counts: Arc<Counts>,
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
            counts: Arc::new(Counts {
                happened: [const { AtomicU64::new(0) }; EventKind::ALL.len()],
                readers: [const { AtomicU32::new(0) }; EventKind::ALL.len()],
            }),
        }
    }

    /// Counts an event, and says whether anybody reads of this kind, so that it has to be put
    /// together and [published](Self::publish).
    #[must_use]
    pub fn happened(&self, kind: EventKind) -> bool {
        if let Some(count) = self.counts.happened.get(kind as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let readers = self.counts.readers.get(kind as usize);
        readers.is_some_and(|readers| readers.load(Ordering::Relaxed) > 0)
    }

    /// Hands an event that [has happened](Self::happened) to every reader there is.
    pub fn publish(&self, event: Event) {
        // No reader is no fault.
        let _ = self.sender.send(Arc::new(event));
    }

    pub(crate) fn subscribe(&self, kinds: Kinds) -> EventReader {
        for (kind, readers) in EventKind::ALL.iter().zip(&self.counts.readers) {
            readers.fetch_add(u32::from(kinds.holds(*kind)), Ordering::Relaxed);
        }
        EventReader {
            receiver: self.sender.subscribe(),
            kinds,
            counts: Arc::clone(&self.counts),
        }
    }

    pub(crate) fn report(&self, scrape: &mut metrics::Scrape) {
        for (kind, count) in EventKind::ALL.iter().zip(&self.counts.happened) {
            let count = count.load(Ordering::Relaxed);
            scrape.count(&metrics::catalogue::EVENTS, [kind.as_str()], count);
        }
        let readers = self.sender.receiver_count() as f64;
        scrape.gauge(&metrics::catalogue::EVENT_SUBSCRIBERS, [], readers);
    }
}

impl EventReader {
    /// The next event that this reader wants. `Ok(None)` stands for nothing more at present, which
    /// only comes when `wait` is not set.
    ///
    /// # Errors
    /// The stream has ended.
    pub(crate) async fn next(&mut self, wait: bool) -> Result<Option<Arc<Event>>, StreamOver> {
        loop {
            let received = if wait {
                self.receiver.recv().await.map_err(Missing::from)
            } else {
                self.receiver.try_recv().map_err(Missing::from)
            };
            match received {
                Ok(event) if self.kinds.holds(event.event) => return Ok(Some(event)),
                Ok(_) => {}
                Err(Missing::Some(count)) => return Ok(Some(Arc::new(missed(count)))),
                Err(Missing::Nothing) => return Ok(None),
                Err(Missing::End) => return Err(StreamOver),
            }
        }
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        for (kind, readers) in EventKind::ALL.iter().zip(&self.counts.readers) {
            readers.fetch_sub(u32::from(self.kinds.holds(*kind)), Ordering::Relaxed);
        }
    }
}

/// No event will come any more.
pub(crate) struct StreamOver;

/// Why there is no event.
enum Missing {
    Some(u64),
    Nothing,
    End,
}

impl From<broadcast::error::RecvError> for Missing {
    fn from(error: broadcast::error::RecvError) -> Self {
        match error {
            broadcast::error::RecvError::Lagged(count) => Self::Some(count),
            broadcast::error::RecvError::Closed => Self::End,
        }
    }
}

impl From<broadcast::error::TryRecvError> for Missing {
    fn from(error: broadcast::error::TryRecvError) -> Self {
        match error {
            broadcast::error::TryRecvError::Lagged(count) => Self::Some(count),
            broadcast::error::TryRecvError::Empty => Self::Nothing,
            broadcast::error::TryRecvError::Closed => Self::End,
        }
    }
}

fn missed(count: u64) -> Event {
    Event {
        unix_ns: 0,
        monotonic_ns: 0,
        shard: 0,
        event: EventKind::Missed,
        peer: String::new(),
        identity: String::new(),
        connection: String::new(),
        local: String::new(),
        remote: String::new(),
        detail: format!("{count} events were missed because they were not read in time"),
        evidence: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_reads_has_to_be_put_together() {
        let hub = EventHub::new();
        assert!(!hub.happened(EventKind::Dead));
        let Ok(kinds) = Kinds::named(Some("dead, suspect")) else {
            panic!("both are words for kinds");
        };
        let reader = hub.subscribe(kinds);
        assert!(hub.happened(EventKind::Dead));
        assert!(hub.happened(EventKind::Suspect));
        assert!(!hub.happened(EventKind::Established));
        drop(reader);
        assert!(!hub.happened(EventKind::Dead));
    }

    #[test]
    fn a_word_that_names_no_kind_is_told() {
        assert_eq!(Kinds::named(Some("dead,undead")), Err("undead".to_owned()));
        assert_eq!(Kinds::named(Some("")), Err(String::new()));
        assert!(Kinds::named(None).is_ok_and(|kinds| kinds.holds(EventKind::Moved)));
    }

    #[test]
    fn who_reads_some_kinds_hears_of_those_and_of_gaps() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without drivers");
        let hub = EventHub::new();
        let kinds = Kinds::named(Some("dead")).unwrap_or(Kinds::ALWAYS);
        let mut reader = hub.subscribe(kinds);
        let of = |event| Event { event, ..missed(0) };
        hub.publish(of(EventKind::Established));
        hub.publish(of(EventKind::Dead));
        runtime.block_on(async {
            let first = reader.next(true).await.ok().flatten();
            assert_eq!(first.map(|event| event.event), Some(EventKind::Dead));
            assert!(matches!(reader.next(false).await, Ok(None)));
            for _ in 0..BACKLOG + 1 {
                hub.publish(of(EventKind::Dead));
            }
            let next = reader.next(false).await.ok().flatten();
            assert_eq!(next.map(|event| event.event), Some(EventKind::Missed));
        });
    }
}
