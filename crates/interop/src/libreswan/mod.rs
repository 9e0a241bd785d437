//! libreswan's daemon in a namespace, for IKEv1 without packets: it has no ESP in user space, so where
//! the kernel has none either, pluto is made to believe that its SAs are installed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::esp_accepted;
use crate::network::Namespace;
use crate::process::{self, Daemon, attempt};
use crate::scratch::Scratch;
use crate::tunnel::{SECRET, Tunnel};
use crate::wait;

/// Where `cargo xtask test` unpacks Debian's package: installed, it would drive strongSwan out.
const ROOT: &str = "/opt/libreswan";
const START_LIMIT: Duration = Duration::from_secs(20);
const CONTROL_LIMIT: Duration = Duration::from_secs(20);
/// pluto starts its tools by this path; in the daemon's own mount namespace, those of [`ROOT`] are there.
const START: &str =
    "mount --bind \"$1\" /usr/libexec && export LD_PRELOAD=\"$2\" && shift 2 && exec \"$@\"";

/// A running daemon.
pub struct Libreswan {
    daemon: Daemon,
    scratch: Scratch,
}

impl Libreswan {
    /// Starts a daemon in `namespace` with one tunnel. Its proposals are in libreswan's notation; its
    /// further settings are lines of a `conn` section.
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn start(namespace: &Namespace, tunnel: &Tunnel) -> Result<Self> {
        let scratch = Scratch::new("libreswan")?;
        let directory = scratch.path();
        let [configuration, secrets, keys, run] = ["ipsec.conf", "ipsec.secrets", "nss", "run"]
            .map(|name| directory.join(name).display().to_string());
        scratch.write("ipsec.conf", &render(tunnel, directory))?;
        let (local, remote) = (&tunnel.local.id, &tunnel.remote.id);
        let psk = format!("@{local} @{remote} : PSK \"{SECRET}\"\n");
        scratch.write("ipsec.secrets", &psk)?;
        for made in [&keys, &run] {
            std::fs::create_dir_all(made)?;
        }
        let database = format!("sql:{keys}");
        let new = ["-N", "-d", &database, "--empty-password"];
        process::run("certutil", &new, CONTROL_LIMIT)?;
        let library = esp_accepted::build(&scratch)?;
        let mut command = namespace.command("sh");
        command
            .args(["-c", START, "sh", &format!("{ROOT}/usr/libexec"), &library])
            .arg(tool("pluto"))
            .args(["--nofork", "--stderrlog", "--no-dnssec"])
            .args(["--config", &configuration, "--secretsfile", &secrets])
            .args(["--rundir", &run, "--nssdir", &keys]);
        let daemon = Daemon::start("libreswan", &mut command, &directory.join("log"))?;
        let pluto = Self { daemon, scratch };
        pluto.await_log(": added IKEv1 connection", START_LIMIT)?;
        pluto.await_log("loading secrets from", START_LIMIT)?;
        Ok(pluto)
    }

    /// Runs whack.
    ///
    /// # Errors
    /// When it fails or hangs.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let run = self.scratch.path().join("run").display().to_string();
        let all = [&["--rundir", &run], arguments].concat();
        let (success, output) = attempt(&tool("whack"), &all, CONTROL_LIMIT)?;
        if !success {
            bail!("whack {}: {output}", arguments.join(" "));
        }
        Ok(output)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Waits until `text` has been logged.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub fn await_log(&self, text: &str, limit: Duration) -> Result<Duration> {
        wait::until(text, limit, || self.log().contains(text))
    }
}

fn tool(name: &str) -> String {
    format!("{ROOT}/usr/libexec/ipsec/{name}")
}

fn render(tunnel: &Tunnel, directory: &Path) -> String {
    let Tunnel {
        name,
        local,
        remote,
        ike,
        esp,
        ..
    } = tunnel;
    let (directory, [left, right]) = (directory.display(), [local, remote].map(|end| &end.address));
    let more: String = tunnel
        .connection
        .iter()
        .map(|(key, value)| format!("\t{key}={value}\n"))
        .collect();
    format!(
        "config setup\n\tikev1-policy=accept\n\tipsecdir={directory}/ipsec.d\n\tdumpdir={directory}\n\
         \tlogtime=no\n\n\
         conn {name}\n\tikev2=no\n\tauthby=secret\n\ttype=tunnel\n\tpfs=no\n\tauto=add\n\
         \tleftupdown=%disabled\n\tike={ike}\n\tesp={esp}\n\
         \tleft={left}\n\tleftid=@{}\n\tleftsubnet={}\n\
         \tright={right}\n\trightid=@{}\n\trightsubnet={}\n{more}",
        local.id,
        local.selectors.concat(),
        remote.id,
        remote.selectors.concat(),
    )
}
