use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use palisade_load::progress::{Line, Progress};
use palisade_load::report::Report;

use crate::headend::Headend;
use crate::options::Options;

/// Time after the last line at which a generator counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// The peer generator as it is shipped, in a process of its own.
pub(crate) struct Generator {
    process: Child,
    /// Closed to end the run.
    input: Option<ChildStdin>,
    lines: Receiver<Line>,
}

impl Generator {
    /// The dying fall silent `delay` after everybody is up.
    pub(crate) fn start(
        options: &Options,
        headend: &Headend,
        delay: Duration,
        bound: Option<Duration>,
    ) -> Result<Self> {
        let mut command = Command::new(options.programs.join("palisade-load"));
        let mut set = |name: &str, value: &dyn ToString| {
            command.arg(name).arg(value.to_string());
        };
        set("--target", &headend.target);
        set("--psk-file", &headend.secret_file().display());
        set("--events", &headend.control_socket().display());
        set("--peers", &options.peers);
        set("--rate", &options.rate);
        set("--packets", &0);
        set("--source", &"127.16.0.0/12");
        set("--duration", &86_400);
        set("--dead", &options.dead());
        set("--dead-delay", &delay.as_secs_f64());
        set("--leave", &"silent");
        set("--progress", &"json");
        if let Some(bound) = bound {
            set("--bound", &bound.as_secs_f64());
        }
        let mut process = command
            .arg("--until-stdin-closes")
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

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the run is at a certain point.
    pub(crate) fn progress_until(
        &self,
        mut reached: impl FnMut(&Progress) -> bool,
    ) -> Result<Progress> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(Line::Progress(progress)) if reached(&progress) => return Ok(progress),
                Ok(Line::Report(_)) | Err(_) => bail!("the peer generator ended too early"),
                Ok(_) => {}
            }
        }
    }

    /// Lets time pass, and calls `each` every hundred milliseconds.
    pub(crate) fn pass(&self, time: Duration, mut each: impl FnMut() -> Result<()>) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            each()?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Ends the run and waits for what it found.
    pub(crate) fn finish(mut self) -> Result<Report> {
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
