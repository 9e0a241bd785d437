//! Programs: run to their end within a time limit, or kept running in the background.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Lines of a daemon's log that a failing test shows.
const LOG_LINES_SHOWN: usize = 80;

/// Runs `program` under a time limit and returns what it wrote, standard error after standard
/// output, and whether it succeeded.
///
/// # Errors
/// When it cannot be started.
pub fn attempt(program: &str, arguments: &[&str], limit: Duration) -> Result<(bool, String)> {
    let output = Command::new("timeout")
        .arg("--kill-after=1")
        .arg(limit.as_secs_f64().to_string())
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text))
}

/// As [`attempt`], but failure is an error that carries the output.
///
/// # Errors
/// When it cannot be started, fails, or exceeds `limit`.
pub fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
    let (success, output) = attempt(program, arguments, limit)?;
    if !success {
        bail!("`{program} {}` failed:\n{output}", arguments.join(" "));
    }
    Ok(output)
}

static LOGS_SHOWN: AtomicBool = AtomicBool::new(true);

/// Daemons do not show the end of their logs any more when they end, for programs whose output is read.
pub fn keep_logs_back() {
    LOGS_SHOWN.store(false, Ordering::Relaxed);
}

/// A program in the background. Dropped, it is killed, and the end of its log printed for the case
/// that the test fails.
pub struct Daemon {
    label: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with both outputs going to the file `log`.
    ///
    /// # Errors
    /// When the file cannot be made or the program not be started.
    pub fn start(label: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {label}"))?;
        Ok(Self {
            label: label.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| format!("no log: {error}"),
            |octets| String::from_utf8_lossy(&octets).into_owned(),
        )
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGKILL: it gets no chance to say goodbye.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("process id")?;
        kill_process(pid, Signal::TERM)?;
        let child = &mut self.child;
        wait::until_some("end after SIGTERM", limit, || {
            child.try_wait().ok().flatten()
        })
    }

    /// Resident memory in octets.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
            .context("no VmRSS")?;
        Ok(kibibytes.trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Either it is gone already, or it goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !LOGS_SHOWN.load(Ordering::Relaxed) {
            return;
        }
        // The test runner shows this only if the test fails.
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        println!("--- {} ---\n{}", self.label, shown.join("\n"));
    }
}
