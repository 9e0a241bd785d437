use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::certificates::Certified;
use crate::cli::{Args, ReportFormat};
use crate::clock::Clock;
use crate::display::Display;
use crate::events::{self, Heard};
use crate::headend::{Started, Watched};
use crate::plan::Plan;
use crate::process::Process;
use crate::progress::{Line, News, Progress};
use crate::report::{
    ClassReport, FloodReport, HeadendReport, IkeReport, NetworkReport, Report, Sample,
    TrafficReport,
};
use crate::scenario::Scenario;
use crate::stats::{Board, Counts, Stats, percentiles};
use crate::truth::{Judgement, Truth};
use crate::worker::{Shared, Worker};
use crate::{html, text};

const LOOK_EVERY: Duration = Duration::from_millis(200);
const SAMPLE_EVERY_S: f64 = 1.0;

/// Runs a scenario to its end, shows its course, and prints and writes the report as `args` say.
///
/// # Errors
/// If the scenario makes no sense, sockets cannot be opened or files cannot be written.
pub fn run(args: Args) -> Result<Report> {
    let mut scenario = args.read_scenario()?;
    let started = match &args.headend {
        Some(program) => Some(Started::start(program, &mut scenario)?),
        None => None,
    };
    scenario.validate()?;
    let mut display = Display::new(args.progress, scenario.duration_s);
    let events = started
        .as_ref()
        .map(Started::socket)
        .or(args.events.clone());
    let mut truth = Truth::new(
        &scenario.names(),
        scenario.peers.count,
        args.bound.or(scenario.expect.detection_s_max),
        events.is_some(),
    );
    let (heard_sender, heard) = mpsc::channel();
    if let Some(socket) = &events {
        events::follow(socket, heard_sender)?;
    }
    let headend = match &events {
        Some(socket) if scenario.watches_headend() || started.is_some() => {
            Some(Watched::behind(socket)?)
        }
        _ => None,
    };
    let certified = match &started {
        Some(started) => started.certified(),
        None if scenario.tunnel.authority.is_some() => {
            Certified::of(&scenario.tunnel)?.map(Arc::new)
        }
        None => None,
    };
    let run = Run::start(Plan::new(scenario, certified)?, headend)?;
    if args.until_stdin_closes {
        let shared = Arc::clone(&run.shared);
        thread::spawn(move || {
            // Any end of the input counts, an error too.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            shared.stop.store(true, Ordering::Release);
        });
    }
    let report = run.watch(&mut display, &mut truth, &heard)?;
    let report = report.with_truth(truth);
    display.finish();
    publish(&args, &display, &report)?;
    Ok(report)
}

/// A run under way.
struct Run {
    shared: Arc<Shared>,
    boards: Vec<Arc<Board>>,
    workers: Vec<JoinHandle<Result<Stats>>>,
    news: Receiver<News>,
    headend: Option<Watched>,
}

impl Run {
    fn start(plan: Plan, headend: Option<Watched>) -> Result<Self> {
        let threads = plan.scenario.threads;
        let shared = Arc::new(Shared {
            unsettled: AtomicU32::new(plan.scenario.peers.count),
            settled_ns: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            clock: Clock::start(),
            plan,
        });
        let (sender, news) = mpsc::channel();
        let ready = Arc::new(Barrier::new(usize::from(threads)));
        let mut boards = Vec::new();
        let mut workers = Vec::new();
        for number in 0..threads {
            let board = Arc::new(Board::default());
            boards.push(Arc::clone(&board));
            let (shared, ready) = (Arc::clone(&shared), Arc::clone(&ready));
            let sender = sender.clone();
            let work = move || {
                let stop_all = Arc::clone(&shared);
                let worker = Worker::new(shared, board, sender, number);
                ready.wait();
                let result = worker.and_then(Worker::run);
                if result.is_err() {
                    stop_all.stop.store(true, Ordering::Release);
                }
                result
            };
            workers.push(
                thread::Builder::new()
                    .name(format!("peers-{number}"))
                    .spawn(work)?,
            );
        }
        Ok(Self {
            shared,
            boards,
            workers,
            news,
            headend,
        })
    }

    /// Shows the run until it ends, and sums it up.
    fn watch(
        mut self,
        display: &mut Display,
        truth: &mut Truth,
        heard: &Receiver<Heard>,
    ) -> Result<Outcome> {
        let mut course = Course::default();
        let mut resident_bytes = 0;
        while !self.workers.iter().all(JoinHandle::is_finished) {
            self.take_news(display, truth, heard);
            resident_bytes = resident_bytes.max(Process::own().resident_bytes());
            self.look_at_headend()?;
            let progress = self.progress(&mut course, truth);
            display.show(&progress);
            thread::sleep(LOOK_EVERY);
        }
        self.take_news(display, truth, heard);
        display.show(&self.progress(&mut course, truth));
        let elapsed_s = self.elapsed_s();
        let mut stats = Stats::new();
        for worker in self.workers {
            let worker = worker.join().map_err(|_| anyhow!("a worker panicked"))??;
            stats.merge(&worker);
        }
        Ok(Outcome {
            shared: self.shared,
            headend: self.headend.map(Watched::into_report),
            stats,
            series: course.series,
            elapsed_s,
            resident_bytes,
        })
    }

    fn look_at_headend(&mut self) -> Result<()> {
        let (second, settled) = (self.elapsed_s(), self.shared.settled_at().is_some());
        let scenario = &self.shared.plan.scenario;
        match &mut self.headend {
            Some(headend) => headend.look(scenario, second, settled),
            None => Ok(()),
        }
    }

    fn elapsed_s(&self) -> f64 {
        self.shared.clock.now().as_nanos() as f64 / 1e9
    }

    fn take_news(&self, display: &Display, truth: &mut Truth, heard: &Receiver<Heard>) {
        for news in self.news.try_iter() {
            if let News::Died(death) = &news {
                display.tell(&Line::Death(death.clone()));
            }
            truth.told(news);
        }
        for said in heard.try_iter() {
            truth.heard(&said);
        }
    }

    fn progress(&self, course: &mut Course, truth: &Truth) -> Progress {
        let mut counts = Counts::default();
        for board in &self.boards {
            counts.add(&board.read());
        }
        let elapsed_s = self.elapsed_s();
        let (verdicts, false_verdicts) = truth.verdicts();
        let sample = course.follow(elapsed_s, &counts, verdicts);
        let scenario = &self.shared.plan.scenario;
        Progress {
            elapsed_s,
            duration_s: scenario.duration_s,
            peers: scenario.peers.count,
            started: counts.started,
            established: counts.established,
            up: counts.up,
            failed: counts.failed,
            dead: counts.dead,
            settled: self.shared.settled_at().is_some(),
            setup_per_second: sample.setup_per_second,
            esp_sent: counts.sent,
            esp_verified: counts.verified,
            esp_mismatched: counts.mismatched,
            probes_answered: counts.probes_answered,
            verdicts,
            false_verdicts,
        }
    }
}

/// The course of a run, one sample a second.
#[derive(Default)]
struct Course {
    series: Vec<Sample>,
    last_s: f64,
    last: Counts,
}

impl Course {
    /// Takes a sample if it is time, and returns the latest.
    fn follow(&mut self, elapsed_s: f64, counts: &Counts, verdicts: u32) -> Sample {
        let passed_s = elapsed_s - self.last_s;
        if passed_s >= SAMPLE_EVERY_S {
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / passed_s;
            self.series.push(Sample {
                elapsed_s,
                started: counts.started,
                up: counts.up,
                dead: counts.dead,
                verdicts,
                setup_per_second: rate(
                    u64::from(counts.established),
                    u64::from(self.last.established),
                ),
                sent_per_second: rate(counts.sent, self.last.sent),
                verified_per_second: rate(counts.verified, self.last.verified),
                probes_per_second: rate(counts.probes_answered, self.last.probes_answered),
            });
            self.last = *counts;
            self.last_s = elapsed_s;
        }
        self.series.last().copied().unwrap_or_default()
    }
}

/// What the workers leave behind.
struct Outcome {
    shared: Arc<Shared>,
    headend: Option<HeadendReport>,
    stats: Stats,
    series: Vec<Sample>,
    elapsed_s: f64,
    resident_bytes: u64,
}

impl Outcome {
    fn with_truth(self, truth: Truth) -> Report {
        let Self { shared, stats, .. } = self;
        let counts = stats.counts;
        let scenario = shared.plan.scenario.clone();
        let peers = scenario.peers.count;
        let judgement = truth.into_judgement((self.elapsed_s * 1e9) as u64);
        let classes = classes(&shared.plan, &stats, &judgement);
        let setup_s = stats.last_setup_ns as f64 / 1e9;
        let flood = flood(&scenario, &stats);
        let report = Report {
            findings: Vec::new(),
            flood,
            headend: self.headend,
            scenario,
            elapsed_s: self.elapsed_s,
            peers,
            established: counts.established,
            stalled: counts.stalled,
            returned: counts.returned,
            classes,
            failures: named(&stats.failures),
            losses: named(&stats.losses),
            setup_per_second: if setup_s > 0.0 {
                f64::from(counts.established) / setup_s
            } else {
                0.0
            },
            setup_ms: percentiles(&stats.setup_us, 1e3),
            return_ms: percentiles(&stats.return_us, 1e3),
            traffic: TrafficReport {
                sent: counts.sent,
                received: counts.received,
                verified: counts.verified,
                mismatched: counts.mismatched,
                unrelated: counts.unrelated,
                drops: named(&stats.drops),
                echo_ms: percentiles(&stats.echo_us, 1e3),
                first_packet_ms: percentiles(&stats.first_packet_us, 1e3),
                during_rekey: stats.during_rekey,
                during_failover: stats.during_failover,
            },
            ike: IkeReport {
                messages_sent: counts.messages_sent,
                messages_received: counts.messages_received,
                rejected: named(&stats.rejected),
                probes_answered: counts.probes_answered,
                probes_ignored: counts.probes_ignored,
                probes_sent: counts.probes_sent,
                probes_acknowledged: counts.probes_acknowledged,
                rekey_ms: percentiles(&stats.rekey_us, 1e3),
                child_rekeys: counts.child_rekeys,
                ike_rekeys: counts.ike_rekeys,
            },
            network: NetworkReport {
                lost: stats.network.lost,
                duplicated: stats.network.duplicated,
                corrupted: stats.network.corrupted,
                overflowed: stats.network.overflowed,
                moves: counts.moves,
            },
            deaths: judgement.deaths,
            score: judgement.score,
            memory_bytes_per_peer: self.resident_bytes / u64::from(peers.max(1)),
            cpu_s: netio::process_cpu_time().as_secs_f64(),
            series: self.series,
        };
        Report {
            findings: report.scenario.expect.findings(&report),
            ..report
        }
    }
}

/// What the flood did, if the scenario has one.
fn flood(scenario: &Scenario, stats: &Stats) -> Option<FloodReport> {
    let flood = &scenario.flood;
    (flood.rate_per_second > 0.0).then(|| FloodReport {
        sent: stats.flood_sent,
        per_second: stats.flood_sent as f64 / flood.for_s,
        setup_ms: percentiles(&stats.flood_setup_us, 1e3),
        quiet_setup_ms: percentiles(&stats.quiet_setup_us, 1e3),
    })
}

/// What became of each class.
fn classes(plan: &Plan, stats: &Stats, judgement: &Judgement) -> Vec<ClassReport> {
    let mut established = stats.established.iter().copied();
    let reports = plan.classes.iter().map(|class| ClassReport {
        name: class.name.clone(),
        version: class.version.unwrap_or(plan.scenario.tunnel.version),
        wants_tunnel: class.wants_tunnel(),
        established: established.next().unwrap_or(0),
        ..ClassReport::default()
    });
    let mut reports: Vec<ClassReport> = reports.collect();
    let mut count = |n: u32, into: fn(&mut ClassReport) -> &mut u32| {
        if let Some(report) = reports.get_mut(usize::from(plan.class(n))) {
            *into(report) += 1;
        }
    };
    for n in 0..plan.scenario.peers.count {
        count(n, |report| &mut report.peers);
    }
    for death in &judgement.deaths {
        count(death.peer, |report| &mut report.dead);
    }
    for n in &judgement.detected {
        count(*n, |report| &mut report.found);
    }
    for n in &judgement.false_dead {
        count(*n, |report| &mut report.false_dead);
    }
    reports
}

fn named<N: Copy>(
    counts: &std::collections::BTreeMap<&'static str, N>,
) -> std::collections::BTreeMap<String, N> {
    counts
        .iter()
        .map(|(label, count)| ((*label).to_owned(), *count))
        .collect()
}

fn publish(args: &Args, display: &Display, report: &Report) -> Result<()> {
    match (display, args.report) {
        (Display::Json, _) => display.tell(&Line::Report(Box::new(report.clone()))),
        (_, ReportFormat::Text) => print!("{}", text::render(report)),
        (_, ReportFormat::Json) => println!("{}", serde_json::to_string_pretty(report)?),
    }
    if let Some(path) = &args.json {
        write(path, &serde_json::to_string_pretty(report)?)?;
    }
    if let Some(path) = &args.html {
        write(path, &html::render(report))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
