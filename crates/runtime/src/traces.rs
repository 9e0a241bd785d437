use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, PoisonError, RwLock};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use shard::{TraceFilter, TraceRecord};

use crate::{StreamEnded, TooManyWatchers};

/// Watchers at the same time at most: each costs the workers a copy of what it watches.
pub(crate) const WATCHERS_MAX: usize = 8;

/// What the shards tell of their peers' lives, for those who watch. A watcher that lags misses
/// records and learns how many; nobody waits for it.
#[derive(Default)]
pub(crate) struct Traces {
    watchers: RwLock<Vec<Watcher>>,
    /// Changes whenever a watcher comes or goes.
    generation: AtomicU64,
    missed: AtomicU64,
}

struct Watcher {
    id: u64,
    filter: TraceFilter,
    sender: Sender<Arc<TraceRecord>>,
    missed: Arc<AtomicU64>,
}

/// A watcher's end. Dropping it ends the watch.
pub struct TraceSubscription {
    id: u64,
    receiver: Receiver<Arc<TraceRecord>>,
    missed: Arc<AtomicU64>,
    traces: Arc<Traces>,
}

/// What a watcher is told.
#[derive(Debug)]
pub enum Traced {
    /// A step in the life of a peer.
    Record(Arc<TraceRecord>),
    /// So many more records were dropped because this watcher lagged.
    Missed(u64),
}

impl TraceSubscription {
    /// The next record, waiting for up to `timeout`; `None` when there was none in that time.
    ///
    /// # Errors
    /// [`StreamEnded`] when the service is gone and all its records have been read.
    pub fn next(&self, timeout: Duration) -> Result<Option<Traced>, StreamEnded> {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            return Ok(Some(Traced::Missed(missed)));
        }
        match self.receiver.recv_timeout(timeout) {
            Ok(record) => Ok(Some(Traced::Record(record))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(StreamEnded),
        }
    }
}

impl Drop for TraceSubscription {
    fn drop(&mut self) {
        self.traces.change(|watchers| {
            watchers.retain(|watcher| watcher.id != self.id);
        });
    }
}

impl Traces {
    /// A new watcher that may lag behind by up to `backlog` records.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        filter: TraceFilter,
        backlog: usize,
    ) -> Result<TraceSubscription, TooManyWatchers> {
        let (sender, receiver) = bounded(backlog.max(1));
        let missed = Arc::new(AtomicU64::new(0));
        let id = self.change(|watchers| {
            if watchers.len() >= WATCHERS_MAX {
                return Err(TooManyWatchers);
            }
            let id = watchers.last().map_or(0, |last| last.id.wrapping_add(1));
            watchers.push(Watcher {
                id,
                filter,
                sender,
                missed: Arc::clone(&missed),
            });
            Ok(id)
        })?;
        Ok(TraceSubscription {
            id,
            receiver,
            missed,
            traces: Arc::clone(self),
        })
    }

    fn change<R>(&self, change: impl FnOnce(&mut Vec<Watcher>) -> R) -> R {
        let mut watchers = self
            .watchers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut watchers);
        self.generation.fetch_add(1, Ordering::Release);
        result
    }

    /// What is watched now, if that is another than at the generation `seen`.
    pub(crate) fn changed(&self, seen: &mut u64) -> Option<Arc<[TraceFilter]>> {
        let generation = self.generation.load(Ordering::Acquire);
        if generation == *seen {
            return None;
        }
        *seen = generation;
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        Some(
            watchers
                .iter()
                .map(|watcher| watcher.filter.clone())
                .collect(),
        )
    }

    pub(crate) fn publish(&self, record: TraceRecord) {
        let record = Arc::new(record);
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        for watcher in watchers.iter() {
            if !watcher.filter.accepts(&record) {
                continue;
            }
            if let Err(TrySendError::Full(_)) = watcher.sender.try_send(Arc::clone(&record)) {
                watcher.missed.fetch_add(1, Ordering::Relaxed);
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Records that a watcher had no room for, over all watchers.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Watchers now.
    pub(crate) fn watchers(&self) -> usize {
        self.watchers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ike::trace::Stage;
    use ipsec::{FrontVrf, IkeSpi, InnerVrf};
    use shard::{DpdStep, PeerRef, ShardId, Topics, TraceStep, Watched};
    use timer::Instant;

    fn filter(topics: Topics) -> TraceFilter {
        TraceFilter {
            topics,
            whom: Watched::Everybody,
        }
    }

    fn record() -> TraceRecord {
        TraceRecord {
            at: Instant::ZERO,
            peer: PeerRef {
                shard: ShardId(0),
                spi: IkeSpi(1),
                connection: "site".into(),
                identity: None,
                fvrf: FrontVrf::GLOBAL,
                ivrf: InnerVrf::GLOBAL,
                local: "192.0.2.1:500".parse().expect("an address"),
                remote: "198.51.100.7:500".parse().expect("an address"),
            },
            number: 1001,
            version: 2,
            role: None,
            stage: Stage::Established,
            step: TraceStep::Dpd(DpdStep::Unanswered),
        }
    }

    #[test]
    fn a_watcher_that_lags_learns_how_much_it_missed() {
        let traces = Arc::new(Traces::default());
        let watcher = traces.subscribe(filter(Topics::DPD), 2).expect("room");
        for _ in 0..5 {
            traces.publish(record());
        }
        assert_eq!(traces.missed(), 3);
        let next = || watcher.next(Duration::ZERO).expect("the service lives");
        assert!(matches!(next(), Some(Traced::Missed(3))));
        assert!(matches!(next(), Some(Traced::Record(_))));
        assert!(matches!(next(), Some(Traced::Record(_))));
        assert!(next().is_none());
    }

    #[test]
    fn the_shards_learn_of_each_change_once() {
        let traces = Arc::new(Traces::default());
        let mut seen = 0;
        assert!(traces.changed(&mut seen).is_none(), "nobody watches");
        let first = traces.subscribe(filter(Topics::DPD), 1).expect("room");
        let second = traces.subscribe(filter(Topics::IPSEC), 1).expect("room");
        let filters = traces.changed(&mut seen).expect("a change");
        assert_eq!(*filters, [filter(Topics::DPD), filter(Topics::IPSEC)]);
        assert!(traces.changed(&mut seen).is_none());
        drop(first);
        let filters = traces.changed(&mut seen).expect("a change");
        assert_eq!(*filters, [filter(Topics::IPSEC)]);
        drop(second);
        assert!(traces.changed(&mut seen).expect("a change").is_empty());
    }

    #[test]
    fn watchers_are_few_and_each_sees_what_it_asked_for() {
        let traces = Arc::new(Traces::default());
        let mut held: Vec<_> = (0..WATCHERS_MAX)
            .map(|_| traces.subscribe(filter(Topics::IPSEC), 1).expect("room"))
            .collect();
        assert!(traces.subscribe(filter(Topics::DPD), 1).is_err());
        drop(held.remove(3));
        let watcher = traces
            .subscribe(filter(Topics::DPD), 1)
            .expect("room again");
        traces.publish(record());
        let told = |watcher: &TraceSubscription| watcher.next(Duration::ZERO);
        assert!(told(&watcher).expect("it lives").is_some());
        assert!(told(&held[0]).expect("it lives").is_none());
        assert_eq!(traces.watchers(), WATCHERS_MAX);
    }
}
