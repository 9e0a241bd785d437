//! TCP through the tunnel: super-packets, segmentation and checksums must all be right, in both
//! directions, on both engines, with and without the offloads.

use anyhow::{Context, Result};
use interop::iperf3;
use interop::network::Pair;
use interop::tunnel::Tunnel;

use crate::stage::{LEFT, RIGHT, Stage};

/// A broken offload gives a few kilobits; an unoptimised build on a busy machine still far more.
const BITS_PER_SECOND_MIN: f64 = 5e6;

fn tcp_passes(engine: &str, offload: bool) -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let sections = format!("[headend]\nengine = \"{engine}\"\noffload = {offload}\n");
    let stage = Stage::with_sections(&pair, &tunnel, &tunnel.mirrored(), &sections)?;
    stage.up()?;
    let server = iperf3::Server::start(&pair.right, RIGHT)?;
    for direction in [&[][..], &["-R"]] {
        let report = server.load(&pair.left, LEFT, 2, direction)?;
        let received = iperf3::tcp_received(&report).with_context(|| report.to_string())?;
        println!(
            "{engine} offload {offload} {direction:?}: {:.0} Mbit/s",
            received / 1e6
        );
        assert!(
            received > BITS_PER_SECOND_MIN,
            "{direction:?}: {received} bit/s"
        );
    }
    for reason in ["integrity", "malformed"] {
        let label = format!("reason=\"{reason}\"");
        assert!(
            stage.headend.metric("palisade_esp_drops_total", &label)? < 0.5,
            "{reason}"
        );
    }
    Ok(())
}

#[test]
fn tcp_on_epoll() -> Result<()> {
    tcp_passes("epoll", true)
}

#[test]
fn tcp_on_epoll_without_offloads() -> Result<()> {
    tcp_passes("epoll", false)
}

#[test]
fn tcp_on_io_uring() -> Result<()> {
    tcp_passes("io_uring", true)
}

#[test]
fn tcp_on_io_uring_without_offloads() -> Result<()> {
    tcp_passes("io_uring", false)
}

/// Inner packets of the device's full size pass, larger ones arrive in fragments.
#[test]
fn long_packets_pass() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    for length in ["1372", "3000", "8000"] {
        for (from, source, destination) in [(&pair.left, LEFT, RIGHT), (&pair.right, RIGHT, LEFT)] {
            let ping = [
                "-n",
                "-q",
                "-c",
                "3",
                "-i",
                "0.1",
                "-W",
                "2",
                "-s",
                length,
                "-I",
                source,
                destination,
            ];
            from.run("ping", &ping)
                .with_context(|| format!("{length} octets from {source}"))?;
        }
    }
    Ok(())
}
