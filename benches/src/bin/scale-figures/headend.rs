use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::metrics;
use crate::options::Options;

/// Time in which a headend must be ready, and in which it must have ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both ends are ours and leave with this process; nobody else hears them.
const SECRET: &str = "a-secret-between-two-processes-on-loopback";

/// A headend as it is shipped, in a process of its own.
pub(crate) struct Headend {
    process: Child,
    folder: PathBuf,
    /// Where its metrics are.
    pub(crate) metrics: SocketAddr,
    /// Its port of UDP encapsulation.
    pub(crate) target: SocketAddr,
    /// From its start until it was ready for peers.
    pub(crate) start_time: Duration,
    program: PathBuf,
}

impl Headend {
    pub(crate) fn start(options: &Options) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("palisade-scale-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (ike, nat, metrics) = free_ports()?;
        let file = folder.join("palisade.toml");
        std::fs::write(&file, configuration(options, ike, nat, metrics))?;
        write_secret(&folder.join("psk"))?;
        let log = std::fs::File::create(folder.join("log"))?;
        let program = options.programs.join("palisade");
        let start = Instant::now();
        let process = Command::new(&program)
            .env("PALISADE_LOG", "warn,palisade::run::reload=info")
            .arg("run")
            .arg("--config")
            .arg(&file)
            .arg("--state-dir")
            .arg(folder.join("state"))
            .arg("--run-dir")
            .arg(folder.join("run"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start palisade: build it with `cargo build --release`")?;
        let mut headend = Self {
            process,
            folder,
            metrics,
            target: nat,
            start_time: Duration::ZERO,
            program,
        };
        headend.await_ready()?;
        headend.start_time = start.elapsed();
        Ok(headend)
    }

    fn await_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while metrics::get(self.metrics, "/readyz").is_err() {
            if let Some(status) = self.process.try_wait()? {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("palisade ended with {status}:\n{log}");
            }
            if start.elapsed() > PATIENCE {
                bail!("palisade is not ready after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn secret_file(&self) -> PathBuf {
        self.folder.join("psk")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder.join("run").join("control.sock")
    }

    /// Has the configuration read again, as an operator does. Returns how long it took.
    pub(crate) fn reload(&self) -> Result<Duration> {
        let start = Instant::now();
        kill_process(Pid::from_child(&self.process), Signal::HUP)?;
        loop {
            let log = std::fs::read_to_string(self.folder.join("log"))?;
            if log.contains("the configuration was read again") {
                return Ok(start.elapsed());
            }
            if start.elapsed() > PATIENCE {
                bail!("the configuration was not read again within {PATIENCE:?}:\n{log}");
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// Has all peers listed as JSON. Returns how long it took, and how many lines there were.
    pub(crate) fn list(&self) -> Result<(Duration, usize)> {
        let start = Instant::now();
        let mut listing = Command::new(&self.program)
            .args(["peers", "--json", "--run-dir"])
            .arg(self.folder.join("run"))
            .stdout(Stdio::piped())
            .spawn()?;
        let output = listing.stdout.take().context("its output is a pipe")?;
        let lines = BufReader::new(output).split(b'\n').count();
        ensure!(listing.wait()?.success(), "the peers cannot be listed");
        Ok((start.elapsed(), lines))
    }

    /// Ends the headend as an operator does, and waits for its end.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM)?;
        let start = Instant::now();
        while self.process.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                bail!("palisade did not end within {PATIENCE:?}");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Headend {
    fn drop(&mut self) {
        // After `stop` both have been done, and there is nothing left to do if they fail.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ports of loopback that nobody uses: two of UDP and one of TCP, apart because they are open at once.
fn free_ports() -> Result<(SocketAddr, SocketAddr, SocketAddr)> {
    let any = (Ipv4Addr::LOCALHOST, 0);
    let (ike, nat) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
    let metrics = TcpListener::bind(any)?;
    Ok((ike.local_addr()?, nat.local_addr()?, metrics.local_addr()?))
}

fn write_secret(path: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(SECRET.as_bytes())?)
}

fn configuration(
    options: &Options,
    ike: SocketAddr,
    nat: SocketAddr,
    metrics: SocketAddr,
) -> String {
    let mode = if options.on_demand {
        "on-demand"
    } else {
        "periodic"
    };
    let mut text = format!(
        r#"[headend]
listen = ["127.0.0.1"]
ike_port = {}
nat_port = {}
shards = {}
inner = "echo"
install_routes = false
half_open_max = 100000
half_open_per_prefix_max = 100000
cookie_threshold = 100000
cookie_threshold_per_prefix = 100000

[dpd]
mode = "{mode}"
interval = "10s"
retry = "2s"
retries = 4

[metrics]
listen = "{metrics}"

[log]
level = "warn"

[connections.peers]
local.id = "headend.example"
remote.id = "*@load.example"
pools = ["peers"]
encap = true

[connections.peers.children.net]
local_ts = ["10.0.0.0/9"]

[pools.peers]
addrs = "10.128.0.0/9"

[secrets.peers]
id = "*@load.example"
file = "psk"
"#,
        ike.port(),
        nat.port(),
        options.shards,
    );
    for number in 0..options.connections {
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            r#"
[connections.peer-{number}]
local.id = "headend.example"
remote.id = "peer-{number}@load.example"
pools = ["peers"]
encap = true
children.net.local_ts = ["10.0.0.0/9"]

[secrets.peer-{number}]
id = "peer-{number}@load.example"
secret = "{SECRET}"
"#
        );
    }
    if !options.paced {
        let _ = write!(
            text,
            "\n[dpd.breaker]\nenabled = false\n\n[dpd.budgets]\nprobes_per_second = 1000000\nverdicts_per_second = 1000000\n"
        );
    }
    text
}
