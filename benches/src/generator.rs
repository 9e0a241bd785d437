//! The peer generator as it is shipped, in a process of its own.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use palisade_load::progress::{Line, Progress};
use palisade_load::report::Report;

/// Time after the last line at which a generator counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A generator under way.
pub struct Generator {
    process: Child,
    /// Closed to end the run.
    input: Option<ChildStdin>,
    lines: Receiver<Line>,
}

impl Generator {
    /// Starts `palisade-load` as `command` says; how it tells its course, and what ends it, is added.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut process = command
            .args(["--progress", "json", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start palisade-load: build it with `cargo build --release`")?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("its output is a pipe")?;
        Ok(Self {
            process,
            input,
            lines: follow(BufReader::new(output).lines()),
        })
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the run is at a certain point.
    ///
    /// # Errors
    /// When the run ends before.
    pub fn progress_until(&self, mut reached: impl FnMut(&Progress) -> bool) -> Result<Progress> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(Line::Progress(progress)) if reached(&progress) => return Ok(progress),
                Ok(Line::Report(_)) | Err(_) => bail!("the peer generator ended too early"),
                Ok(_) => {}
            }
        }
    }

    /// How far the run is now: what was told while nobody listened is passed over.
    ///
    /// # Errors
    /// When the run ends before.
    pub fn latest(&self) -> Result<Progress> {
        while self.lines.try_recv().is_ok() {}
        self.progress_until(|_| true)
    }

    /// Lets time pass, and calls `each` every hundred milliseconds.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn pass(&self, time: Duration, mut each: impl FnMut() -> Result<()>) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            each()?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Ends the run and waits for what it found.
    ///
    /// # Errors
    /// When there is no report.
    pub fn finish(mut self) -> Result<Report> {
        self.input = None;
        let report = loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(Line::Report(report)) => break *report,
                Ok(_) => {}
                Err(_) => bail!("the peer generator left no report"),
            }
        };
        self.process.wait()?;
        Ok(report)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // After `finish` it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the lines on a thread, so that the generator never waits for us.
fn follow(lines: Lines<BufReader<ChildStdout>>) -> Receiver<Line> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let Ok(line) = serde_json::from_str(&line) else {
                return;
            };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
