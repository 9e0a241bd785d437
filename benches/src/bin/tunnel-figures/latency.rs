//! What a headend adds to the time that a packet takes, at a tenth and at four fifths of what it can carry:
//! the peer generator's packets go through tunnels to the headend's echo and back.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use palisade_load::report::Report;
use serde::{Deserialize, Serialize};

use crate::options::Options;

/// So many that none sends more often than the generator's clock ticks.
const PEERS: u32 = 2_000;
/// An inner packet of 1,400 octets.
const PAYLOAD_LEN: u32 = 1_372;
/// Packets a second that are offered first.
const FIRST_RATE: f64 = 20_000.0;
const GROWTH: f64 = 1.25;
const STEPS_MAX: u32 = 20;
/// Share of the packets that must come back for a rate to count as carried.
const CARRIED: f64 = 0.99;
/// Seconds of set-up and settling before rates are read.
const SETTLING: usize = 3;

/// The time from sending to the verified echo at one rate. All of the generator's own work, both crossings of
/// loopback and both passes through the headend are in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct At {
    /// Share of the highest rate that was carried.
    share: f64,
    /// Packets a second, each way.
    packets_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    lost: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Packets a second, each way, of which all came back.
    max_packets_per_second: f64,
    at: Vec<At>,
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = self.max_packets_per_second;
        writeln!(f, "latency: at most {max:.0} packets a second each way")?;
        for at in &self.at {
            writeln!(
                f,
                "latency: at {:.0} %, {:.0} packets a second: median {:.0} us, p99 {:.0} us, {} lost",
                at.share * 100.0,
                at.packets_per_second,
                at.p50_us,
                at.p99_us,
                at.lost
            )?;
        }
        Ok(())
    }
}

pub(crate) fn measure(options: &Options) -> Result<Latency> {
    let seconds = options.seconds() + SETTLING as u32;
    let mut max = 0.0;
    let mut rate = FIRST_RATE;
    for _ in 0..STEPS_MAX {
        let report = run(options, rate, seconds)?;
        let [sent, verified] = steady(&report);
        eprintln!("  offered {rate:.0}, sent {sent:.0}, back {verified:.0} packets a second");
        if verified < sent * CARRIED || sent < rate * CARRIED {
            break;
        }
        max = verified;
        rate *= GROWTH;
    }
    ensure!(
        max > 0.0,
        "not even {FIRST_RATE} packets a second came back"
    );
    let at = |share: f64| -> Result<At> {
        let report = run(options, max * share, seconds)?;
        let echo = &report.traffic.echo_ms;
        Ok(At {
            share,
            packets_per_second: steady(&report)[1],
            p50_us: echo.p50 * 1e3,
            p99_us: echo.p99 * 1e3,
            lost: report.traffic.sent.saturating_sub(report.traffic.verified),
        })
    };
    Ok(Latency {
        max_packets_per_second: max,
        at: vec![at(0.1)?, at(0.8)?],
    })
}

/// One run of the generator, which starts the headend.
fn run(options: &Options, rate: f64, seconds: u32) -> Result<Report> {
    let output = Command::new(options.programs.join("palisade-load"))
        .arg("--headend")
        .arg(options.programs.join("palisade"))
        .args(["--peers", &PEERS.to_string(), "--rate", "2000"])
        .args(["--packets", &(rate / f64::from(PEERS)).to_string()])
        .args(["--payload", &PAYLOAD_LEN.to_string()])
        .args(["--duration", &seconds.to_string(), "--threads", "1"])
        .args(["--progress", "none", "--report", "json"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run palisade-load: build it with `cargo build --release`")?;
    serde_json::from_slice(&output.stdout).context("the generator's report")
}

/// Packets sent and verified a second: the medians of the seconds after settling.
fn steady(report: &Report) -> [f64; 2] {
    let samples = report.series.get(SETTLING..).unwrap_or_default();
    let median = |figure: fn(&palisade_load::report::Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    [
        median(|sample| sample.sent_per_second),
        median(|sample| sample.verified_per_second),
    ]
}

#[cfg(test)]
mod tests {
    use palisade_load::report::Sample;

    use super::*;

    #[test]
    fn rates_are_read_when_they_have_settled() {
        let sample = |rate: f64| Sample {
            sent_per_second: rate,
            verified_per_second: rate - 1.0,
            ..Sample::default()
        };
        let report = Report {
            series: [1.0, 2.0, 3.0, 500.0, 700.0, 600.0].map(sample).to_vec(),
            ..Report::default()
        };
        assert_eq!(steady(&report), [600.0, 599.0]);
        assert_eq!(steady(&Report::default()), [0.0, 0.0]);
    }
}
