//! Where the processor time of a headend goes, function by function, as flame graphs.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use inferno::collapse::Collapse;
use inferno::collapse::perf::Folder;
use inferno::flamegraph;
use interop::iperf3::Server;
use interop::network::Pair;
use interop::scratch::Scratch;

use crate::contestant::Contestant;
use crate::course::await_packets;
use crate::options::Options;
use crate::row::Sample;
use crate::trial::{RIGHT, Trial};

/// Samples a second; no divisor of the kernel's tick.
const FREQUENCY: &str = "997";
/// Octets of stack kept with a sample, for unwinding without frame pointers.
const CALL_GRAPH: &str = "dwarf,16384";
/// What is recorded at most before the load has come to speed, and what is left out after.
const MARGIN: Duration = Duration::from_millis(700);

/// Records both ends of Palisade's tunnel while one TCP stream passes, and draws one graph for each.
pub(crate) fn draw(options: &Options) -> Result<()> {
    let [contestant, ..] = Contestant::ALL;
    let [trial, ..] = Trial::ALL;
    let pair = Pair::new()?;
    let ends = contestant.connect(&pair, options)?;
    await_packets(&pair)?;
    let server = Server::start(&pair.right, RIGHT)?;
    let scratch = Scratch::new("flame")?;
    let [sending, receiving] = ["sending", "receiving"].map(|end| scratch.path().join(end));
    let seconds = options.seconds().max(2);
    let sample = std::thread::scope(|scope| {
        let recording = scope.spawn(|| {
            std::thread::sleep(MARGIN);
            let time = Duration::from_secs(u64::from(seconds)).saturating_sub(MARGIN * 2);
            let [a, b] = ends.pids();
            let recorders = [record(a, time, &sending)?, record(b, time, &receiving)?];
            recorders.into_iter().try_for_each(finish)
        });
        let sample = trial.run(&pair, &server, ends.pids(), seconds);
        match recording.join() {
            Ok(recorded) => recorded.and(sample),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    fs::create_dir_all(&options.out)?;
    let Sample {
        kpps, cpu_a, cpu_b, ..
    } = sample;
    for (end, data, cores) in [
        ("sending", &sending, cpu_a),
        ("receiving", &receiving, cpu_b),
    ] {
        let title = format!(
            "The {end} headend, one TCP stream, {}: {:.0} ns of processor time a packet",
            contestant.cipher.name(),
            cores * 1e6 / kpps
        );
        let path = options.out.join(format!("tunnel-{end}.svg"));
        render(&title, &folded(data)?, &path)?;
        eprintln!("{}: {title}", path.display());
    }
    Ok(())
}

fn record(pid: u32, time: Duration, into: &Path) -> Result<Child> {
    Command::new("perf")
        .args(["record", "-q", "-F", FREQUENCY, "--call-graph", CALL_GRAPH])
        .args(["-p", &pid.to_string(), "-o"])
        .arg(into)
        .args(["--", "sleep", &time.as_secs_f64().to_string()])
        .stdout(Stdio::null())
        .spawn()
        .context("cannot run perf, of Debian's package linux-perf")
}

fn finish(mut recorder: Child) -> Result<()> {
    let status = recorder.wait()?;
    ensure!(status.success(), "perf record: {status}");
    Ok(())
}

/// The stacks of a recording, a line each, with how often they were seen.
fn folded(data: &Path) -> Result<String> {
    let mut script = Command::new("perf")
        .args(["script", "--no-inline", "-i"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = script.stdout.take().context("perf's output is a pipe")?;
    let mut folded = Vec::new();
    Folder::default().collapse(BufReader::new(output), &mut folded)?;
    finish(script)?;
    Ok(without_hashes(&String::from_utf8(folded)?))
}

fn render(title: &str, folded: &str, path: &Path) -> Result<()> {
    let mut options = flamegraph::Options::default();
    title.clone_into(&mut options.title);
    "samples".clone_into(&mut options.count_name);
    options.hash = true;
    let file = File::create(path).with_context(|| path.display().to_string())?;
    flamegraph::from_lines(&mut options, folded.lines(), BufWriter::new(file))?;
    Ok(())
}

/// Rust's symbols end in a hash that differs from build to build.
fn without_hashes(folded: &str) -> String {
    folded.lines().fold(String::new(), |mut text, line| {
        let (stack, count) = line.rsplit_once(' ').unwrap_or((line, ""));
        let frames: Vec<&str> = stack.split(';').map(without_hash).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {count}", frames.join(";"));
        text
    })
}

fn without_hash(frame: &str) -> &str {
    match frame.rsplit_once("::h") {
        Some((name, hash))
            if hash.len() == 16 && hash.bytes().all(|octet| octet.is_ascii_hexdigit()) =>
        {
            name
        }
        _ => frame,
    }
}

#[cfg(test)]
mod tests {
    use super::without_hashes;

    #[test]
    fn frames_lose_their_hash_and_nothing_else() {
        assert_eq!(
            without_hashes("palisade;esp::seal::h0123456789abcdef;std::hash;x::hidden 12\n"),
            "palisade;esp::seal;std::hash;x::hidden 12\n"
        );
    }
}
