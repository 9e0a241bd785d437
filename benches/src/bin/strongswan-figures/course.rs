//! One contestant's run: everybody comes, everybody idles, all die.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use interop::network::Pair;
use interop::scratch::Scratch;
use palisade_benches::generator::Generator;
use palisade_benches::process::{cpu_time, resident_bytes};

use crate::contestant::{BOUND_S, Contestant};
use crate::figures::{Figures, Life};
use crate::options::{Kind, Options};
use crate::proof::Proof;

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
    let proof = Proof::new(options.auth)?;
    let contestant = Contestant::start(kind, &network.right, options, &proof)?;
    let pid = contestant.pid();
    let (start_bytes, start_cpu) = (resident_bytes(pid)?, cpu_time(pid)?);
    let generator = start_generator(&network, &scratch, &contestant, options, &proof)?;

    let settled = generator.progress_until(|progress| progress.settled)?;
    let setup_cpu = cpu_time(pid)? - start_cpu;
    let course = (!options.only_setups)
        .then(|| idle_and_die(&contestant, &generator, options))
        .transpose()?;
    let full_bytes = match &course {
        Some(course) => course.full_bytes,
        None => resident_bytes(pid)?,
    };
    let report = generator.finish()?;

    let died_ns = report.deaths.iter().map(|death| death.unix_ns).min();
    let life = course.map(|course| course.life(died_ns, u64::from(settled.up)));
    // The probes that came while others were still being set up are not theirs.
    let probe_us = life.as_ref().map_or(0.0, |life| life.probe_cpu_us);
    let setup_s = setup_cpu.as_secs_f64() - settled.probes_answered as f64 * probe_us / 1e6;
    let peers = f64::from(settled.up.max(1));
    Ok(Figures {
        program: kind.name(),
        peers: options.peers,
        established: settled.up,
        setup_cpu_us: setup_s * 1e6 / peers,
        setup_ms: [report.setup_ms.p50, report.setup_ms.p99],
        bytes_per_peer: full_bytes.saturating_sub(start_bytes) as f64 / peers,
        lost_alive: report.losses.values().sum(),
        life,
    })
}

/// What was read of a contestant from the last set-up to the last death.
struct Course {
    full_bytes: u64,
    steady: Duration,
    steady_cpu: Duration,
    probes: u64,
    death_cpu: Duration,
    answers: Vec<Answer>,
    slowest: Duration,
}

/// Everybody idles, then all die.
fn idle_and_die(
    contestant: &Contestant<'_>,
    generator: &Generator,
    options: &Options,
) -> Result<Course> {
    let settled_at = Instant::now();
    let (pid, steady) = (contestant.pid(), options.steady());
    generator.pass(INTERVAL, || Ok(()))?;
    let full_bytes = resident_bytes(pid)?;
    let before = generator.latest()?;
    let before_cpu = cpu_time(pid)?;
    generator.pass(steady, || Ok(()))?;
    let after = generator.latest()?;
    let steady_cpu = cpu_time(pid)? - before_cpu;

    let dying_in = death_delay(options).saturating_sub(settled_at.elapsed());
    generator.pass(dying_in, || Ok(()))?;
    let dying_cpu = cpu_time(pid)?;
    let (answers, slowest) = watch(contestant)?;
    Ok(Course {
        full_bytes,
        steady,
        steady_cpu,
        probes: after.probes_answered.saturating_sub(before.probes_answered),
        death_cpu: cpu_time(pid)? - dying_cpu,
        answers,
        slowest,
    })
}

impl Course {
    /// Its figures, for peers that died then.
    fn life(&self, died_ns: Option<u64>, peers: u64) -> Life {
        let gone = |left: u64| {
            let answer = self.answers.iter().find(|answer| answer.standing <= left)?;
            Some(answer.unix_ns.saturating_sub(died_ns?) as f64 / 1e9)
        };
        Life {
            probes_per_second: self.probes as f64 / self.steady.as_secs_f64(),
            probe_cpu_us: self.steady_cpu.as_secs_f64() * 1e6 / (self.probes as f64).max(1.0),
            half_gone_s: gone(peers / 2),
            all_gone_s: gone(0),
            bound_s: BOUND_S,
            death_cpu_s: self.death_cpu.as_secs_f64(),
            control_ms_max: self.slowest.as_secs_f64() * 1e3,
        }
    }
}

/// From the last set-up to the deaths.
fn death_delay(options: &Options) -> Duration {
    INTERVAL + options.steady() + PAUSE
}

fn start_generator(
    network: &Pair,
    scratch: &Scratch,
    contestant: &Contestant<'_>,
    options: &Options,
    proof: &Proof,
) -> Result<Generator> {
    let scenario = format!("[tunnel]\nike = \"{}\"\n{}", options.ike, proof.generator());
    let dead = if options.only_setups {
        0
    } else {
        options.peers
    };
    let program = std::path::absolute(options.programs.join("palisade-load"))?;
    let mut command = network.left.command(&program.display().to_string());
    command
        .args(["--target", "192.0.2.2:4500", "--source", "192.0.2.1"])
        .args(["--ports", "16", "--packets", "0", "--leave", "silent"])
        .args(["--duration", "86400", "--scenario"])
        .arg(scratch.write("scenario.toml", &scenario)?);
    for (name, value) in [
        ("--peers", f64::from(options.peers)),
        ("--rate", f64::from(options.rate)),
        ("--dead", f64::from(dead)),
        ("--dead-delay", death_delay(options).as_secs_f64()),
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
