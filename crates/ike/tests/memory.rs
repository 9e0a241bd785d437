//! What an established IKE SA costs at rest, as the operating system sees it.
#![forbid(unsafe_code)]

#[path = "exchanges/end.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod end;
#[path = "exchanges/policy.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod policy;

use end::End;
use ike::Path;
use policy::{left_connection, right_connection, snapshot};
use timer::Instant;

const PEERS: u16 = 6_000;
/// Octets of an IKE SA with one Child SA and everything that it points to, and of the harness's own
/// index entry. VRFs in paths, and what an operator is shown of a Child SA, took it beyond 1,100.
const BUDGET: usize = 1_150;

fn resident_octets() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

fn connect(left: &mut End, right: &mut End, number: u16) {
    let now = Instant::from_secs(1);
    let path = Path {
        local: std::net::SocketAddr::new("192.0.2.1".parse().expect("an address"), number),
        remote: "198.51.100.1:500".parse().expect("an address"),
        encapsulated: false,
        fvrf: ipsec::FrontVrf::GLOBAL,
    };
    let spi = left.initiate(path, now);
    exchange(left, right, now);
    // Dead peer detection asks sooner or later; the answer to IKE_AUTH need not be kept then.
    left.with(spi, now, |sa, ctx, actions| sa.probe(ctx, actions));
    exchange(left, right, now);
    left.sas.clear();
    for end in [left, right] {
        // The data plane's half is not counted here.
        end.children.clear();
        end.established.clear();
        end.events.clear();
        end.received.clear();
        end.owner.spis.clear();
        end.owner.ike_spis.clear();
    }
}

fn exchange(left: &mut End, right: &mut End, now: Instant) {
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
}

#[test]
fn an_established_ike_sa_is_small() {
    let mut left = End::new(1, snapshot(left_connection()));
    let mut right = End::new(2, snapshot(right_connection()));
    // Page in code and fill the allocator's pools before counting.
    for number in 1..=200 {
        connect(&mut left, &mut right, number);
    }
    let Some(before) = resident_octets() else {
        return;
    };
    for number in 201..=200 + PEERS {
        connect(&mut left, &mut right, number);
    }
    let after = resident_octets().expect("read before");
    assert_eq!(right.sas.len(), usize::from(PEERS) + 200);
    let each = after.saturating_sub(before) / usize::from(PEERS);
    println!("{each} octets an IKE SA");
    assert!(each <= BUDGET, "{each} octets an IKE SA");
}
