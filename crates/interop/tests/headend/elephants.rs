//! One Child SA between two headends, carried by both workers of each.

use std::time::Duration;

use anyhow::{Context, Result};
use interop::iperf3;
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::traffic::{Flow, FlowReport};
use interop::tunnel::Tunnel;
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT};

const SECTIONS: &str =
    "[headend]\nengine = \"epoll\"\nshards = 2\nelephants = true\nelephant_packets = 500\n";
/// Flows whose order is watched, each way; by their ports they come to both queues.
const FLOWS: u16 = 6;
const FLOW_INTERVAL: Duration = Duration::from_millis(1);
/// Fewer prove nothing.
const FLOW_PACKETS_MIN: u64 = 500;
/// Packets that the worker which does not own the SA has to carry, each way at each end.
const LENT_MIN: f64 = 500.0;

/// Each tells the other's window, so that both workers may seal as well.
fn with_known_windows(tunnel: Tunnel) -> Tunnel {
    tunnel
        .child("replay_window", "8192")
        .child("peer_replay_window", "8192")
}

/// TCP makes the SA an elephant both ways. No datagram of a flow beside it is lost, comes twice, or overtakes
/// another while it is one.
#[test]
fn both_workers_carry_one_sa_and_flows_stay_in_order() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = with_known_windows(Tunnel::of_pair());
    let mirrored = with_known_windows(tunnel.mirrored());
    let right = Palisade::start(&pair.right, &[mirrored], SECTIONS)?;
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
        let (from, to) = ((&pair.left, LEFT), (&pair.right, RIGHT));
        let there = Flow::start(from, to, 7000 + number, FLOW_INTERVAL)?;
        let back = Flow::start(to, from, 8000 + number, FLOW_INTERVAL)?;
        anyhow::Ok([there, back])
    };
    let flows = (0..FLOWS).map(flow).collect::<Result<Vec<_>>>()?;
    server.load(&pair.left, LEFT, 3, &load)?;
    let reports = Flow::finish_all(flows.into_iter().flatten().collect())?;
    let dropped = || format!("left:\n{}\nright:\n{}", left.drops(), right.drops());
    for report in &reports {
        in_order(report).with_context(dropped)?;
    }
    for (headend, name) in [(&left, "left"), (&right, "right")] {
        for direction in ["inbound", "outbound"] {
            let label = format!("direction=\"{direction}\"");
            let lent = headend.metric("palisade_elephant_packets_total", &label)?;
            let all = headend.metric("palisade_esp_packets_total", &label)?;
            println!("{name} {direction}: {lent} of {all}");
            assert!(lent > LENT_MIN, "{name} {direction}: {lent} of {all}");
        }
        assert_eq!(headend.metric("palisade_elephants_total", "")?, 1.0);
        let late = headend.metric("palisade_shard_drops_total", "relay_full")?;
        assert_eq!(late, 0.0, "{name}: {}", headend.drops());
    }
    Ok(())
}

fn in_order(report: &FlowReport) -> Result<()> {
    report.complete(FLOW_PACKETS_MIN)?;
    anyhow::ensure!(
        report.overtaken == 0,
        "{} of {} overtook others",
        report.overtaken,
        report.sent
    );
    Ok(())
}
