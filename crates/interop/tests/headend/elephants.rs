//! One Child SA between two headends, carried by both workers of each.

use std::time::Duration;

use anyhow::Result;
use interop::iperf3;
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::traffic::Flow;
use interop::tunnel::Tunnel;
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT};

const SECTIONS: &str = "[headend]\nengine = \"epoll\"\nshards = 2\nelephant_packets = 500\n";
/// Flows whose order is watched, each way; by their ports they come to both queues.
const FLOWS: u16 = 6;

/// TCP makes the SA an elephant both ways. Meanwhile no datagram of a flow is lost, comes twice, or overtakes another.
#[test]
fn both_workers_carry_one_sa_and_flows_stay_in_order() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair()
        .child("replay_window", "8192")
        .child("peer_replay_window", "8192");
    let right = Palisade::start(&pair.right, &[tunnel.mirrored()], SECTIONS)?;
    let left = Palisade::start(
        &pair.left,
        &[tunnel.child("start_action", "\"start\"")],
        SECTIONS,
    )?;
    wait::until("a Child SA", PATIENCE, || {
        left.metric("palisade_child_sas", "")
            .is_ok_and(|children| children > 0.5)
    })?;
    let server = iperf3::Server::start(&pair.right, RIGHT)?;
    // Flows change queues once when the SA becomes an elephant; what is watched begins after that.
    let load = ["--bidir", "-P", "4", "-b", "20M"];
    server.load(&pair.left, LEFT, 2, &load)?;
    let flow = |number| {
        let interval = Duration::from_micros(500);
        let (from, to) = ((&pair.left, LEFT), (&pair.right, RIGHT));
        let there = Flow::start(from, to, 7000 + number, interval)?;
        let back = Flow::start(to, from, 8000 + number, interval)?;
        anyhow::Ok([there, back])
    };
    let flows = (0..FLOWS).map(flow).collect::<Result<Vec<_>>>()?;
    server.load(&pair.left, LEFT, 3, &load)?;
    for flow in flows.into_iter().flatten() {
        let report = flow.finish()?;
        report.complete(500)?;
        assert_eq!(report.overtaken, 0, "of {}", report.sent);
    }
    for (headend, name) in [(&left, "left"), (&right, "right")] {
        for direction in ["inbound", "outbound"] {
            let label = format!("direction=\"{direction}\"");
            let lent = headend.metric("palisade_elephant_packets_total", &label)?;
            let all = headend.metric("palisade_esp_packets_total", &label)?;
            println!("{name} {direction}: {lent} of {all}");
            assert!(lent > 500.0, "{name} {direction}: {lent} of {all}");
        }
        let strays = headend.metric("palisade_strays_total", "")?;
        println!("{name}: {strays} strays");
        assert_eq!(headend.metric("palisade_elephants_total", "")?, 1.0);
    }
    Ok(())
}
