use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashSet;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use shard::Question;

use crate::mailbox::{Mailbox, Message};

/// Threads that wait for answers of the system's resolver. A name server that does not answer keeps
/// one of them for seconds.
const THREADS: usize = 4;
/// Names that may wait for a thread.
const QUEUE_MAX: usize = 1_024;
/// Addresses of one name that are told.
const ADDRESSES_MAX: usize = 16;

struct Order {
    question: Question,
    name: Arc<str>,
}

/// Threads that resolve host names, as the system is set up to (`/etc/hosts`, DNS).
pub(crate) struct Resolver {
    orders: Option<Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
    mailboxes: Arc<[Mailbox]>,
    dropped: Arc<AtomicU64>,
}

/// A worker's way to the resolver.
#[derive(Clone)]
pub(crate) struct ResolverQueue {
    orders: Sender<Order>,
    mailboxes: Arc<[Mailbox]>,
    dropped: Arc<AtomicU64>,
}

impl ResolverQueue {
    /// Has a name resolved. When too many wait it counts as not resolved at once.
    pub(crate) fn order(&self, question: Question, name: &Arc<str>) {
        let order = Order {
            question,
            name: Arc::clone(name),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.orders.try_send(order)
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            answer(&self.mailboxes, question, Vec::new());
        }
    }
}

impl Resolver {
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(mailboxes: &Arc<[Mailbox]>) -> io::Result<Self> {
        let (orders, incoming) = bounded(QUEUE_MAX);
        let mut resolver = Self {
            orders: Some(orders),
            threads: Vec::with_capacity(THREADS),
            mailboxes: Arc::clone(mailboxes),
            dropped: Arc::default(),
        };
        for number in 0..THREADS {
            let (incoming, mailboxes) = (incoming.clone(), Arc::clone(mailboxes));
            let thread = thread::Builder::new()
                .name(format!("resolver-{number}"))
                .spawn(move || serve(&incoming, &mailboxes))?;
            resolver.threads.push(thread);
        }
        Ok(resolver)
    }

    /// Names that were dropped because too many waited.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A way in, or `None` after [`Resolver::stop`].
    pub(crate) fn queue(&self) -> Option<ResolverQueue> {
        Some(ResolverQueue {
            orders: self.orders.clone()?,
            mailboxes: Arc::clone(&self.mailboxes),
            dropped: Arc::clone(&self.dropped),
        })
    }

    /// Lets the threads end; every [`ResolverQueue`] must be gone. One that waits for a name server
    /// is not waited for: it holds nothing that anybody needs.
    pub(crate) fn stop(&mut self) {
        self.orders = None;
        for thread in self.threads.drain(..) {
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

fn serve(incoming: &Receiver<Order>, mailboxes: &[Mailbox]) {
    while let Ok(order) = incoming.recv() {
        answer(mailboxes, order.question, addresses_of(&order.name));
    }
}

fn answer(mailboxes: &[Mailbox], question: Question, addresses: Vec<IpAddr>) {
    if let Some(mailbox) = mailboxes.get(usize::from(question.shard.0)) {
        mailbox.post(Message::Resolved(question, addresses));
    }
}

/// In the order of the system's resolver, which knows what is preferred (RFC 6724).
fn addresses_of(name: &str) -> Vec<IpAddr> {
    let Ok(found) = (name, 0).to_socket_addrs() else {
        return Vec::new();
    };
    let mut told = HashSet::new();
    found
        .map(|address| address.ip())
        .filter(|ip| told.insert(*ip))
        .take(ADDRESSES_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::time::Instant;

    use shard::ShardId;

    use super::*;

    fn boxes() -> Arc<[Mailbox]> {
        (0..2).map(|_| Mailbox::new(8)).collect()
    }

    fn taken(mailbox: &Mailbox) -> (Question, Vec<IpAddr>) {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            match mailbox.take() {
                Some(Message::Resolved(question, addresses)) => return (question, addresses),
                Some(_) => panic!("another message"),
                None => assert!(Instant::now() < patience, "no answer"),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn answers_reach_the_shard_that_asked() {
        let mailboxes = boxes();
        let mut resolver = Resolver::start(&mailboxes).unwrap();
        let question = Question {
            shard: ShardId(1),
            number: 7,
        };
        let queue = resolver.queue().unwrap();
        queue.order(question, &"localhost".into());
        let (answered, addresses) = taken(&mailboxes[1]);
        assert_eq!(answered, question);
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback));
        // No resolver takes a label of no letters.
        queue.order(question, &"a..b".into());
        assert_eq!(taken(&mailboxes[1]), (question, Vec::new()));
        drop(queue);
        resolver.stop();
        assert!(resolver.queue().is_none());
    }

    #[test]
    fn what_finds_no_place_counts_as_not_resolved() {
        let mailboxes = boxes();
        // Nobody takes orders out.
        let (orders, _incoming) = bounded(1);
        let queue = ResolverQueue {
            orders,
            mailboxes: Arc::clone(&mailboxes),
            dropped: Arc::default(),
        };
        let [first, second] = [1, 2].map(|number| Question {
            shard: ShardId(0),
            number,
        });
        queue.order(first, &"localhost".into());
        queue.order(second, &"localhost".into());
        assert_eq!(taken(&mailboxes[0]), (second, Vec::new()));
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 1);
    }
}
