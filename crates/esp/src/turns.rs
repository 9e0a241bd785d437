use core::sync::atomic::{AtomicU64, Ordering};

/// The order in which the batches of one SA are delivered when several shards open them: the order in
/// which they arrived, so that no flow is reordered. What is inside cannot be seen before it is
/// opened, therefore the order holds for the SA as a whole.
///
/// Whoever receives a batch takes a turn for it before handing it on. Whoever opened it delivers when
/// the turn has come, keeps it until then and works on something else meanwhile. Nobody waits.
#[derive(Debug, Default)]
pub struct Turns {
    given: AtomicU64,
    due: AtomicU64,
}

/// The place of a batch in the order. It must be given back through [`Turns::done`] even if nothing
/// of the batch is left to deliver: the next one's turn comes by that.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub struct Turn(u64);

impl Turn {
    /// How many went before.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.0
    }
}

impl Turns {
    /// The next place in the order. Only the receiver of the SA's packets may ask.
    pub fn take(&self) -> Turn {
        Turn(self.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether everything before this turn is delivered.
    #[must_use]
    pub fn is_due(&self, turn: &Turn) -> bool {
        // What the one before delivered has happened before what this one will.
        self.due.load(Ordering::Acquire) == turn.0
    }

    /// How many turns have been taken.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// How many have been given back, which is the number of the one that is due.
    #[must_use]
    pub fn returned(&self) -> u64 {
        self.due.load(Ordering::Acquire)
    }

    /// How many turns have been taken and not given back.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let due = self.due.load(Ordering::Acquire);
        self.given.load(Ordering::Relaxed).saturating_sub(due)
    }

    /// Lets the next one deliver. For the turn that is due only.
    pub fn done(&self, turn: Turn) {
        debug_assert!(self.is_due(&turn), "a turn is given back when it has come");
        self.due.store(turn.0 + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn batches_leave_in_the_order_in_which_they_came() {
        const BATCHES: usize = 4_000;
        let turns = Turns::default();
        let (arrived, delivered) = (Mutex::new(0..BATCHES), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for worker in 0..4_usize {
                let (turns, arrived, delivered) = (&turns, &arrived, &delivered);
                scope.spawn(move || {
                    let mut kept: Vec<(Turn, usize)> = Vec::new();
                    loop {
                        {
                            // Receiving is one shard's: the lock stands for it.
                            let mut arrived = arrived.lock().unwrap();
                            if let Some(batch) = arrived.next() {
                                kept.push((turns.take(), batch));
                            } else if kept.is_empty() {
                                return;
                            }
                        }
                        // Some are slower than others.
                        if kept.len() <= worker && !arrived.lock().unwrap().is_empty() {
                            continue;
                        }
                        let due = |(turn, _): &(Turn, usize)| turns.is_due(turn);
                        while let Some(at) = kept.iter().position(due) {
                            let (turn, batch) = kept.swap_remove(at);
                            delivered.lock().unwrap().push(batch);
                            turns.done(turn);
                        }
                    }
                });
            }
        });
        assert!(delivered.into_inner().unwrap().into_iter().eq(0..BATCHES));
        assert_eq!(turns.pending(), 0);
    }
}
