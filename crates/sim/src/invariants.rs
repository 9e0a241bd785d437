use core::net::SocketAddr;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ipsec::{EspSpi, IkeSpi};
use shard::{Counters, Event, EventKind, Listener, Shard, ShardId};
use timer::Instant;

use crate::{Datagram, Side};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A Child SA came to be without an authenticated peer.
    ChildWithoutAuth(IkeSpi),
    /// Two ESP packets of one SA carry the same explicit IV or sequence number.
    EspNonceTwice {
        /// Where they go.
        to: SocketAddr,
        /// Their SPI.
        spi: u32,
        /// The IV, which is the nonce together with the SA's salt.
        iv: u64,
    },
    /// Two different IKE messages under one key carry the same IV.
    IkeNonceTwice {
        /// Who sends.
        from: SocketAddr,
        /// Both SPIs.
        spis: [u64; 2],
        /// The IV.
        iv: u64,
    },
    /// A shard holds more of something than it may.
    Unbounded(&'static str),
}

/// Holds both sides to what must never happen. The suites of the simulated policies are AES-GCM, with
/// an explicit IV of eight octets (RFC 4106, RFC 5282).
#[derive(Default)]
pub struct Invariants {
    breaches: Vec<(Instant, Breach)>,
    authenticated: HashSet<(bool, ShardId, IkeSpi)>,
    /// The last IV and sequence number by destination and SPI: both only ever grow.
    esp: HashMap<(SocketAddr, u32), (u64, u32)>,
    /// What was sent under an IV, by sender and SPIs.
    ike: HashMap<(SocketAddr, [u64; 2], u64), u64>,
    checked: u64,
}

impl Invariants {
    /// What was broken so far, and when.
    #[must_use]
    pub fn breaches(&self) -> &[(Instant, Breach)] {
        &self.breaches
    }

    /// Datagrams and events that were looked at.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked
    }

    fn broken(&mut self, now: Instant, breach: Breach) {
        self.breaches.push((now, breach));
    }

    /// Looks at a datagram as it leaves its shard.
    pub fn sent(&mut self, datagram: &Datagram, now: Instant) {
        self.checked += 1;
        let marker = [0; 4];
        match datagram.listener {
            Listener::RawEsp => self.sent_esp(datagram, now),
            Listener::Ike => self.sent_ike(datagram, &datagram.bytes, now),
            Listener::Nat => match datagram.bytes.strip_prefix(&marker) {
                Some(message) => self.sent_ike(datagram, message, now),
                None if datagram.bytes.len() > 1 => self.sent_esp(datagram, now),
                None => {}
            },
        }
    }

    fn sent_esp(&mut self, datagram: &Datagram, now: Instant) {
        let (Some(spi), Some(sequence), Some(iv)) = (
            be32(&datagram.bytes, 0),
            be32(&datagram.bytes, 4),
            be64(&datagram.bytes, 8),
        ) else {
            return;
        };
        let key = (datagram.to, spi);
        let before = self.esp.insert(key, (iv, sequence));
        if before.is_some_and(|(last_iv, last)| iv <= last_iv || sequence <= last) {
            let to = datagram.to;
            self.broken(now, Breach::EspNonceTwice { to, spi, iv });
        }
    }

    fn sent_ike(&mut self, datagram: &Datagram, message: &[u8], now: Instant) {
        // RFC 7296 §3.1: two SPIs, then the next payload; 46 is SK, 53 an encrypted fragment.
        let (Some(one), Some(two), Some(next)) =
            (be64(message, 0), be64(message, 8), message.get(16).copied())
        else {
            return;
        };
        let iv_at = match next {
            46 => 28 + 4,
            53 => 28 + 8,
            _ => return,
        };
        let Some(iv) = be64(message, iv_at) else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        let digest = hasher.finish();
        let key = (datagram.from, [one, two], iv);
        // A retransmission is the same octets under the same IV, which gives nothing away.
        if self
            .ike
            .insert(key, digest)
            .is_some_and(|before| before != digest)
        {
            let (from, spis) = (datagram.from, [one, two]);
            self.broken(now, Breach::IkeNonceTwice { from, spis, iv });
        }
    }

    /// Looks at an event of a side.
    pub fn happened(&mut self, event: &Event, headend: bool) {
        self.checked += 1;
        let peer = &event.peer;
        let key = (headend, peer.shard, peer.spi);
        match &event.kind {
            EventKind::Established { .. } if peer.identity.is_some() => {
                self.authenticated.insert(key);
            }
            EventKind::Rekeyed { successor } if self.authenticated.contains(&key) => {
                self.authenticated.insert((headend, peer.shard, *successor));
            }
            EventKind::ChildInstalled { .. }
                if !self.authenticated.contains(&key) || peer.identity.is_none() =>
            {
                self.broken(event.at, Breach::ChildWithoutAuth(peer.spi));
            }
            EventKind::Closed { .. } => {
                self.authenticated.remove(&key);
            }
            _ => {}
        }
    }

    /// Compares what the shards of a side hold with what they may hold, of which `initiates` connections are theirs to set up
    /// again.
    pub fn bounds(&mut self, side: &Side, peers_max: u32, initiates: u16, now: Instant) {
        for shard in side.shards() {
            let counters = shard.counters();
            let bounds = [
                (counters.ike_sas <= u64::from(peers_max), "IKE SAs"),
                (counters.half_open <= counters.ike_sas, "half-open IKE SAs"),
                (
                    counters.timers <= timers_max(&counters, initiates),
                    "timers",
                ),
                (counters.children <= 2 * u64::from(peers_max), "Child SAs"),
            ];
            for (holds, what) in bounds {
                if !holds {
                    self.broken(now, Breach::Unbounded(what));
                }
            }
        }
    }

    /// Looks at every Child SA of a side: its IKE SA must be authenticated.
    pub fn sweep(&mut self, side: &Side, now: Instant) {
        for shard in side.shards() {
            let (peers, _) = shard.peers(0, usize::MAX, now);
            let authentic: HashSet<IkeSpi> = peers
                .iter()
                .filter(|row| row.established && row.peer.identity.is_some())
                .map(|row| row.peer.spi)
                .collect();
            for row in all_children(shard) {
                if !authentic.contains(&row.0) {
                    self.broken(now, Breach::ChildWithoutAuth(row.0));
                }
            }
        }
    }
}

/// Each IKE SA holds one timer of its own, one for liveness, one for keepalives, and one for each of
/// up to four rekeyed inbound SAs that wait for what the network still holds of them. Each connection to be set up again holds one.
fn timers_max(counters: &Counters, initiates: u16) -> u64 {
    7 * counters.ike_sas + u64::from(initiates)
}

fn all_children(shard: &Shard) -> Vec<(IkeSpi, EspSpi)> {
    let (rows, _) = shard.sas(0, usize::MAX);
    rows.iter().map(|row| (row.peer.spi, row.inbound)).collect()
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*octets))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    let octets = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*octets))
}
