//! Two processes and a directory for them; all of it is gone when the stage is dropped.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use control::Client;
use control::view::{Readiness, Status};
use palisade_load::progress::Line;
use zeroize::Zeroizing;

use super::plan::Plan;
use crate::directories;

/// How long the headend may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a process may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(8);
/// The usual port of metrics, if it is free.
const METRICS_PORT: u16 = 9_477;

pub(super) struct Stage {
    directory: PathBuf,
    ports: Ports,
    headend: Option<Child>,
    generator: Option<Generator>,
}

struct Ports {
    ike: u16,
    nat: u16,
    metrics: u16,
}

struct Generator {
    child: Child,
    lines: Receiver<String>,
    /// The generator ends when this is closed, whatever becomes of us.
    _stdin: Option<ChildStdin>,
}

impl Stage {
    /// Makes the directory with configuration and secret, and finds free ports.
    pub(super) fn set(plan: &Plan) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("palisade-demo-{}", std::process::id()));
        directories::make_private(&directory)?;
        let stage = Self {
            directory,
            ports: Ports::find()?,
            headend: None,
            generator: None,
        };
        let secret = random_secret().context("the system gives no random octets")?;
        stage.write("psk", secret.as_bytes())?;
        stage.write("demo.toml", stage.configuration(plan).as_bytes())?;
        Ok(stage)
    }

    pub(super) fn socket(&self) -> PathBuf {
        directories::socket_in(&self.directory)
    }

    pub(super) fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.ports.metrics)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| file.write_all(content))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn configuration(&self, plan: &Plan) -> String {
        let Ports { ike, nat, metrics } = self.ports;
        let policy = &plan.policy;
        format!(
            r#"[headend]
listen = ["127.0.0.1"]
ike_port = {ike}
nat_port = {nat}
inner = "echo"
half_open_max = 200000

[dpd]
mode = "periodic"
interval = "{}ms"
retry = "{}ms"
retries = {}
jitter = {}
suppress_on = "ike"
allow_fast = true

[metrics]
listen = "127.0.0.1:{metrics}"

[connections.demo]
pools = ["demo"]
proposals = ["aes128gcm16-prfsha256-x25519"]
local.id = "demo.palisade.example"

[connections.demo.children.net]
local_ts = ["0.0.0.0/0"]
esp_proposals = ["aes128gcm16-noesn", "aes128gcm16-esn"]

[pools.demo]
addrs = "10.64.0.0/12"

[secrets.demo]
file = "psk"
"#,
            policy.interval.as_millis(),
            policy.retry.as_millis(),
            policy.retries,
            policy.jitter_percent,
        )
    }

    /// Starts the service as everybody would, but for its directories.
    pub(super) fn start_headend(&mut self) -> Result<()> {
        let child = Self::program()?
            .arg("run")
            .arg("--die-with-parent")
            .arg("--config")
            .arg(self.path("demo.toml"))
            .arg("--run-dir")
            .arg(&self.directory)
            .arg("--state-dir")
            .arg(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.log("headend.log")?)
            .spawn()
            .context("cannot start the headend")?;
        self.headend = Some(child);
        Ok(())
    }

    /// Waits for the headend and returns its first word.
    pub(super) fn wait_until_ready(&mut self, client: &Client) -> Result<Status> {
        let started = Instant::now();
        loop {
            self.check_headend()?;
            let ready = client
                .get::<Readiness>("/readyz")
                .is_ok_and(|answer| answer.ready);
            if ready && let Ok(status) = client.get::<Status>("/v1/status") {
                return Ok(status);
            }
            if started.elapsed() > START_TIMEOUT {
                bail!(
                    "the headend does not become ready; its log:\n{}",
                    self.tail("headend.log")
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fails when the headend has ended by itself.
    pub(super) fn check_headend(&mut self) -> Result<()> {
        let ended = self
            .headend
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten());
        match ended {
            None => Ok(()),
            Some(status) => {
                bail!(
                    "the headend has ended ({status}); its log:\n{}",
                    self.tail("headend.log")
                )
            }
        }
    }

    /// Starts the peers.
    pub(super) fn start_generator(&mut self, plan: &Plan) -> Result<()> {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.nat));
        let mut child = Self::program()?
            .arg("load")
            .args(["--target", &target.to_string()])
            .args(["--peers", &plan.peers.to_string()])
            .args(["--rate", &plan.arrivals_per_second.to_string()])
            .args(["--packets", &plan.packets_per_second.to_string()])
            .args(["--dead", &plan.dead.to_string()])
            .args(["--dead-delay", &plan.calm_s.to_string()])
            .args(["--dead-spread", &plan.spread_s.to_string()])
            .args(["--duration", &plan.duration_s.to_string()])
            .args(["--bound", &plan.bound().as_secs_f64().to_string()])
            .args(["--remote-identity", "demo.palisade.example"])
            .args(["--progress", "json", "--until-stdin-closes"])
            .arg("--psk-file")
            .arg(self.path("psk"))
            .arg("--events")
            .arg(self.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(self.log("generator.log")?)
            .spawn()
            .context("cannot start the peer generator")?;
        let stdout = child
            .stdout
            .take()
            .context("the peer generator has no output")?;
        let (sender, lines) = mpsc::sync_channel(1_024);
        let forward = move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("generator".to_owned())
            .spawn(forward)
            .context("cannot read from the peer generator")?;
        let stdin = child.stdin.take();
        self.generator = Some(Generator {
            child,
            lines,
            _stdin: stdin,
        });
        Ok(())
    }

    /// What the generator says next; `None` when it says nothing for a while.
    pub(super) fn next_line(&mut self, patience: Duration) -> Result<Option<Line>> {
        let Some(generator) = &self.generator else {
            return Ok(None);
        };
        match generator.lines.recv_timeout(patience) {
            Ok(line) => {
                let line = serde_json::from_str(&line);
                line.map(Some)
                    .context("the peer generator says something that cannot be read")
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                bail!(
                    "the peer generator ended without a report; its log:\n{}",
                    self.generator_log()
                )
            }
        }
    }

    pub(super) fn generator_log(&self) -> String {
        self.tail("generator.log")
    }

    /// Ends both processes and removes the directory.
    pub(super) fn strike(self) {
        drop(self);
    }

    fn program() -> Result<Command> {
        let program = std::env::current_exe().context("cannot find this program")?;
        Ok(Command::new(program))
    }

    fn log(&self, name: &str) -> Result<Stdio> {
        let path = self.path(name);
        let file = File::create(&path);
        Ok(file
            .with_context(|| format!("cannot write {}", path.display()))?
            .into())
    }

    /// The last lines of a log.
    fn tail(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines
            .get(lines.len().saturating_sub(20)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(Generator {
            child,
            lines,
            _stdin,
        }) = self.generator.take()
        {
            drop(_stdin);
            drop(lines);
            end(child);
        }
        if let Some(child) = self.headend.take() {
            terminate(&child);
            end(child);
        }
        remove(&self.directory);
    }
}

fn remove(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory) {
        eprintln!("palisade: cannot remove {}: {error}", directory.display());
    }
}

/// Sends SIGTERM to a process that has not been waited for, so that its number is still its own.
fn terminate(child: &Child) {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// Waits for a process, and kills it when it takes too long.
fn end(mut child: Child) {
    let started = Instant::now();
    while started.elapsed() < END_TIMEOUT {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    // Nothing more can be done about a process that resists.
    let _ = child.kill();
    let _ = child.wait();
}

impl Ports {
    fn find() -> Result<Self> {
        let free = || -> std::io::Result<Self> {
            let any = (Ipv4Addr::LOCALHOST, 0);
            // Both are held until both are known, so that they differ.
            let (ike, nat) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
            let usual = TcpListener::bind((Ipv4Addr::LOCALHOST, METRICS_PORT));
            let metrics = usual.or_else(|_| TcpListener::bind(any))?;
            Ok(Self {
                ike: ike.local_addr()?.port(),
                nat: nat.local_addr()?.port(),
                metrics: metrics.local_addr()?.port(),
            })
        };
        free().context("no free port on loopback")
    }
}

fn random_secret() -> std::io::Result<Zeroizing<String>> {
    let mut octets = Zeroizing::new([0_u8; 32]);
    File::open("/dev/urandom")?.read_exact(&mut *octets)?;
    Ok(Zeroizing::new(
        octets.iter().map(|octet| format!("{octet:02x}")).collect(),
    ))
}
