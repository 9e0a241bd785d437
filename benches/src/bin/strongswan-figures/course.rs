//! One contestant's run: everybody comes, everybody idles, all die.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use interop::network::Pair;
use interop::scratch::Scratch;
use palisade_benches::generator::Generator;
use palisade_benches::process::{cpu_time, resident_bytes};

use crate::contestant::{BOUND_S, Contestant, SECRET};
use crate::figures::Figures;
use crate::options::{Kind, Options};

/// Time until every peer has its place in the course of probes.
const INTERVAL: Duration = Duration::from_secs(10);
/// Time between the end of the measurement of probes and the deaths.
const PAUSE: Duration = Duration::from_secs(2);
/// Time after the bound in which a contestant may still be late.
const GRACE: Duration = Duration::from_secs(25);
/// Time between two questions for the number of peers.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// What a contestant answered, and when.
struct Answer {
    unix_ns: u64,
    standing: u64,
}

pub(crate) fn run(kind: Kind, options: &Options) -> Result<Figures> {
    interop::process::keep_logs_back();
    let network = Pair::new()?;
    let scratch = Scratch::new("beside")?;
    let contestant = Contestant::start(kind, &network.right, options)?;
    let steady = Duration::from_secs(u64::from(options.steady));
    let pid = contestant.pid();
    let (start_bytes, start_cpu) = (resident_bytes(pid)?, cpu_time(pid)?);
    let delay = INTERVAL + steady + PAUSE;
    let generator = start_generator(&network, &scratch, &contestant, options, delay)?;

    let settled = generator.progress_until(|progress| progress.settled)?;
    let settled_at = Instant::now();
    let setup_cpu = cpu_time(pid)? - start_cpu;
    generator.pass(INTERVAL, || Ok(()))?;
    let full_bytes = resident_bytes(pid)?;
    let before = generator.latest()?;
    let before_cpu = cpu_time(pid)?;
    generator.pass(steady, || Ok(()))?;
    let after = generator.latest()?;
    let steady_cpu = cpu_time(pid)? - before_cpu;

    generator.pass(delay.saturating_sub(settled_at.elapsed()), || Ok(()))?;
    let dying_cpu = cpu_time(pid)?;
    let (answers, slowest) = watch(&contestant)?;
    let death_cpu = cpu_time(pid)? - dying_cpu;
    let report = generator.finish()?;

    let probes = after.probes_answered.saturating_sub(before.probes_answered);
    let probe_us = steady_cpu.as_secs_f64() * 1e6 / (probes as f64).max(1.0);
    // The probes that came while others were still being set up are not theirs.
    let setup_s = setup_cpu.as_secs_f64() - settled.probes_answered as f64 * probe_us / 1e6;
    let peers = f64::from(settled.up.max(1));
    let died_ns = report.deaths.iter().map(|death| death.unix_ns).min();
    let gone = |left: u64| {
        let answer = answers.iter().find(|answer| answer.standing <= left)?;
        Some(answer.unix_ns.saturating_sub(died_ns?) as f64 / 1e9)
    };
    Ok(Figures {
        program: kind.name(),
        peers: options.peers,
        established: settled.up,
        setup_cpu_us: setup_s * 1e6 / peers,
        setup_ms: [report.setup_ms.p50, report.setup_ms.p99],
        bytes_per_peer: full_bytes.saturating_sub(start_bytes) as f64 / peers,
        probes_per_second: probes as f64 / f64::from(options.steady.max(1)),
        probe_cpu_us: probe_us,
        half_gone_s: gone(u64::from(settled.up) / 2),
        all_gone_s: gone(0),
        bound_s: BOUND_S,
        death_cpu_s: death_cpu.as_secs_f64(),
        control_ms_max: slowest.as_secs_f64() * 1e3,
        lost_alive: report.losses.values().sum(),
    })
}

fn start_generator(
    network: &Pair,
    scratch: &Scratch,
    contestant: &Contestant<'_>,
    options: &Options,
    delay: Duration,
) -> Result<Generator> {
    let program = std::path::absolute(options.programs.join("palisade-load"))?;
    let mut command = network.left.command(&program.display().to_string());
    command
        .args(["--target", "192.0.2.2:4500", "--source", "192.0.2.1"])
        .args(["--ports", "16", "--packets", "0", "--leave", "silent"])
        .args(["--duration", "86400", "--psk-file"])
        .arg(scratch.write("psk", SECRET)?);
    for (name, value) in [
        ("--peers", f64::from(options.peers)),
        ("--rate", f64::from(options.rate)),
        ("--dead", f64::from(options.peers)),
        ("--dead-delay", delay.as_secs_f64()),
    ] {
        command.arg(name).arg(value.to_string());
    }
    if let Some(socket) = contestant.events() {
        command.arg("--events").arg(socket.as_ref());
    }
    Generator::start(&mut command)
}

/// Asks for the number of peers until there are none, and tells the longest time of an answer. One
/// that fails counts with the time after which it did.
fn watch(contestant: &Contestant<'_>) -> Result<(Vec<Answer>, Duration)> {
    let end = Instant::now() + Duration::from_secs_f64(BOUND_S) + GRACE;
    let (mut answers, mut slowest) = (Vec::new(), Duration::ZERO);
    while Instant::now() < end {
        let asked = Instant::now();
        let answer = contestant.standing();
        slowest = slowest.max(asked.elapsed());
        if let Ok(standing) = answer {
            let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
            answers.push(Answer {
                unix_ns: u64::try_from(unix_ns)?,
                standing,
            });
            if standing == 0 {
                break;
            }
        }
        std::thread::sleep(ASK_EVERY.saturating_sub(asked.elapsed()));
    }
    Ok((answers, slowest))
}
