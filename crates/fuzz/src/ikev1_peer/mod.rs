mod chains;
mod keys;
mod later;
mod peer;

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use shard::{Command, Listener, Shard};
use sim::{Datagram, Dice, Estate, HEADEND, Invariants, Side, peer_address};
use timer::Instant;
use wire::ikev1::{
    ExchangeType, Flags, Fragment, HEADER_LEN, Header, NON_ESP_MARKER, Payload, PayloadType,
    encode_message,
};

use crate::ikev1_policy::Variant;
use crate::operations::Operations;
use crate::tunnels::watch_everything;
use later::Cover;
use peer::Peer;

/// Operations of one run at most.
const OPERATIONS_MAX: usize = 250;
/// IKE SAs that the headend may hold.
const PEERS_MAX: u32 = 8;
/// Messages of the peer that can be sent again.
const REMEMBERED_MAX: usize = 64;
/// Virtual time in which everything must have ended after a shutdown.
const END_LIMIT: Duration = Duration::from_secs(1_200);

/// A headend that speaks IKEv1, and a peer that knows the secret and says whatever `data` wants: the
/// right thing, the right thing changed, again, out of order, in pieces or from elsewhere, and any
/// chain of payloads under a right hash. Before an address is proved, no more octets go there than
/// came from there; state is bounded; and after a shutdown nothing is left.
pub fn ikev1_peer(data: &[u8]) {
    let mut operations = Operations::new(data);
    let mut run = Run::new(Variant::of_octet(operations.octet()));
    for _ in 0..OPERATIONS_MAX {
        let Some(operation) = operations.next() else {
            break;
        };
        run.step(operation, &mut operations);
    }
    run.end();
}

/// What went to an address, and what came from there.
#[derive(Default)]
struct Account {
    received: usize,
    sent: usize,
    /// Cookies of the headend that were sent there.
    cookies: HashSet<u64>,
    /// One of them came back, or something that was said under the keys.
    proved: bool,
}

struct Run {
    variant: Variant,
    now: Instant,
    headend: Side,
    peer: Peer,
    peers: u64,
    source: SocketAddr,
    said: Vec<Vec<u8>>,
    accounts: HashMap<SocketAddr, Account>,
    invariants: Invariants,
}

impl Run {
    fn new(variant: Variant) -> Self {
        let estate = Estate {
            shards: 1,
            ..Estate::new(1)
        };
        let mut dice = Dice::new(11);
        let now = Instant::from_secs(1);
        let policy = variant.server(&estate.headend_policy());
        let mut headend = Side::new(1, &Side::settings(PEERS_MAX), &policy, now, &mut dice);
        if variant.watched {
            headend.command(0, watch_everything(), now);
        }
        Self {
            variant,
            now,
            headend,
            peer: Peer::new(variant, variant.aggressive, 1),
            peers: 1,
            source: SocketAddr::new(peer_address(0).into(), 500),
            said: Vec::new(),
            accounts: HashMap::new(),
            invariants: Invariants::default(),
        }
    }

    fn step(&mut self, operation: u8, operations: &mut Operations<'_>) {
        match operation % 16 {
            0..=4 => {
                let message = self.peer.advance();
                self.say(&message);
            }
            5 => self.begin_anew(operations.octet()),
            6 => {
                let pick = usize::from(operations.octet());
                if let Some(message) = self.said.get(pick % self.said.len().max(1)) {
                    self.deliver(&message.clone());
                }
            }
            7 => self.say_changed(operations),
            8 => self.say_chain(operations),
            9 => self.say_octets(operations),
            10 => self.say_in_pieces(operations),
            11 => self.say_unprotected(operations),
            12 => self.pass(Duration::from_millis(u64::from(operations.octet()) * 100)),
            13 => self.pass(Duration::from_secs(u64::from(operations.octet()))),
            14 => self.command(operations.octet()),
            _ => self.move_to(operations.octet()),
        }
    }

    fn begin_anew(&mut self, how: u8) {
        self.peers += 1;
        self.peer = Peer::new(self.variant, how & 1 == 1, self.peers);
    }

    fn move_to(&mut self, octet: u8) {
        let address = Ipv4Addr::from_bits(peer_address(0).to_bits() + u32::from(octet >> 4 & 3));
        let port = match octet & 3 {
            0 => 500,
            1 => 4_500,
            _ => 1_024 + u16::from(octet),
        };
        self.source = SocketAddr::new(address.into(), port);
    }

    fn say(&mut self, message: &[u8]) {
        if message.is_empty() {
            return;
        }
        if self.said.len() == REMEMBERED_MAX {
            self.said.remove(0);
        }
        self.said.push(message.to_vec());
        self.deliver(message);
    }

    fn say_changed(&mut self, operations: &mut Operations<'_>) {
        let mut message = self.peer.last().to_vec();
        let at = usize::from(operations.number()) % message.len().max(1);
        match operations.octet() % 4 {
            0 => message.truncate(at),
            _ => {
                let value = operations.octet();
                if let Some(octet) = message.get_mut(at) {
                    *octet = value;
                }
            }
        }
        self.deliver(&message);
    }

    /// Payloads that the input makes up, protected as they should be.
    fn say_chain(&mut self, operations: &mut Operations<'_>) {
        let known = self.peer.known();
        let (exchange, message_id, cover) = self.exchange(operations.octet());
        let (first, octets) = chains::build(operations, &known);
        let message = self
            .peer
            .protect(exchange, message_id, (first, &octets), cover);
        self.say(&message);
    }

    /// Octets of the input, protected as if they were payloads.
    fn say_octets(&mut self, operations: &mut Operations<'_>) {
        let (exchange, message_id, cover) = self.exchange(operations.octet());
        let first = PayloadType(operations.octet());
        let octets = operations.run();
        let message = self
            .peer
            .protect(exchange, message_id, (first, octets), cover);
        self.say(&message);
    }

    fn exchange(&mut self, octet: u8) -> (ExchangeType, u32, Cover) {
        let exchange = match octet & 3 {
            0 => ExchangeType::INFORMATIONAL,
            1 => ExchangeType::TRANSACTION,
            _ => ExchangeType::QUICK_MODE,
        };
        let message_id = match octet >> 2 & 3 {
            0 => self.peer.latest_id(),
            _ => self.peer.fresh_id(),
        };
        let cover = match octet >> 4 & 3 {
            0 => Cover::InitiatorNonce,
            1 => Cover::BothNonces,
            _ => Cover::Payloads,
        };
        (exchange, message_id, cover)
    }

    /// The next message in Cisco's fragments, some of them twice, some of them never.
    fn say_in_pieces(&mut self, operations: &mut Operations<'_>) {
        let message = self.peer.advance();
        let Ok(header) = Header::parse(&message) else {
            return;
        };
        let (size, fate) = (1 + usize::from(operations.octet()), operations.octet());
        let count = message.len().div_ceil(size);
        for (number, data) in (1..=u8::MAX).zip(message.chunks(size)) {
            let fragment = Payload::Fragment(Fragment {
                id: u16::from(fate),
                number,
                last: usize::from(number) == count,
                data,
            });
            let header = Header {
                flags: Flags::default(),
                ..header
            };
            let piece = encode_message(&header, &[fragment]);
            if fate == 0 || number != fate {
                self.deliver(&piece);
            }
            if number == fate >> 1 {
                self.deliver(&piece);
            }
        }
    }

    fn say_unprotected(&mut self, operations: &mut Operations<'_>) {
        let how = operations.octet();
        let octets = operations.run();
        if how & 1 == 0 {
            self.deliver(octets);
            return;
        }
        let Ok(header) = Header::parse(self.peer.last()) else {
            return;
        };
        let header = Header {
            exchange: ExchangeType::INFORMATIONAL,
            flags: Flags::default(),
            message_id: u32::from(how),
            next_payload: how >> 1 & 15,
            length: u32::try_from(HEADER_LEN + octets.len()).unwrap_or_default(),
            ..header
        };
        let mut message = Vec::new();
        header.write(&mut message);
        message.extend_from_slice(octets);
        self.deliver(&message);
    }

    /// Hands a message to the headend as from where the peer is.
    fn deliver(&mut self, message: &[u8]) {
        let encapsulated = self.source.port() != 500;
        let (listener, port) = if encapsulated {
            (Listener::Nat, 4_500)
        } else {
            (Listener::Ike, 500)
        };
        let mut bytes = Vec::with_capacity(message.len() + 4);
        if encapsulated {
            bytes.extend_from_slice(&NON_ESP_MARKER);
        }
        bytes.extend_from_slice(message);
        self.account_for(message, bytes.len());
        let datagram = Datagram {
            from: self.source,
            to: SocketAddr::new(HEADEND.into(), port),
            listener,
            traffic_class: 0,
            bytes,
        };
        self.headend.receive(vec![datagram], self.now);
        self.collect();
    }

    /// Who returns a cookie has received what was sent where the cookie was sent. Who says something
    /// under the keys is no forger at all.
    fn account_for(&mut self, message: &[u8], received: usize) {
        let account = self.accounts.entry(self.source).or_default();
        account.received += received;
        let Ok(header) = Header::parse(message) else {
            return;
        };
        // What is said in pieces may be encrypted as a whole.
        let sealed = header.flags.encryption || header.next_payload == PayloadType::FRAGMENT.0;
        account.proved |= sealed && self.peer.has_keys();
        for account in self.accounts.values_mut() {
            account.proved |= account.cookies.contains(&header.responder_cookie);
        }
    }

    /// An address that is not proved gets no more than came from there.
    fn check_account(&mut self, to: SocketAddr, message: &[u8], sent: usize) {
        let Ok(header) = Header::parse(message) else {
            return;
        };
        if header.major != 1 {
            return;
        }
        let account = self.accounts.entry(to).or_default();
        account.sent += sent;
        account.cookies.insert(header.responder_cookie);
        assert!(
            account.proved || account.sent <= account.received,
            "{} octets went to {to} for {}",
            account.sent,
            account.received
        );
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.headend.tick(self.now);
        self.collect();
    }

    fn command(&mut self, which: u8) {
        let Some(shard) = self.headend.shards().first() else {
            return;
        };
        let (rows, _) = shard.peers(0, usize::MAX, self.now);
        let (children, _) = shard.sas(0, usize::MAX);
        let pick = usize::from(which >> 4);
        let spi = rows.get(pick % rows.len().max(1)).map(|row| row.peer.spi);
        let inbound = children
            .get(pick % children.len().max(1))
            .map(|row| row.inbound);
        let command = match which % 6 {
            0 | 1 => spi.map(|spi| Command::RekeyIke { spi }),
            2 | 3 => inbound.map(|inbound| Command::RekeyChild { inbound }),
            4 => inbound.map(|inbound| Command::TerminateChild { inbound }),
            _ => spi.map(|spi| Command::Terminate { spi }),
        };
        if let Some(command) = command {
            self.headend.command(0, command, self.now);
            self.collect();
        }
    }

    /// Looks at what the headend did, and lets the peer hear it.
    fn collect(&mut self) {
        for datagram in self.headend.take_datagrams() {
            self.invariants.sent(&datagram, self.now);
            let message = match datagram.listener {
                Listener::Nat => datagram.bytes.strip_prefix(&NON_ESP_MARKER),
                _ => Some(&datagram.bytes[..]),
            };
            let Some(message) = message else {
                continue;
            };
            let sent = datagram.bytes.len();
            self.check_account(datagram.to, message, sent);
            self.peer.hear(message);
        }
        for event in &self.headend.take_events() {
            self.invariants.happened(event, true);
        }
        self.invariants
            .bounds(&self.headend, PEERS_MAX, 0, self.now);
        assert_eq!(self.invariants.breaches(), []);
    }

    /// Shuts the headend down; nobody answers it any more.
    fn end(&mut self) {
        self.headend.command(0, Command::Shutdown, self.now);
        self.collect();
        let limit = self.now + END_LIMIT;
        while self.now < limit && !self.headend.shards().iter().all(Shard::is_empty) {
            let next = self.headend.next_deadline().unwrap_or(limit);
            self.now = next.max(self.now + Duration::from_millis(8));
            self.pass(Duration::ZERO);
        }
        for shard in self.headend.shards() {
            assert!(shard.is_empty(), "something outlived the shutdown");
            let counters = shard.counters();
            assert_eq!((counters.ike_sas, counters.half_open), (0, 0));
            assert_eq!(counters.children, 0, "Child SAs are left");
            assert_eq!(shard.spis_taken(), [0, 0], "SPIs are left");
        }
        assert_eq!(self.headend.directory().leases(), 0, "leases are left");
        assert_eq!(
            self.headend.directory().identities(),
            0,
            "identities are left"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The honest part of the peer is honest indeed: else the target would test refusals only.
    #[test]
    fn in_peace_the_peer_gets_its_tunnel() {
        for octet in [0, 1, 2, 3, 8, 12, 16 + 14, 64, 64 + 8] {
            let mut run = Run::new(Variant::of_octet(octet));
            for _ in 0..14 {
                let message = run.peer.advance();
                run.say(&message);
            }
            let counters = run.headend.shards()[0].counters();
            assert_eq!(counters.established, [0, 1], "variant {octet}");
            assert!(counters.children_installed >= 3, "variant {octet}");
            run.end();
        }
    }
}
