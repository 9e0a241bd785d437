//! The invariants must see what breaks them.

use std::net::{Ipv4Addr, SocketAddr};

use ike::v2::Role;
use ipsec::{EspSpi, Identity, IkeSpi};
use shard::{Event, EventKind, Listener, PeerRef, ShardId};
use sim::{Breach, Datagram, HEADEND, Invariants, peer_address};
use timer::Instant;

const NOW: Instant = Instant::from_secs(1);

fn socket(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}

fn datagram(listener: Listener, bytes: Vec<u8>) -> Datagram {
    Datagram {
        from: socket(peer_address(0), 4500),
        to: socket(HEADEND, 4500),
        listener,
        traffic_class: 0,
        bytes,
    }
}

fn esp(sequence: u32, iv: u64) -> Vec<u8> {
    let mut packet = vec![1, 2, 3, 4];
    packet.extend(sequence.to_be_bytes());
    packet.extend(iv.to_be_bytes());
    packet.extend([0; 32]);
    packet
}

/// An IKE message whose first payload is SK (46), with an IV and a body.
fn ike(iv: u64, body: u8) -> Vec<u8> {
    let mut message = vec![7; 16];
    message.extend([46, 0x20, 37, 0, 0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0, 36]);
    message.extend(iv.to_be_bytes());
    message.extend([body; 24]);
    message
}

fn breaches(sent: &[Datagram]) -> Vec<Breach> {
    let mut invariants = Invariants::default();
    sent.iter()
        .for_each(|datagram| invariants.sent(datagram, NOW));
    invariants
        .breaches()
        .iter()
        .map(|(_, breach)| breach.clone())
        .collect()
}

#[test]
fn esp_under_a_nonce_that_was_used_is_seen() {
    let raw = |sequence, iv| datagram(Listener::RawEsp, esp(sequence, iv));
    assert_eq!(breaches(&[raw(1, 1), raw(2, 2)]), []);
    let again = Breach::EspNonceTwice {
        to: socket(HEADEND, 4500),
        spi: 0x0102_0304,
        iv: 1,
    };
    assert_eq!(
        breaches(&[raw(1, 1), raw(2, 1)]),
        std::slice::from_ref(&again)
    );
    assert_eq!(
        breaches(&[raw(2, 1), raw(2, 2)]).len(),
        1,
        "a sequence number twice"
    );
    let in_udp = |sequence, iv| datagram(Listener::Nat, esp(sequence, iv));
    assert_eq!(breaches(&[in_udp(1, 1), in_udp(2, 1)]), [again]);
}

#[test]
fn another_ike_message_under_the_same_iv_is_seen_and_a_retransmission_is_none() {
    let plain = |iv, body| datagram(Listener::Ike, ike(iv, body));
    assert_eq!(breaches(&[plain(1, 1), plain(1, 1), plain(2, 2)]), []);
    assert_eq!(breaches(&[plain(1, 1), plain(1, 2)]).len(), 1);
    let marked = |iv, body| datagram(Listener::Nat, [vec![0; 4], ike(iv, body)].concat());
    assert_eq!(breaches(&[marked(1, 1), marked(1, 2)]).len(), 1);
}

fn event(identity: Option<Identity>, kind: EventKind) -> Event {
    Event {
        at: NOW,
        peer: PeerRef {
            shard: ShardId(0),
            spi: IkeSpi(9),
            connection: "peers".into(),
            identity,
            local: socket(HEADEND, 500),
            remote: socket(peer_address(0), 500),
            fvrf: ipsec::FrontVrf::GLOBAL,
            ivrf: ipsec::InnerVrf::GLOBAL,
        },
        kind,
    }
}

fn child() -> EventKind {
    EventKind::ChildInstalled {
        child: "all".into(),
        inbound: EspSpi(1),
        outbound: EspSpi(2),
        replaces: None,
        local_ts: Vec::new(),
        remote_ts: Vec::new(),
    }
}

#[test]
fn a_child_sa_without_an_authenticated_peer_is_seen() {
    let identity = Some(sim::peer_identity(0));
    let established = EventKind::Established {
        role: Role::Responder,
        setup: NOW - Instant::ZERO,
        leases: Vec::new(),
    };
    let mut invariants = Invariants::default();
    invariants.happened(&event(identity.clone(), established), true);
    invariants.happened(&event(identity.clone(), child()), true);
    assert_eq!(invariants.breaches(), []);
    invariants.happened(&event(identity, child()), false);
    invariants.happened(&event(None, child()), true);
    let breach = (NOW, Breach::ChildWithoutAuth(IkeSpi(9)));
    assert_eq!(invariants.breaches(), [breach.clone(), breach]);
}
