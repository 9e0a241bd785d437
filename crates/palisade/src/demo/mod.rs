//! `palisade demo`: the real service on loopback, the peer generator beside it as a process of its
//! own, and a look at both until the generator reports.

mod display;
mod plan;
mod report;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use control::Client;
use control::view::Status;
use palisade_load::progress::{Line, Progress};

use crate::cli::DemoArgs;
use crate::signals::Signals;

use display::Display;
use plan::Plan;
use report::Report;
use stage::Stage;

/// How often the display is renewed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How much longer than planned the generator may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Exit status of a program that was interrupted, by a shell's custom.
const INTERRUPTED: u8 = 130;

/// What is known at a moment.
pub(crate) struct Moment {
    /// What the headend says.
    pub(crate) headend: Status,
    /// What the generator says.
    pub(crate) peers: Progress,
}

/// Runs the demonstration. Exit status 0 only if everything went as it should.
pub(crate) fn demo(args: &DemoArgs) -> Result<ExitCode> {
    let plan = Plan::new(args)?;
    let interrupted = watch_signals()?;
    let mut stage = Stage::set(&plan)?;
    let client = Client::new(stage.socket()).context("cannot prepare a connection")?;
    let mut display = Display::new(&plan, &stage.metrics_url());
    stage.start_headend()?;
    let at_start = stage.wait_until_ready(&client)?;
    stage.start_generator(&plan)?;
    let mut play = Play {
        at_start,
        peak: None,
        before_departure: None,
    };
    let outcome = play.watch(&plan, &mut stage, &client, &mut display, &interrupted);
    display.finish();
    let Some(found) = outcome? else {
        eprintln!("interrupted");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    // The peers have left; what the headend says now is its last word.
    let at_end = client
        .get::<Status>("/v1/status")
        .context("the headend does not answer")?;
    let report = Report::new(&plan, &found, &play.seen(&at_end));
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text(&plan));
    }
    stage.strike();
    Ok(if report.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Notes SIGINT and SIGTERM, so that children and files are cleaned up.
fn watch_signals() -> Result<Arc<AtomicBool>> {
    let mut signals = Signals::catch()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let watch = move || {
        // There is nothing to be read again: a terminal that hangs up ends the demonstration, too.
        if signals.wait().is_ok() {
            flag.store(true, Ordering::Release);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .context("cannot watch for signals")?;
    Ok(interrupted)
}

/// What is remembered from the course of the demonstration.
struct Play {
    at_start: Status,
    /// When most peers were up.
    peak: Option<Status>,
    /// The last before living peers left.
    before_departure: Option<Status>,
}

impl Play {
    /// What was seen of the headend, now that the end is known.
    fn seen<'s>(&'s self, at_end: &'s Status) -> report::Seen<'s> {
        report::Seen {
            at_start: &self.at_start,
            at_peak: self.peak.as_ref().unwrap_or(at_end),
            before_departure: self.before_departure.as_ref().unwrap_or(at_end),
            at_end,
        }
    }

    /// Shows the course until the generator reports; `None` when somebody interrupts.
    fn watch(
        &mut self,
        plan: &Plan,
        stage: &mut Stage,
        client: &Client,
        display: &mut Display,
        interrupted: &AtomicBool,
    ) -> Result<Option<palisade_load::report::Report>> {
        let started = Instant::now();
        let mut peers = Progress::default();
        loop {
            if interrupted.load(Ordering::Acquire) {
                return Ok(None);
            }
            stage.check_headend()?;
            if started.elapsed() > plan.duration() + PATIENCE {
                bail!(
                    "the peer generator does not end; its log:\n{}",
                    stage.generator_log()
                );
            }
            // The first line is waited for, the others are those that have gathered.
            let mut patience = LOOK_EVERY;
            while let Some(line) = stage.next_line(patience)? {
                patience = Duration::ZERO;
                match line {
                    Line::Progress(progress) => peers = progress,
                    Line::Death(_) => {}
                    Line::Report(report) => return Ok(Some(*report)),
                }
            }
            if let Ok(status) = client.get::<Status>("/v1/status") {
                self.note(&status, peers.elapsed_s < plan.duration_s - 0.5);
                let moment = Moment {
                    headend: status,
                    peers,
                };
                display.show(&moment, started.elapsed());
            }
        }
    }

    fn note(&mut self, status: &Status, all_there: bool) {
        if all_there {
            self.before_departure = Some(status.clone());
        }
        let most = self.peak.as_ref().map_or(0, |peak| peak.ike_established);
        if status.ike_established >= most {
            self.peak = Some(status.clone());
        }
    }
}
