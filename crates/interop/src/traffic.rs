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

/// A stream of numbered UDP datagrams from one namespace to another.
pub struct Flow {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    receiver: JoinHandle<(BTreeSet<u64>, u64)>,
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

    /// Ends the stream, waits for stragglers and reports.
    ///
    /// # Errors
    /// When one of the threads has panicked.
    pub fn finish(self) -> Result<FlowReport> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().ok().context("the sender panicked")?;
        let (arrived, duplicates) = self.receiver.join().ok().context("the receiver panicked")?;
        let missing = (0..sent)
            .filter(|number| !arrived.contains(number))
            .collect();
        Ok(FlowReport {
            sent,
            missing,
            duplicates,
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

fn receive(socket: &UdpSocket, stop: &AtomicBool) -> (BTreeSet<u64>, u64) {
    let mut arrived = BTreeSet::new();
    let mut duplicates = 0;
    let mut datagram = [0; PAYLOAD_LEN + 1];
    let mut stopped_at = None;
    loop {
        if stop.load(Ordering::Relaxed) {
            let stopped_at = *stopped_at.get_or_insert_with(Instant::now);
            if stopped_at.elapsed() > STRAGGLERS {
                return (arrived, duplicates);
            }
        }
        let Ok(PAYLOAD_LEN) = socket.recv(&mut datagram) else {
            continue;
        };
        if let Some(number) = datagram
            .first_chunk()
            .map(|octets| u64::from_be_bytes(*octets))
        {
            duplicates += u64::from(!arrived.insert(number));
        }
    }
}
