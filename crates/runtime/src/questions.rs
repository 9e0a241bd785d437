//! What the control interface asks a service.

use core::time::Duration;

use shard::{Obituary, PeerRow, SaRow, SessionFilter, SessionRow, Which};

use crate::report::ShardReport;
use crate::{Busy, Service};

/// Where a list goes on: a shard, and a slot in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// The shard.
    pub shard: u16,
    /// The slot.
    pub slot: usize,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The entries.
    pub rows: Vec<T>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<Cursor>,
}

impl Service {
    /// Up to `limit` peers from `cursor` on. A page may be shorter than that and still have a next
    /// one.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn peers(&self, cursor: Cursor, limit: usize) -> Result<Page<PeerRow>, Busy> {
        let limit = limit.max(1);
        let (rows, slot) = self.ask(cursor.shard, move |worker| {
            let now = worker.clock.now();
            worker.shard.peers(cursor.slot, limit, now)
        })?;
        let next = self.after(cursor, slot);
        Ok(Page { rows, next })
    }

    /// The Child SAs of up to `limit` peers from `cursor` on.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn sas(&self, cursor: Cursor, limit: usize) -> Result<Page<SaRow>, Busy> {
        let limit = limit.max(1);
        let (rows, slot) = self.ask(cursor.shard, move |worker| {
            worker.shard.sas(cursor.slot, limit)
        })?;
        let next = self.after(cursor, slot);
        Ok(Page { rows, next })
    }

    fn after(&self, cursor: Cursor, slot: Option<usize>) -> Option<Cursor> {
        match slot {
            Some(slot) => Some(Cursor { slot, ..cursor }),
            None => Some(cursor.shard + 1)
                .filter(|&shard| shard < self.shards())
                .map(|shard| Cursor { shard, slot: 0 }),
        }
    }

    /// The peers that are meant, at most one of each shard, with their Child SAs.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn peer(&self, which: &Which) -> Result<Vec<(PeerRow, Vec<SaRow>)>, Busy> {
        let which = which.clone();
        let answers = self.ask_all(move |worker| {
            let now = worker.clock.now();
            worker.shard.peer(&which, now)
        })?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// The latest verdicts on a peer, at most one of each shard, the newest first.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn why_dead(&self, which: &Which) -> Result<Vec<Obituary>, Busy> {
        let which = which.clone();
        let answers = self.ask_all(move |worker| worker.shard.why_dead(&which))?;
        let mut found: Vec<_> = answers.into_iter().flatten().collect();
        found.sort_by_key(|obituary| core::cmp::Reverse(obituary.at));
        Ok(found)
    }

    /// Ends up to `limit` sessions that a filter means, from `cursor` on, each with a DELETE to the
    /// peer; with `dry_run` it only says which. A page may be shorter than that and still have a
    /// next one.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn clear_sessions(
        &self,
        filter: SessionFilter,
        cursor: Cursor,
        limit: usize,
        dry_run: bool,
    ) -> Result<Page<SessionRow>, Busy> {
        let part = (cursor.slot, limit.max(1));
        let (rows, slot) = self.ask(cursor.shard, move |worker| {
            let now = worker.clock.now();
            let sink = &mut worker.sink;
            worker
                .shard
                .clear_sessions(&filter, part, dry_run, now, sink)
        })?;
        let next = self.after(cursor, slot);
        Ok(Page { rows, next })
    }

    /// What every shard counted, and how it fares.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn reports(&self) -> Result<Vec<ShardReport>, Busy> {
        self.ask_all(|worker| worker.report())
    }

    /// Processor time of all threads of this process.
    #[must_use]
    pub fn process_cpu(&self) -> Duration {
        netio::process_cpu_time()
    }
}
