//! Traffic through a tunnel, and what became of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::network::Namespace;
use crate::process;

/// How long the receiver listens on after the last datagram was sent.
const STRAGGLERS: Duration = Duration::from_millis(700);
const PAYLOAD_LEN: usize = 200;

/// Sends `count` echo requests and tells how many were answered.
///
/// # Errors
/// When `ping` cannot be run.
pub fn ping(from: &Namespace, source: &str, destination: &str, count: u32) -> Result<u32> {
    let count = count.to_string();
    let inside = [
        "netns",
        "exec",
        from.name(),
        "ping",
        "-n",
        "-q",
        "-c",
        &count,
        "-i",
        "0.05",
        "-W",
        "1",
        "-I",
        source,
        destination,
    ];
    let (_, output) = process::attempt("ip", &inside, Duration::from_secs(30))?;
    output
        .split(", ")
        .find_map(|part| part.strip_suffix(" received"))
        .and_then(|received| received.trim().parse().ok())
        .with_context(|| output.clone())
}

/// Checks that `count` echo requests are all answered.
///
/// # Errors
/// When one is not.
pub fn ping_all(from: &Namespace, source: &str, destination: &str, count: u32) -> Result<()> {
    let received = ping(from, source, destination, count)?;
    ensure!(
        received == count,
        "{received} of {count} echo requests from {source} to {destination} were answered"
    );
    Ok(())
}

/// What became of a stream of numbered datagrams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowReport {
    /// How many were sent.
    pub sent: u64,
    /// The numbers of those that never arrived.
    pub missing: Vec<u64>,
    /// How many arrived more than once.
    pub duplicates: u64,
    /// How many arrived after one that was sent later.
    pub overtaken: u64,
}

impl FlowReport {
    /// Checks that all arrived, once each.
    ///
    /// # Errors
    /// When one is missing or there are too few to prove anything.
    pub fn complete(&self, sent_min: u64) -> Result<()> {
        ensure!(
            self.sent >= sent_min,
            "only {} datagrams were sent",
            self.sent
        );
        ensure!(
            self.missing.is_empty(),
            "{} of {} datagrams are missing, among them {:?}",
            self.missing.len(),
            self.sent,
            &self.missing[..self.missing.len().min(20)]
        );
        ensure!(self.duplicates == 0, "{} arrived twice", self.duplicates);
        Ok(())
    }
}

/// What the receiving end of a stream has seen.
#[derive(Default)]
struct Received {
    arrived: BTreeSet<u64>,
    duplicates: u64,
    overtaken: u64,
}

/// A stream of numbered UDP datagrams from one namespace to another.
pub struct Flow {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    receiver: JoinHandle<Received>,
}

impl Flow {
    /// Starts to send, one datagram each `interval`.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub fn start(
        (from, source): (&Namespace, &str),
        (to, destination): (&Namespace, &str),
        port: u16,
        interval: Duration,
    ) -> Result<Self> {
        let source = SocketAddr::new(source.parse::<IpAddr>()?, 0);
        let destination = SocketAddr::new(destination.parse::<IpAddr>()?, port);
        let outgoing = from.enter(|| UdpSocket::bind(source))??;
        let incoming = to.enter(|| UdpSocket::bind(destination))??;
        incoming.set_read_timeout(Some(Duration::from_millis(50)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let sender = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || send(&outgoing, destination, interval, &stop))
        };
        let receiver = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || receive(&incoming, &stop))
        };
        Ok(Self {
            stop,
            sender,
            receiver,
        })
    }

    /// Ends several streams at once, as [`Self::finish`] ends one.
    ///
    /// # Errors
    /// When one of the threads has panicked.
    pub fn finish_all(flows: Vec<Self>) -> Result<Vec<FlowReport>> {
        for flow in &flows {
            flow.stop.store(true, Ordering::Relaxed);
        }
        flows.into_iter().map(Self::finish).collect()
    }

    /// Ends the stream, waits for stragglers and reports.
    ///
    /// # Errors
    /// When one of the threads has panicked.
    pub fn finish(self) -> Result<FlowReport> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().ok().context("the sender panicked")?;
        let received = self.receiver.join().ok().context("the receiver panicked")?;
        let missing = (0..sent)
            .filter(|number| !received.arrived.contains(number))
            .collect();
        Ok(FlowReport {
            sent,
            missing,
            duplicates: received.duplicates,
            overtaken: received.overtaken,
        })
    }
}

fn send(socket: &UdpSocket, destination: SocketAddr, interval: Duration, stop: &AtomicBool) -> u64 {
    let start = Instant::now();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut datagram = [0; PAYLOAD_LEN];
        datagram[..8].copy_from_slice(&number.to_be_bytes());
        // A refused send (no route for a moment) counts as sent and lost.
        let _ = socket.send_to(&datagram, destination);
        number += 1;
        let due = start + interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    number
}

fn receive(socket: &UdpSocket, stop: &AtomicBool) -> Received {
    let mut received = Received::default();
    let mut datagram = [0; PAYLOAD_LEN + 1];
    let mut stopped_at = None;
    loop {
        if stop.load(Ordering::Relaxed) {
            let stopped_at = *stopped_at.get_or_insert_with(Instant::now);
            if stopped_at.elapsed() > STRAGGLERS {
                return received;
            }
        }
        let Ok(PAYLOAD_LEN) = socket.recv(&mut datagram) else {
            continue;
        };
        if let Some(number) = datagram
            .first_chunk()
            .map(|octets| u64::from_be_bytes(*octets))
        {
            let overtaken = received.arrived.last().is_some_and(|last| *last > number);
            received.overtaken += u64::from(overtaken);
            received.duplicates += u64::from(!received.arrived.insert(number));
        }
    }
}
