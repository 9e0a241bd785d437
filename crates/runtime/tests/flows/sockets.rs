//! The same over real devices and sockets, with each engine and with offloads and without: packets are
//! written to a device, forwarded by the kernel to the gateway's, read in super-packets, split and
//! sealed; the frames are lost, repeated and reordered on their way into the outer sockets; at the other gateway
//! they arrive in runs, are opened, coalesced and written to its device, from which the kernel forwards them to
//! a last one that knows no super-packets.

mod ends;
mod forwarded;
mod journey;
mod network;
mod packets;

use std::cell::RefCell;

use netio::{EngineKind, Offloads};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::ends::in_parts;
use crate::forwarded::a_hop_further;
use crate::journey::Journey;
use crate::network::{arrivals, fate, first_arrivals};
use crate::packets::{Spec, by_flow, spec, story};

const CASES: u32 = 20;
/// All, none, and without each that changes how packets travel.
const OFFLOADS: [Offloads; 7] = [
    Offloads::ALL,
    Offloads::NONE,
    Offloads {
        udp_send: false,
        ..Offloads::ALL
    },
    Offloads {
        udp_receive: false,
        ..Offloads::ALL
    },
    Offloads {
        tun_tcp: false,
        ..Offloads::ALL
    },
    Offloads {
        tun_udp: false,
        ..Offloads::ALL
    },
    Offloads {
        tun_coalescing: false,
        ..Offloads::ALL
    },
];

#[test]
fn every_flow_comes_out_as_it_went_in_with_epoll() {
    for offload in OFFLOADS {
        every_flow_comes_out(EngineKind::Epoll, offload);
    }
}

#[test]
fn every_flow_comes_out_as_it_went_in_with_io_uring() {
    for offload in OFFLOADS {
        every_flow_comes_out(EngineKind::IoUring, offload);
    }
}

fn every_flow_comes_out(kind: EngineKind, offload: Offloads) {
    // The end of a ring may end a later wait of its thread: each has its own.
    let outcome = std::thread::spawn(move || {
        let mut journey = Journey::new(kind, offload);
        bulk_flows_travel_in_runs(&mut journey, offload);
        let journey = RefCell::new(journey);
        let mut runner = TestRunner::new(ProptestConfig {
            cases: CASES,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let input = (
            proptest::collection::vec(spec(), 1..200),
            proptest::collection::vec(fate(), 1..60),
            proptest::collection::vec(1_usize..70, 1..8),
        );
        runner.run(&input, |(specs, fates, reads)| {
            let sent = story(&specs);
            let mut journey = journey.borrow_mut();
            let read = journey.read(&sent);
            prop_assert_eq!(by_flow(&read), by_flow(&a_hop_further(&sent)));
            let frames = in_parts(&read, &reads, |part| journey.ends.seal(part));
            let order = arrivals(&fates, frames.len());
            let due = a_hop_further(&first_arrivals(&order, &read));
            let arriving: Vec<_> = order.iter().map(|sent| frames[*sent].clone()).collect();
            let written = journey.cross(&arriving, due.len());
            prop_assert_eq!(by_flow(&written), by_flow(&due));
            Ok(())
        })
    });
    let outcome = outcome.join().expect("no panic");
    outcome.unwrap_or_else(|error| panic!("{kind:?} {offload:?}: {error}"));
}

/// What the property is about does happen where it is wanted, on all four stretches.
fn bulk_flows_travel_in_runs(journey: &mut Journey, offload: Offloads) {
    // TCP and UDP over IPv4 and IPv6, to all peers.
    for flow in 0..4 {
        let sent = story(&[Spec::bulk(flow); 100]);
        let read = journey.read(&sent);
        let frames = journey.ends.seal(&read);
        let written = journey.cross(&frames, frames.len());
        let due = a_hop_further(&a_hop_further(&sent));
        assert_eq!(by_flow(&written), by_flow(&due), "flow {flow}");
    }
    let (left, right) = journey.counters();
    let told = format!("{offload:?}: {left:?} {right:?}");
    let supers_read = offload.tun_tcp || offload.tun_udp;
    assert_eq!(left.tun_rx_runs > 0, supers_read, "{told}");
    assert_eq!(left.tx_runs > 0, offload.udp_send, "{told}");
    // On loopback a run arrives as it left.
    let runs_received = offload.udp_send && offload.udp_receive;
    assert_eq!(right.rx_runs > 0, runs_received, "{told}");
    assert_eq!(right.tun_tx_runs > 0, offload.tun_coalescing, "{told}");
    assert_eq!(right.tun_tx_runs_refused, 0, "{told}");
}
