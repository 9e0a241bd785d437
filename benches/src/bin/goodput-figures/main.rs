//! Goodput against offered load: `cargo xtask bench goodput`.
//!
//! A fresh headend for each point; the peer generator has new peers come at a share of what the headend can set up at most, and
//! counts those that stand by the end of the arrivals. A headend that collapses under overload shows it as a curve that falls.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use palisade_load::report::Report;
use plot::{Curve, Plot};
use serde::Serialize;

/// Offered load, in hundredths of the capacity.
const SHARES: [u32; 8] = [50, 75, 100, 125, 150, 200, 250, 300];
/// Seconds for which peers come.
const ARRIVALS_S: f64 = 8.0;
/// Seconds after the arrivals, in which nothing is counted.
const AFTER_S: f64 = 1.0;
/// Peers that come at one instant to find the capacity.
const STORM: u32 = 20_000;

/// How many set-ups a headend finishes when it is offered more than it can do.
#[derive(Parser)]
struct Options {
    /// Set-ups per second that count as all the headend can do; measured first unless given.
    #[arg(long)]
    capacity: Option<f64>,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Write the curve into this file (SVG), too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Folder of the programs `palisade` and `palisade-load`.
    #[arg(long, value_name = "FOLDER", default_value = "target/release")]
    programs: PathBuf,
}

/// What came of one offered load.
#[derive(Serialize)]
struct Point {
    offered_per_second: f64,
    setups_per_second: f64,
    setup_p50_ms: f64,
    setup_p99_ms: f64,
    headend_cpu_s: f64,
}

#[derive(Serialize)]
struct Figures {
    capacity_per_second: f64,
    points: Vec<Point>,
}

fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("goodput-figures: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let capacity = match options.capacity {
        Some(capacity) => capacity,
        None => run(options, STORM, 30.0, &["shape = \"storm\""])?.setup_per_second,
    };
    ensure!(capacity > 0.0, "nobody was set up");
    let mut points = Vec::new();
    for share in SHARES {
        let point = offer(options, capacity * f64::from(share) / 100.0)?;
        eprintln!(
            "{:.0} offered, {:.0} set up per second",
            point.offered_per_second, point.setups_per_second
        );
        points.push(point);
    }
    let figures = Figures {
        capacity_per_second: capacity,
        points,
    };
    if let Some(file) = &options.svg {
        std::fs::write(file, picture(&figures))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    match options.json {
        true => println!("{}", serde_json::to_string(&figures)?),
        false => print!("{}", table(&figures)),
    }
    Ok(())
}

fn offer(options: &Options, per_second: f64) -> Result<Point> {
    let peers = (per_second * ARRIVALS_S).ceil() as u32;
    let rate = format!("rate_per_second = {per_second:.1}");
    let arrival = [&*rate, "distribution = \"uniform\""];
    let report = run(options, peers, ARRIVALS_S + AFTER_S, &arrival)?;
    let in_time = |sample: &&palisade_load::report::Sample| sample.elapsed_s <= ARRIVALS_S + 0.1;
    let last = report.series.iter().rfind(in_time);
    let last = last.context("the generator took no samples")?;
    Ok(Point {
        offered_per_second: per_second,
        setups_per_second: f64::from(last.up) / last.elapsed_s,
        setup_p50_ms: report.setup_ms.p50,
        setup_p99_ms: report.setup_ms.p99,
        headend_cpu_s: report.headend.map_or(0.0, |headend| headend.cpu_s),
    })
}

/// One run of the generator with a headend of its own.
fn run(options: &Options, peers: u32, duration_s: f64, arrival: &[&str]) -> Result<Report> {
    let folder = std::env::temp_dir().join(format!("goodput-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let report = run_in(&folder, options, (peers, duration_s), arrival);
    std::fs::remove_dir_all(&folder)?;
    report
}

fn run_in(
    folder: &Path,
    options: &Options,
    (peers, duration_s): (u32, f64),
    arrival: &[&str],
) -> Result<Report> {
    let scenario = folder.join("scenario.toml");
    let arrival = arrival.join("\n");
    let text = format!(
        "duration_s = {duration_s}\nleave = \"silent\"\n\
         [peers]\ncount = {peers}\nports = 4\n\
         [arrival]\n{arrival}\n\
         [traffic]\npackets_per_second = 0.0\n\
         [headend.dpd]\nmode = \"respond-only\"\n"
    );
    std::fs::write(&scenario, text)?;
    let file = folder.join("report.json");
    // That not everybody was set up is no failure here; that there is no report is.
    Command::new(options.programs.join("palisade-load"))
        .arg("--scenario")
        .arg(&scenario)
        .arg("--headend")
        .arg(options.programs.join("palisade"))
        .arg("--json")
        .arg(&file)
        .args(["--progress", "none", "--report", "json"])
        .stdout(std::process::Stdio::null())
        .status()
        .context("cannot run palisade-load: build it with `cargo build --release`")?;
    let text = std::fs::read_to_string(&file).context("the generator left no report")?;
    Ok(serde_json::from_str(&text)?)
}

fn picture(figures: &Figures) -> String {
    let points = |of: fn(&Point) -> f64| {
        let points = figures.points.iter();
        points
            .map(|point| (point.offered_per_second, of(point)))
            .collect()
    };
    let plot = Plot {
        title: "Goodput against offered load".into(),
        x: "new peers per second that come".into(),
        y: "set-ups per second that are done".into(),
        curves: vec![
            Curve::new("done", points(|point| point.setups_per_second)),
            Curve::new("offered", points(|point| point.offered_per_second)),
        ],
    };
    plot.render()
}

fn table(figures: &Figures) -> String {
    let mut out = String::from(
        "| offered per second | of capacity | done per second | set-up p50 | p99 |\n|---|---|---|---|---|\n",
    );
    for point in &figures.points {
        out += &format!(
            "| {:.0} | {:.0} % | {:.0} | {:.0} ms | {:.0} ms |\n",
            point.offered_per_second,
            point.offered_per_second * 100.0 / figures.capacity_per_second,
            point.setups_per_second,
            point.setup_p50_ms,
            point.setup_p99_ms
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_has_a_row_and_a_place_on_the_curve() {
        let point = |offered: f64, done: f64| Point {
            offered_per_second: offered,
            setups_per_second: done,
            setup_p50_ms: 5.0,
            setup_p99_ms: 9.0,
            headend_cpu_s: 1.0,
        };
        let figures = Figures {
            capacity_per_second: 1_000.0,
            points: vec![point(500.0, 500.0), point(3_000.0, 990.0)],
        };
        let table = table(&figures);
        assert!(
            table.contains("| 3000 | 300 % | 990 | 5 ms | 9 ms |"),
            "{table}"
        );
        let svg = picture(&figures);
        assert!(svg.starts_with("<svg") && svg.contains("Goodput"), "{svg}");
    }
}
