//! A running service, peers of the generator, and the command line to ask it with.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_palisade");
pub(crate) const SECRET: &str = "a secret that must not be seen";

pub(crate) struct Stage {
    pub(crate) directory: PathBuf,
    pub(crate) nat: u16,
    pub(crate) metrics: u16,
    pub(crate) service: Option<Child>,
    pub(crate) peers: Option<Child>,
}

/// Two UDP ports and a TCP port, below those that the system gives to others who want any: a port that
/// was found free there may be taken before the service comes to it.
fn free_ports() -> (u16, u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 90) as u16 * 100;
    let mut candidates =
        std::iter::repeat_with(|| 15_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000);
    let mut free = || {
        candidates
            .find(|port| {
                UdpSocket::bind(("127.0.0.1", *port)).is_ok()
                    && TcpListener::bind(("127.0.0.1", *port)).is_ok()
            })
            .expect("an endless supply")
    };
    (free(), free(), free())
}

impl Stage {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_environment(name, &[])
    }

    pub(crate) fn with_environment(name: &str, environment: &[(&str, &OsStr)]) -> Self {
        let directory =
            std::env::temp_dir().join(format!("palisade-service-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("made");
        let (ike, nat, metrics) = free_ports();
        std::fs::write(directory.join("psk"), SECRET).expect("written");
        let configuration = format!(
            r#"
[headend]
listen = ["127.0.0.1"]
ike_port = {ike}
nat_port = {nat}
shards = 2
inner = "echo"
[dpd]
mode = "periodic"
interval = "1s"
retry = "200ms"
suppress_on = "ike"
allow_fast = true
[[dpd.peer]]
id = "peer-0@load.example"
interval = "2s"
[metrics]
listen = "127.0.0.1:{metrics}"
[log]
format = "json"
level = "debug"
[connections.load]
pools = ["v4"]
[connections.load.children.net]
local_ts = ["0.0.0.0/0"]
[pools.v4]
addrs = "10.64.0.0/16"
[secrets.all]
file = "psk"
"#
        );
        std::fs::write(directory.join("palisade.toml"), configuration).expect("written");
        let log = std::fs::File::create(directory.join("log")).expect("a log");
        let service = Command::new(PROGRAM)
            .args(["run", "--die-with-parent", "--config"])
            .arg(directory.join("palisade.toml"))
            .arg("--run-dir")
            .arg(&directory)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("runs");
        let stage = Self {
            directory,
            nat,
            metrics,
            service: Some(service),
            peers: None,
        };
        stage.wait("the service", |stage| {
            stage.ask(&["status"]).status.success()
        });
        stage
    }

    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .arg("--run-dir")
            .arg(&self.directory)
            .output()
            .expect("runs")
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&[arguments, &["--json"]].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn wait(&self, what: &str, met: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !met(self) {
            let log = self.log();
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{what} does not come; log:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    pub(crate) fn start_peers(&mut self, count: u32, extra: &[&str]) {
        let peers = Command::new(PROGRAM)
            .args(["load", "--target", &format!("127.0.0.1:{}", self.nat)])
            .args([
                "--peers",
                &count.to_string(),
                "--rate",
                "200",
                "--duration",
                "60",
            ])
            .args(["--progress", "none", "--until-stdin-closes", "--psk-file"])
            .arg(self.directory.join("psk"))
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        self.peers = Some(peers);
        let all = u64::from(count);
        self.wait("the peers", |stage| {
            stage.json(&["status"])["ike_established"].as_u64() >= Some(all)
        });
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        body.to_owned()
    }

    pub(crate) fn end_peers(&mut self) {
        if let Some(mut peers) = self.peers.take() {
            drop(peers.stdin.take());
            peers.wait().expect("ends");
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let service = self.service.as_ref().expect("it runs");
        let pid = i32::try_from(service.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a number"), signal).expect("told");
    }

    /// Sends SIGTERM to the service and returns its exit status.
    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        let mut service = self.service.take().expect("it runs");
        service.wait().expect("ends")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end_peers();
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
