//! TCP through a tunnel between two namespaces: Palisade at both ends, and strongSwan with
//! kernel-libipsec at both ends, in turn, so that both meet the same weather.
//!
//! ```sh
//! cargo build --release -p palisade -p palisade-interop
//! sudo PALISADE_PROGRAM=target/release/palisade target/release/tunnel-throughput [ROUNDS [SECONDS]]
//! ```
//!
//! Prints one JSON object with a row for each program and direction: the median and the range of
//! the rounds in Gbit/s, as iperf3 saw them at the receiving end.
#![forbid(unsafe_code)]

use std::time::Duration;

use anyhow::{Context, Result};
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::process::{Daemon, run};
use interop::scratch::Scratch;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::ping_all;
use interop::tunnel::Tunnel;
use interop::wait;
use serde_json::{Value, json};

const LEFT: &str = "10.1.0.1";
const RIGHT: &str = "10.2.0.1";

fn main() -> Result<()> {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u32>());
    let rounds = numbers.next().transpose()?.unwrap_or(5);
    let seconds = numbers.next().transpose()?.unwrap_or(5);
    interop::network::available()?;
    let mut measured: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for (program, figures) in [palisade, strongswan].into_iter().zip(&mut measured) {
            for (figure, direction) in program(seconds)?.into_iter().zip(figures) {
                direction.push(figure);
            }
        }
    }
    let mut rows = Vec::new();
    for (program, figures) in ["palisade", "strongswan"].iter().zip(&mut measured) {
        for (direction, runs) in ["to-responder", "to-initiator"].iter().zip(figures) {
            rows.push(row(program, direction, runs));
        }
    }
    println!(
        "{:#}",
        json!({ "test": "tcp, one stream, aes256gcm16", "rows": rows })
    );
    Ok(())
}

fn row(program: &str, direction: &str, runs: &mut [f64]) -> Value {
    runs.sort_by(f64::total_cmp);
    json!({
        "program": program,
        "direction": direction,
        "gbps_median": runs.get(runs.len() / 2),
        "gbps_min": runs.first(),
        "gbps_max": runs.last(),
        "runs": runs.len(),
    })
}

fn palisade(seconds: u32) -> Result<[f64; 2]> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let _responder = Palisade::start(&pair.right, &[tunnel.mirrored()], "")?;
    let initiator = Palisade::start(&pair.left, &[tunnel], "")?;
    initiator.control(&["initiate", "--child", "net"])?;
    both_directions(&pair, seconds)
}

fn strongswan(seconds: u32) -> Result<[f64; 2]> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let _responder = StrongSwan::start(&pair.right, Settings::default(), &[tunnel.mirrored()], "")?;
    let initiator = StrongSwan::start(&pair.left, Settings::default(), &[tunnel], "")?;
    initiator.initiate("net")?;
    both_directions(&pair, seconds)
}

/// One stream in each direction, in Gbit/s.
fn both_directions(pair: &Pair, seconds: u32) -> Result<[f64; 2]> {
    wait::until("packets to pass", Duration::from_secs(10), || {
        ping_all(&pair.left, LEFT, RIGHT, 1).is_ok()
    })?;
    let scratch = Scratch::new("iperf3")?;
    let mut server = pair.right.command("iperf3");
    server.args(["-s", "-B", RIGHT, "--forceflush"]);
    let server = Daemon::start("iperf3", &mut server, &scratch.path().join("log"))?;
    wait::until("iperf3 to listen", Duration::from_secs(5), || {
        server.log().contains("Server listening")
    })?;
    Ok([stream(pair, seconds, &[])?, stream(pair, seconds, &["-R"])?])
}

fn stream(pair: &Pair, seconds: u32, direction: &[&str]) -> Result<f64> {
    let seconds_text = seconds.to_string();
    let client = [
        "netns",
        "exec",
        pair.left.name(),
        "iperf3",
        "-c",
        RIGHT,
        "-B",
        LEFT,
        "-J",
        "-t",
    ];
    let client = [&client[..], &[seconds_text.as_str()], direction].concat();
    let limit = Duration::from_secs(u64::from(seconds) + 20);
    let report: Value = serde_json::from_str(&run("ip", &client, limit)?)?;
    let received = report
        .pointer("/end/sum_received/bits_per_second")
        .and_then(Value::as_f64)
        .with_context(|| report.to_string())?;
    Ok(received / 1e9)
}
