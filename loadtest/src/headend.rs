//! The headend under test, where it runs on this machine: started for the run, stopped and continued
//! as the scenario says, and watched from outside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::certificates::Certified;
use crate::events;
use crate::process::Process;
use crate::report::HeadendReport;
use crate::scenario::{Scenario, TroubleKind};

/// How long a headend may take until it answers.
const START_MAX: Duration = Duration::from_secs(20);
/// The key of all peers of a headend that is started for the run.
const SECRET: &str = "known to this run alone";

/// A headend that was started for the run. It ends with it.
pub(crate) struct Started {
    child: Child,
    directory: PathBuf,
    certified: Option<Arc<Certified>>,
}

impl Started {
    /// Starts a headend on two free ports of loopback as the scenario wants it, and points the scenario
    /// at it.
    pub(crate) fn start(program: &Path, scenario: &mut Scenario) -> Result<Self> {
        let ports = [free_port()?, free_port()?];
        let [ike, nat] = [&ports[0], &ports[1]].map(|socket| socket.local_addr());
        let (ike, nat) = (ike?.port(), nat?.port());
        let directory =
            std::env::temp_dir().join(format!("palisade-load-{}-{nat}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("psk"), SECRET)?;
        let certified = Certified::of(&scenario.tunnel)?;
        if let Some(certified) = &certified {
            certified.equip(&directory)?;
        }
        let configuration = directory.join("palisade.toml");
        std::fs::write(&configuration, scenario.headend_configuration(ike, nat)?)?;
        scenario.target.address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), nat);
        scenario.peers.psk = SECRET.into();
        drop(ports);
        let log = std::fs::File::create(directory.join("log"))?;
        let child = Command::new(program)
            .args(["run", "--die-with-parent", "--config"])
            .arg(&configuration)
            .arg("--run-dir")
            .arg(&directory)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut started = Self {
            child,
            directory,
            certified: certified.map(Arc::new),
        };
        started.wait_until_it_answers()?;
        Ok(started)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let since = Instant::now();
        while events::process_of(&self.socket()).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || since.elapsed() > START_MAX {
                let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                bail!("the headend does not answer; its log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Who certifies it and its peers, if the scenario wants certificates.
    pub(crate) fn certified(&self) -> Option<Arc<Certified>> {
        self.certified.clone()
    }

    /// Its control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("control.sock")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It serves nobody any more, and nobody waits for its goodbye.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A port that is free until the socket is dropped.
fn free_port() -> Result<UdpSocket> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?)
}

/// A headend's process, seen from outside.
pub(crate) struct Watched {
    pid: Pid,
    process: Process,
    report: HeadendReport,
    /// Whether it stands still because we told it to.
    stopped: bool,
}

impl Watched {
    /// The process behind a control socket, which must be of this machine.
    pub(crate) fn behind(socket: &Path) -> Result<Self> {
        let number = events::process_of(socket)?;
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
        let process = Process::with_id(number);
        ensure!(
            process.resident_bytes() > 0,
            "process {number} of the headend is not to be seen here"
        );
        Ok(Self {
            pid: pid.context("the headend has no process")?,
            process,
            report: HeadendReport::default(),
            stopped: false,
        })
    }

    /// Looks at it, and does to it what the scenario has in store for this second of the run. `settled` says that every
    /// peer has been up, or has failed; memory is watched from then on, or from the beginning of the flood.
    pub(crate) fn look(&mut self, scenario: &Scenario, second: f64, settled: bool) -> Result<()> {
        let stop = |trouble: &&crate::scenario::Trouble| trouble.kind == TroubleKind::Stop;
        let mut stops = scenario.troubles.iter().filter(stop);
        self.hold(stops.any(|trouble| trouble.lasts_at(second)))?;
        if settled || scenario.flood.has_begun_at(second) {
            let resident = self.process.resident_bytes();
            self.report.settled_bytes.get_or_insert(resident);
            self.report.resident_bytes_max = self.report.resident_bytes_max.max(resident);
        }
        Ok(())
    }

    fn hold(&mut self, stop: bool) -> Result<()> {
        if stop == self.stopped {
            return Ok(());
        }
        let signal = if stop { Signal::STOP } else { Signal::CONT };
        kill_process(self.pid, signal).context("cannot stop or continue the headend")?;
        self.stopped = stop;
        Ok(())
    }

    /// The sums.
    pub(crate) fn into_report(mut self) -> HeadendReport {
        self.report.cpu_s = self.process.cpu_s();
        core::mem::take(&mut self.report)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Nobody else would continue it. It may be gone.
        let _ = self.hold(false);
    }
}
