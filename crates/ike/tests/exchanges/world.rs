//! Two ends, the link between them, and the time.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use ike::Path;
use ipsec::PolicySnapshot;
use timer::Instant;

use crate::end::{Datagram, End};
use crate::policy::{left_connection, right_connection, snapshot};

pub(crate) const LEFT: &str = "192.0.2.1:500";
pub(crate) const RIGHT: &str = "198.51.100.1:500";

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// A translator in front of the left end: its address, and what it adds to a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Translator {
    pub(crate) address: std::net::IpAddr,
    pub(crate) port_shift: u16,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) left: End,
    pub(crate) right: End,
    pub(crate) nat: Option<Translator>,
    /// Numbers of datagrams, in the order in which they are sent, that never arrive.
    pub(crate) lose: BTreeSet<usize>,
    /// Numbers of datagrams that arrive twice.
    pub(crate) repeat: BTreeSet<usize>,
    /// Nothing arrives at this end.
    pub(crate) deaf: Option<Side>,
    /// Everything sent so far, as the receiver sees it.
    pub(crate) sent: Vec<(Side, Datagram)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(snapshot(left_connection()), snapshot(right_connection()))
    }

    pub(crate) fn with(left: PolicySnapshot, right: PolicySnapshot) -> Self {
        Self::seeded(1, left, right)
    }

    /// Another seed makes other nonces, and so other winners of collisions.
    pub(crate) fn seeded(seed: u64, left: PolicySnapshot, right: PolicySnapshot) -> Self {
        Self {
            now: Instant::from_secs(1),
            left: End::new(2 * seed - 1, left),
            right: End::new(2 * seed, right),
            nat: None,
            lose: BTreeSet::new(),
            repeat: BTreeSet::new(),
            deaf: None,
            sent: vec![],
        }
    }

    pub(crate) fn path() -> Path {
        Path {
            local: LEFT.parse().expect("an address"),
            remote: RIGHT.parse().expect("an address"),
            encapsulated: false,
            fvrf: ipsec::FrontVrf::GLOBAL,
        }
    }

    /// Starts an IKE SA from the left; the link has not moved yet.
    pub(crate) fn initiate(&mut self) -> u64 {
        self.left.initiate(Self::path(), self.now)
    }

    /// A world whose ends have one IKE SA with one Child SA.
    pub(crate) fn established() -> Self {
        Self::new().establish()
    }

    pub(crate) fn establish(mut self) -> Self {
        self.initiate();
        self.settle();
        assert_eq!(self.left.children.len(), 1, "{:?}", self.left.events);
        assert_eq!(self.right.children.len(), 1, "{:?}", self.right.events);
        self.left.events.clear();
        self.right.events.clear();
        self.sent.clear();
        self
    }

    pub(crate) fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// Computes and delivers until nothing moves any more; time stands still.
    pub(crate) fn settle(&mut self) {
        loop {
            let computed = self.left.compute(self.now) | self.right.compute(self.now);
            let moved = self.deliver(Side::Left) | self.deliver(Side::Right);
            if !computed && !moved {
                return;
            }
        }
    }

    /// Moves what `from` has sent to the other end.
    pub(crate) fn deliver(&mut self, from: Side) -> bool {
        let outbox = std::mem::take(&mut self.end(from).outbox);
        let moved = !outbox.is_empty();
        for datagram in outbox {
            self.carry(from, datagram);
        }
        moved
    }

    fn carry(&mut self, from: Side, datagram: Datagram) {
        let Some(datagram) = self.translate(from, datagram) else {
            return;
        };
        let number = self.sent.len();
        self.sent.push((from, datagram.clone()));
        let to = from.other();
        if self.lose.contains(&number) || self.deaf == Some(to) {
            return;
        }
        let now = self.now;
        let copies = 1 + usize::from(self.repeat.contains(&number));
        for _ in 0..copies {
            self.end(to).receive(&datagram, now);
        }
    }

    /// What the translator makes of a datagram; nothing, when it has no mapping for it.
    fn translate(&self, from: Side, mut datagram: Datagram) -> Option<Datagram> {
        let left: SocketAddr = LEFT.parse().expect("an address");
        if datagram.from.ip().is_unspecified() {
            // The routing table chooses.
            datagram.from.set_ip(left.ip());
        }
        let Some(nat) = self.nat else {
            return Some(datagram);
        };
        match from {
            Side::Left => {
                datagram.from = SocketAddr::new(nat.address, datagram.from.port() + nat.port_shift);
            }
            Side::Right => {
                if datagram.to.ip() != nat.address || datagram.to.port() < nat.port_shift {
                    return None;
                }
                datagram.to = SocketAddr::new(left.ip(), datagram.to.port() - nat.port_shift);
            }
        }
        Some(datagram)
    }

    /// Lets time pass, with everything that it brings about.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let next = self.left.next_deadline().min(self.right.next_deadline());
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            let now = self.now;
            self.left.fire(now);
            self.right.fire(now);
            self.settle();
        }
        self.now = end;
    }

    /// What each end would send now, the other can open.
    pub(crate) fn assert_traffic_passes(&self) {
        self.assert_traffic_of(0);
        self.assert_traffic_of(1);
    }

    /// As [`assert_traffic_passes`](Self::assert_traffic_passes), for one child policy.
    pub(crate) fn assert_traffic_of(&self, policy: u16) {
        for (from, to) in [(&self.left, &self.right), (&self.right, &self.left)] {
            let Some(active) = from.active.get(&policy) else {
                continue;
            };
            let sender = &from.children[active];
            let receiver = to.children.get(&sender.outbound.0);
            let receiver = receiver.unwrap_or_else(|| {
                panic!("policy {policy}: nobody receives on {active:#x}'s peer")
            });
            assert_passes(sender, receiver);
        }
    }

    /// Both ends agree on every Child SA: what one seals the other opens, both ways, and nothing is
    /// reserved that is not in use.
    pub(crate) fn assert_consistent(&self) {
        self.left.assert_accounts_balance();
        self.right.assert_accounts_balance();
        assert_eq!(self.left.children.len(), self.right.children.len());
        for (inbound, left) in &self.left.children {
            let right = &self.right.children[&left.outbound.0];
            assert_eq!(right.outbound.0, *inbound, "SPIs are crossed");
            assert_eq!(left.esn, right.esn);
            assert_eq!(left.encapsulated, right.encapsulated);
            assert_eq!(left.selectors.local(), right.selectors.remote());
            assert_eq!(left.selectors.remote(), right.selectors.local());
            assert_passes(left, right);
            assert_passes(right, left);
        }
    }
}

/// A packet that one end seals opens at the other.
pub(crate) fn assert_passes(from: &ike::ChildInstalled, to: &ike::ChildInstalled) {
    let suite = from.suite;
    let text = [7; 32];
    let mut packet = from.outbound.0.to_be_bytes().to_vec();
    packet.extend([0, 0, 0, 1]);
    packet.resize(8 + suite.iv_len(), 0);
    packet.extend(text);
    packet.resize(packet.len() + suite.icv_len(), 0);
    let high = from.esn.then_some(0);
    from.outbound_key.seal(&mut packet, 8, high, 1);
    let range = to
        .inbound_key
        .open(&mut packet, 8, high)
        .expect("the ends have the same keys");
    assert_eq!(packet[range], text);
}
