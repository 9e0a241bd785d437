//! From one TUN device to the other, without sockets: super-packets are split and sealed, the frames
//! cross a network that loses, repeats and reorders, arrive in runs, are opened and coalesced, and the
//! kernel at the other end splits what it is given.

mod ends;
mod network;
mod packets;
mod tunnel;

use proptest::prelude::*;

use crate::network::{Fate, arrivals, fate, first_arrivals};
use crate::packets::{Spec, by_flow, spec, story};
use crate::tunnel::Tunnel;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each flow comes out as the network let it through: every packet that arrived, once, with the
    /// octets that it had, in the order of first arrival.
    #[test]
    fn every_flow_comes_out_as_it_went_in(
        specs in proptest::collection::vec(spec(), 1..300),
        fates in proptest::collection::vec(fate(), 1..60),
        reads in proptest::collection::vec(1_usize..70, 1..8),
    ) {
        pass(&specs, &fates, &reads)?;
    }

    /// With a network that keeps order and loses nothing, nothing at all is different.
    #[test]
    fn a_good_network_changes_nothing(specs in proptest::collection::vec(spec(), 1..300)) {
        pass(&specs, &[Fate::Arrives], &[64])?;
    }
}

fn pass(specs: &[Spec], fates: &[Fate], reads: &[usize]) -> Result<(), TestCaseError> {
    let sent = story(specs);
    let mut tunnel = Tunnel::new();
    let read = tunnel.read(&sent, reads);
    prop_assert_eq!(
        by_flow(&read),
        by_flow(&sent),
        "split gives back what was sent"
    );
    let frames = tunnel.seal(&read, reads);
    prop_assert_eq!(frames.len(), read.len());

    let order = arrivals(fates, frames.len());
    let arriving: Vec<_> = order.iter().map(|sent| frames[*sent].clone()).collect();
    let written = tunnel.open(&arriving, reads);

    let expected = first_arrivals(&order, &read);
    prop_assert_eq!(by_flow(&written), by_flow(&expected));
    Ok(())
}

/// What the property is about does happen: packets travel in runs on all three stretches.
#[test]
fn a_bulk_flow_travels_in_runs() {
    // TCP and UDP over IPv4 and IPv6.
    for flow in 0..4 {
        let sent = story(&[Spec::bulk(flow); 200]);
        let mut tunnel = Tunnel::new();
        let read = tunnel.read(&sent, &[40]);
        let frames = tunnel.seal(&read, &[40]);
        assert_eq!(by_flow(&tunnel.open(&frames, &[40])), by_flow(&sent));
        assert_eq!(tunnel.supers_read, 5, "flow {flow}");
        assert_eq!(tunnel.runs_received, 5, "flow {flow}");
        assert_eq!(tunnel.supers_written, 5, "flow {flow}");
    }
}
