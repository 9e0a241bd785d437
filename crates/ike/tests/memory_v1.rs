//! What an IKE SA of IKEv1 costs at rest and half-open, as the operating system sees it.
#![forbid(unsafe_code)]

#[path = "v1/end.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod end;
#[path = "v1/policy.rs"]
#[expect(dead_code, unused_imports, reason = "the stories use the rest")]
mod policy;

use std::time::Duration;

use end::End;
use ike::{Path, Settings};
use policy::{left_connection, right_connection, snapshot};
use timer::Instant;

const PEERS: u16 = 2_000;
/// Octets of an established IKE SA with one Child SA and everything that it points to, once nothing is
/// kept for repetitions any more, and of the harness's own index entry.
const AT_REST: usize = 1_350;
/// Octets of one that has answered a first message, which anybody can send.
const HALF_OPEN: usize = 1_600;

fn resident_octets() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

fn path(number: u16) -> Path {
    Path {
        local: std::net::SocketAddr::new("192.0.2.1".parse().expect("an address"), number),
        remote: "198.51.100.1:500".parse().expect("an address"),
        encapsulated: false,
        fvrf: ipsec::FrontVrf::GLOBAL,
    }
}

fn ends() -> (End, End) {
    let ends = [snapshot(left_connection()), snapshot(right_connection())];
    let [mut left, mut right] = [1, 2].map(|seed| End::new(seed, ends[seed as usize - 1].clone()));
    for end in [&mut left, &mut right] {
        end.settings = Settings {
            cookie_threshold: usize::from(u16::MAX),
            cookie_threshold_prefix: usize::from(u16::MAX),
            half_open_prefix_max: usize::from(u16::MAX),
            ..Settings::default()
        };
    }
    (left, right)
}

fn knock(left: &mut End, right: &mut End, number: u16) {
    let now = Instant::from_secs(1);
    left.initiate(path(number), now);
    for datagram in std::mem::take(&mut left.outbox) {
        right.receive(&datagram, now);
    }
    left.sas.clear();
    forget(left);
    forget(right);
}

fn connect(left: &mut End, right: &mut End, number: u16) {
    let now = Instant::from_secs(1);
    left.initiate(path(number), now);
    loop {
        let computed = left.compute(now) | right.compute(now);
        let (out, back) = (
            std::mem::take(&mut left.outbox),
            std::mem::take(&mut right.outbox),
        );
        if !computed && out.is_empty() && back.is_empty() {
            break;
        }
        out.iter().for_each(|datagram| right.receive(datagram, now));
        back.iter().for_each(|datagram| left.receive(datagram, now));
    }
    left.sas.clear();
    // What is kept for repetitions is forgotten in time.
    right.fire(now + Duration::from_secs(300));
    forget(left);
    forget(right);
}

/// The data plane's half and the harness's records are not counted here.
fn forget(end: &mut End) {
    end.children.clear();
    end.established.clear();
    end.events.clear();
    end.received.clear();
    end.outbox.clear();
    end.owner.spis.clear();
    end.owner.ike_spis.clear();
}

fn octets_each(what: &str, act: fn(&mut End, &mut End, u16)) -> Option<usize> {
    let (mut left, mut right) = ends();
    // Page in code and fill the allocator's pools before counting.
    for number in 1..=200 {
        act(&mut left, &mut right, number);
    }
    let before = resident_octets()?;
    for number in 201..=200 + PEERS {
        act(&mut left, &mut right, number);
    }
    let after = resident_octets()?;
    assert_eq!(right.sas.len(), usize::from(PEERS) + 200, "{what}");
    let each = after.saturating_sub(before) / usize::from(PEERS);
    println!("{what}: {each} octets an IKE SA");
    // What the next count finds free would not be counted.
    std::mem::forget((left, right));
    Some(each)
}

#[test]
fn an_ike_sa_of_ikev1_is_small() {
    // One after the other: they share the process.
    if let Some(each) = octets_each("at rest", connect) {
        assert!(each <= AT_REST, "{each} octets an IKE SA at rest");
    }
    if let Some(each) = octets_each("half-open", knock) {
        assert!(each <= HALF_OPEN, "{each} octets a half-open IKE SA");
    }
}
