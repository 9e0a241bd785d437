//! Takes a service apart.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::sync::{MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam::channel::{Receiver, bounded};

use crate::mailbox::{Mailbox, Message};
use crate::settings::ASK_TIMEOUT;
use crate::start::Parts;
use crate::worker::Worker;

/// How long a service that is dropped without having been stopped takes to tell its peers.
const DROP_TIMEOUT: Duration = Duration::from_millis(200);

impl Parts {
    pub(crate) fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the workers. Returns whether all of them got rid of all their peers in time.
    pub(crate) fn stop(&self, timeout: Duration) -> bool {
        let mut running = self.threads();
        let threads = core::mem::take(&mut *running);
        let give_up = Instant::now() + timeout + ASK_TIMEOUT;
        let answers: Vec<_> = threads
            .iter()
            .zip(self.mailboxes.iter())
            .map(|(_, mailbox)| tell_to_stop(mailbox, timeout, give_up))
            .collect();
        let mut all_gone = true;
        for thread in threads {
            all_gone &= thread.join().is_ok();
        }
        for answer in answers {
            all_gone &= answer.is_some_and(|gone| gone.try_recv().is_ok());
        }
        all_gone
    }
}

/// Posts the order to stop until it is taken: a full mailbox must not keep a worker alive. The
/// receiver yields a value when the worker ended with no peers left.
fn tell_to_stop(mailbox: &Mailbox, timeout: Duration, give_up: Instant) -> Option<Receiver<()>> {
    loop {
        let (sender, receiver) = bounded(1);
        let order = move |worker: &mut Worker| worker.stop(timeout, sender);
        if mailbox.post(Message::Call(Box::new(order))) {
            return Some(receiver);
        }
        if mailbox.finished.load(Ordering::Acquire) || Instant::now() > give_up {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.stop(DROP_TIMEOUT);
        self.compute.stop();
        self.resolver.stop();
        if let Some(routes) = self.routes.as_mut() {
            routes.stop();
        }
    }
}
