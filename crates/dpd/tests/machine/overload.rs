//! A worker that can do less than its peers make it do: what it asks for must not grow by that, and
//! nobody may be declared dead for it.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::estate::{Estate, Event, periodic, secs};
use dpd::{BreakerPolicy, BudgetPolicy, Protocol, ServiceHealth};
use timer::Instant;

const PEERS: u32 = 20_000;
/// From the moment when a question leaves to the answer in our socket's buffer.
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Answers that the socket's buffer holds.
const ROOM: usize = 2_000;
/// Answers read in one round, before timers have their turn.
const READ_MAX: usize = 512;

/// How many questions leave in the time in which one answer is read: they leave by the hundred.
const SENT_PER_READ: u32 = 8;

/// One thread that sends and reads.
struct Worker {
    estate: Estate,
    /// What reading an answer takes.
    per_read: Duration,
    /// When each answer arrives, and whose it is; in order of time.
    network: VecDeque<(Instant, u32)>,
    buffer: VecDeque<u32>,
    /// Answers that found the buffer full.
    drops: u32,
    /// What is read since `marked` proves, once it is more than the buffer holds, that everything
    /// which had arrived by then is read.
    read: usize,
    marked: Instant,
}

impl Worker {
    fn new(reads_per_second: u32, protocol: Protocol) -> Self {
        let budgets = BudgetPolicy {
            probes_per_second: NonZeroU32::MAX,
            kills_per_second: NonZeroU32::MAX,
            ..BudgetPolicy::default()
        };
        let breaker = BreakerPolicy {
            enabled: false,
            ..BreakerPolicy::default()
        };
        let policy = dpd::DpdPolicy {
            jitter_percent: 10,
            ..periodic()
        };
        let estate = Estate::with(PEERS, policy, protocol, &budgets, breaker);
        Self {
            marked: estate.now,
            estate,
            per_read: secs(1) / reads_per_second,
            network: VecDeque::new(),
            buffer: VecDeque::new(),
            drops: 0,
            read: 0,
        }
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.estate.now + span;
        while self.estate.now < end {
            let began = self.estate.now;
            self.read_some();
            self.fire_some();
            if self.estate.now == began {
                self.sleep(end);
            }
        }
    }

    fn sleep(&mut self, end: Instant) {
        let arrival = self.network.front().map(|(at, _)| *at);
        let next = [arrival, self.estate.next_deadline()];
        let next = next.into_iter().flatten().min();
        self.estate.now = next.unwrap_or(end).max(self.estate.now).min(end);
    }

    /// What has arrived goes into the buffer, or is lost.
    fn arrive(&mut self) {
        while self
            .network
            .front()
            .is_some_and(|(at, _)| *at <= self.estate.now)
        {
            let Some((_, peer)) = self.network.pop_front() else {
                return;
            };
            if self.buffer.len() < ROOM {
                self.buffer.push_back(peer);
            } else {
                self.drops += 1;
            }
        }
    }

    fn read_some(&mut self) {
        self.arrive();
        for _ in 0..READ_MAX {
            let Some(peer) = self.buffer.pop_front() else {
                break;
            };
            self.estate.now += self.per_read;
            self.read += 1;
            let now = self.estate.now;
            self.estate.peers[peer as usize].live.answered(now, None);
            self.arrive();
        }
        let now = self.estate.now;
        let (rx_serviced, queue_delay) = if self.buffer.is_empty() {
            (now, Duration::ZERO)
        } else if self.read > ROOM {
            (self.marked, now - self.marked)
        } else {
            return;
        };
        (self.read, self.marked) = (0, now);
        self.estate.serviced = Some(ServiceHealth {
            rx_serviced,
            queue_delay,
            rx_drops: self.drops,
        });
    }

    fn fire_some(&mut self) {
        for peer in self.estate.fire_due() {
            self.estate.now += self.per_read / SENT_PER_READ;
            self.network.push_back((self.estate.now + ROUND_TRIP, peer));
        }
    }

    fn tries(&self) -> u64 {
        self.estate.watch.counters.tries
    }

    fn dead(&self) -> usize {
        let is_dead = |(_, event): &(Instant, Event)| *event == Event::Dead;
        let peers = self.estate.peers.iter();
        peers.filter(|peer| peer.events.iter().any(is_dead)).count()
    }
}

/// Answers a second that the peers give if each is asked once in every interval.
const NEEDED: u32 = PEERS / 10;

#[test]
fn a_worker_that_falls_behind_asks_no_more_and_kills_nobody() {
    for protocol in [Protocol::Ikev1, Protocol::Ikev2] {
        for percent in [25, 50, 75, 100] {
            let mut worker = Worker::new(NEEDED * percent / 100, protocol);
            worker.run_for(secs(90));
            let wanted = u64::from(NEEDED) * 90;
            let tries = worker.tries();
            assert!(
                tries <= wanted * 11 / 10,
                "{percent} % of what is needed: {tries} tries, {wanted} wanted"
            );
            assert_eq!(worker.dead(), 0, "{percent} % of what is needed");
        }
    }
}

#[test]
fn after_an_overload_everybody_is_found_alive() {
    let mut worker = Worker::new(NEEDED / 2, Protocol::Ikev2);
    worker.run_for(secs(60));
    worker.per_read = secs(1) / (NEEDED * 2);
    worker.run_for(secs(40));
    let before = worker.tries();
    worker.run_for(secs(20));
    let tries = worker.tries() - before;
    assert!(
        tries <= u64::from(PEERS) * 23 / 10,
        "{tries} in two intervals"
    );
    assert_eq!(worker.dead(), 0);
}
