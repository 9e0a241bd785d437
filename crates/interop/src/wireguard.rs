//! WireGuard in user space: any program that takes the name of a device, stays in the foreground with
//! `-f` and is configured by `wg` over its socket.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::network::{Namespace, Pair};
use crate::process::Daemon;
use crate::scratch::Scratch;
use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(10);
const PORT: u16 = 51_820;
/// Where such programs put their sockets, whatever namespace they are in.
const SOCKETS: &str = "/var/run/wireguard";

/// One end of a tunnel.
pub struct WireGuard {
    daemon: Daemon,
    scratch: Scratch,
    device: String,
    public_key: String,
}

/// What one end is told of the other, and which of its own addresses it uses inside.
struct Side<'a> {
    namespace: &'a Namespace,
    inner: &'a str,
    peer_outer: &'a str,
    peer_inner: &'a str,
}

impl WireGuard {
    /// Starts `program` with `options` at both ends of `pair`, and joins the inner addresses.
    ///
    /// # Errors
    /// When it does not start, or `wg` refuses.
    pub fn connect(program: &Path, options: &[&str], pair: &Pair) -> Result<[Self; 2]> {
        let left = Side {
            namespace: &pair.left,
            inner: "10.1.0.1",
            peer_outer: "192.0.2.2",
            peer_inner: "10.2.0.0/24",
        };
        let right = Side {
            namespace: &pair.right,
            inner: "10.2.0.1",
            peer_outer: "192.0.2.1",
            peer_inner: "10.1.0.0/24",
        };
        let a = Self::start(program, options, left.namespace, "l")?;
        let b = Self::start(program, options, right.namespace, "r")?;
        a.join(&left, &b.public_key)?;
        b.join(&right, &a.public_key)?;
        Ok([a, b])
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    fn start(program: &Path, options: &[&str], namespace: &Namespace, side: &str) -> Result<Self> {
        // Sockets are named after devices and are the whole machine's.
        let device = format!("wg{}{side}", std::process::id());
        let scratch = Scratch::new("wireguard")?;
        let mut command = namespace.command(&program.display().to_string());
        command.args(options).args(["-f", &device]);
        let daemon = Daemon::start(&device, &mut command, &scratch.path().join("log"))?;
        let socket = PathBuf::from(format!("{SOCKETS}/{device}.sock"));
        wait::until("WireGuard's socket", START_LIMIT, || socket.exists())
            .with_context(|| daemon.log())?;
        let private_key = wg(&["genkey"], None)?;
        let key_file = scratch.write("key", &private_key)?;
        Ok(Self {
            daemon,
            public_key: wg(&["pubkey"], Some(&key_file))?.trim().to_owned(),
            scratch,
            device,
        })
    }

    fn join(&self, side: &Side<'_>, peer: &str) -> Result<()> {
        let Self { device, .. } = self;
        let key_file = self.scratch.path().join("key").display().to_string();
        let port = PORT.to_string();
        let endpoint = format!("{}:{PORT}", side.peer_outer);
        let settings = [
            "set",
            device,
            "listen-port",
            &port,
            "private-key",
            &key_file,
            "peer",
            peer,
            "endpoint",
            &endpoint,
            "allowed-ips",
            side.peer_inner,
        ];
        side.namespace.run("wg", &settings)?;
        side.namespace.ip(&format!("link set {device} up"))?;
        let (to, inner) = (side.peer_inner, side.inner);
        side.namespace
            .ip(&format!("route add {to} dev {device} src {inner}"))?;
        Ok(())
    }
}

impl Drop for WireGuard {
    fn drop(&mut self) {
        // Killed, the program leaves its socket behind; one that it has removed is no loss.
        let _ = self.daemon.kill();
        let _ = std::fs::remove_file(format!("{SOCKETS}/{}.sock", self.device));
    }
}

fn wg(arguments: &[&str], input: Option<&Path>) -> Result<String> {
    let mut command = Command::new("wg");
    command.args(arguments);
    if let Some(input) = input {
        command.stdin(File::open(input)?);
    }
    let output = command.output().context("cannot run wg")?;
    ensure!(output.status.success(), "wg {} failed", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}
