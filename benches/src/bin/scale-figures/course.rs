//! The course of a measurement: everybody comes, everybody idles, some die.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use palisade_benches::process::{cpu_time, resident_bytes};

use crate::figures::Figures;
use crate::generator::start_generator;
use crate::headend::Headend;
use crate::metrics::{self, Scrape, quantile};
use crate::options::Options;

/// The headend's policy: the defaults, periodic.
const INTERVAL: Duration = Duration::from_secs(10);
/// What a verdict may be late by: two ticks of the wheel.
const SLACK: Duration = Duration::from_millis(16);
/// Time between the end of the measurement of probes and the deaths.
const PAUSE: Duration = Duration::from_secs(2);

/// What has been used up by a certain moment.
struct Account {
    cpu: Duration,
    scrape: Scrape,
    at: Instant,
}

impl Account {
    fn take(headend: &Headend) -> Result<Self> {
        Ok(Self {
            scrape: metrics::scrape(headend.metrics)?,
            cpu: cpu_time(headend.pid())?,
            at: Instant::now(),
        })
    }

    /// First tries alone: those after them are what a death costs.
    fn probes(&self) -> f64 {
        (self.scrape).sum("palisade_dpd_probes_total", "try=\"first\"")
    }

    /// Microseconds of processor time since `before`.
    fn cpu_us_since(&self, before: &Self) -> f64 {
        (self.cpu - before.cpu).as_secs_f64() * 1e6
    }
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let headend = Headend::start(options)?;
    let headend_start = headend.start_time;
    let bound = dpd::DpdPolicy {
        mode: dpd::Mode::Periodic,
        interval: INTERVAL,
        ..dpd::DpdPolicy::default()
    }
    .detection_bound()
    .filter(|_| !options.on_demand)
    .map(|bound| bound + SLACK);
    let steady = Duration::from_secs(u64::from(options.steady));
    let start = Account::take(&headend)?;
    let start_bytes = resident_bytes(headend.pid())?;
    let generator = start_generator(options, &headend, INTERVAL + steady + PAUSE, bound)?;

    let mut told = Instant::now();
    let settled = generator.progress_until(|progress| {
        if told.elapsed() >= Duration::from_secs(10) {
            told = Instant::now();
            let (up, peers, rate) = (progress.up, progress.peers, progress.setup_per_second);
            eprintln!("{up} of {peers} peers are up, {rate:.0} a second");
        }
        progress.settled
    })?;
    ensure!(
        settled.up == options.peers,
        "{} of {} peers are up",
        settled.up,
        options.peers
    );
    let up = Account::take(&headend)?;
    // One interval, until every peer has its place in the course of probes.
    eprintln!("all are up; waiting for an interval, then {steady:?} of probes");
    generator.pass(INTERVAL, || Ok(()))?;
    let full_bytes = resident_bytes(headend.pid())?;
    let before = Account::take(&headend)?;
    generator.pass(steady, || Ok(()))?;
    let after = Account::take(&headend)?;

    let generator_bytes = resident_bytes(generator.pid())?;
    let dead = options.dead();
    eprintln!("{dead} peers fall silent soon; waiting for the verdicts");
    let mut control_max = Duration::ZERO;
    let mut ask = || {
        control_max = control_max.max(status_latency(&headend.control_socket())?);
        Ok(())
    };
    let watched = PAUSE + bound.unwrap_or_default() + PAUSE;
    generator.pass(watched, &mut ask)?;
    let end = Account::take(&headend)?;
    let (list_time, listed) = headend.list()?;
    ensure!(listed > 0, "no peer is listed");
    let reload_time = headend.reload()?;
    let report = generator.finish()?;
    headend.stop()?;

    let probes = after.probes() - before.probes();
    let steady_cpu_us = after.cpu_us_since(&before);
    let cpu_us_per_probe = if probes > 0.0 {
        steady_cpu_us / probes
    } else {
        0.0
    };
    let lateness = after
        .scrape
        .buckets_since(&before.scrape, "palisade_dpd_lateness_seconds");
    let idle = |from: &Account, to: &Account| (to.probes() - from.probes()) * cpu_us_per_probe;
    let peers = f64::from(options.peers);
    let score = report.score.clone().unwrap_or_default();
    Ok(Figures {
        peers: options.peers,
        established: report.established,
        shards: options.shards,
        setup_per_second: report.setup_per_second,
        setup_ms: [
            report.setup_ms.p50,
            report.setup_ms.p99,
            report.setup_ms.max,
        ],
        setup_cpu_us: (up.cpu_us_since(&start) - idle(&start, &up)) / peers,
        rss_bytes_per_peer: full_bytes.saturating_sub(start_bytes) as f64 / peers,
        probes_per_second: probes / (after.at - before.at).as_secs_f64(),
        cpu_us_per_probe,
        idle_cpu_percent: steady_cpu_us / (after.at - before.at).as_secs_f64() / 1e4,
        timers: after.scrape.sum("palisade_shard_timers", ""),
        lateness_ms: [0.5, 0.99, 0.999, 1.0].map(|share| quantile(&lateness, share)),
        scrape_ms: after.scrape.took.as_secs_f64() * 1e3,
        death_cpu_s: (end.cpu_us_since(&after) - idle(&after, &end)).max(0.0) / 1e6,
        control_ms_max: control_max.as_secs_f64() * 1e3,
        start_s: headend_start.as_secs_f64(),
        list_s: list_time.as_secs_f64(),
        reload_s: reload_time.as_secs_f64(),
        score,
        losses: report.losses.values().sum(),
        generator_rss_bytes: generator_bytes,
    })
}

/// How long the control socket takes to say how the service is.
fn status_latency(socket: &Path) -> Result<Duration> {
    let start = Instant::now();
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(
        answer.starts_with(b"HTTP/1.0 200"),
        "the status is not told"
    );
    Ok(start.elapsed())
}
