//! strongSwan's daemon in a namespace, with ESP in user space: not every kernel has its own.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::esp_accepted;
use crate::network::Namespace;
use crate::process::{Daemon, attempt};
use crate::scratch::Scratch;
use crate::tunnel::{SECRET, Tunnel};
use crate::wait;

/// The order counts: kernel-libipsec must come before kernel-netlink.
const PLUGINS: &str = "random nonce openssl aes sha1 sha2 hmac kdf gcm chapoly pem pkcs1 pkcs8 \
                       pubkey x509 constraints kernel-libipsec kernel-netlink socket-default \
                       vici attr resolve updown xauth-generic";
const USER_SPACE_ESP: &str = "kernel-libipsec ";
/// Where many peers come from one address: no limits on them, and tables that are large enough. The
/// log is at its lowest level then.
const FOR_MANY: &str = "  init_limit_half_open = 0\n  block_threshold = 0\n  cookie_threshold = 0\n  \
                        ikesa_table_size = 16384\n  ikesa_table_segments = 16\n";
const START_LIMIT: Duration = Duration::from_secs(15);
/// swanctl waits for ever on some errors.
const CONTROL_LIMIT: Duration = Duration::from_secs(20);
const INITIATE_LIMIT: &str = "15";

/// Settings of the daemon, beyond its connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Retransmissions before a peer is given up; `None` leaves strongSwan's five.
    pub retransmit_tries: Option<u32>,
    /// Octets of an IP datagram above which IKE messages are fragmented.
    pub fragment_size: Option<u32>,
    /// Seconds after which an unanswered request is sent again, each time: strongSwan's own gaps grow.
    pub retransmit_every_s: Option<u32>,
    /// Where ESP is.
    pub esp: Esp,
    /// Thousands of peers come, all from one address.
    pub for_many: bool,
}

/// Where a daemon's ESP is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Esp {
    /// In the daemon itself (kernel-libipsec).
    #[default]
    UserSpace,
    /// Nowhere: the daemon believes that the kernel took its SAs, and no packet passes.
    Nowhere,
}

/// A running daemon.
pub struct StrongSwan {
    daemon: Daemon,
    scratch: Scratch,
    uri: String,
}

impl StrongSwan {
    /// Starts a daemon in `namespace` and loads `tunnels`, and `extra` sections as they are.
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn start(
        namespace: &Namespace,
        settings: Settings,
        tunnels: &[Tunnel],
        extra: &str,
    ) -> Result<Self> {
        Self::start_with(namespace, settings, &render(tunnels, extra))
    }

    /// Starts a daemon in `namespace` and loads a `swanctl.conf` as it is.
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn start_with(namespace: &Namespace, settings: Settings, swanctl: &str) -> Result<Self> {
        Self::start_with_files(namespace, settings, swanctl, &[])
    }

    /// Starts a daemon in `namespace` that finds `files`, each a path below the directory of swanctl
    /// and its content, beside its `tunnels`: certificates and keys.
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn start_certified(
        namespace: &Namespace,
        tunnels: &[Tunnel],
        files: &[(&str, &str)],
    ) -> Result<Self> {
        let swanctl = render(tunnels, "");
        Self::start_with_files(namespace, Settings::default(), &swanctl, files)
    }

    /// Starts a daemon in `namespace` and loads a `swanctl.conf` as it is, beside `files` as in
    /// [`Self::start_certified`].
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn start_with_files(
        namespace: &Namespace,
        settings: Settings,
        swanctl: &str,
        files: &[(&str, &str)],
    ) -> Result<Self> {
        let scratch = Scratch::new("strongswan")?;
        let directory = scratch.path().display();
        let uri = format!("unix://{directory}/vici");
        let log = scratch.path().join("log");
        let configuration = scratch.write(
            "strongswan.conf",
            &daemon_configuration(&uri, &log, settings),
        )?;
        scratch.write("swanctl/swanctl.conf", swanctl)?;
        for (name, content) in files {
            scratch.write(&format!("swanctl/{name}"), content)?;
        }
        let mut command = namespace.command("charon-systemd");
        command
            .env("STRONGSWAN_CONF", configuration)
            .env("SWANCTL_DIR", scratch.path().join("swanctl"));
        if settings.esp == Esp::Nowhere {
            command.env("LD_PRELOAD", esp_accepted::build(&scratch)?);
        }
        let daemon = Daemon::start("strongSwan", &mut command, &log)?;
        let socket = scratch.path().join("vici");
        wait::until("strongSwan's control socket", START_LIMIT, || {
            socket.exists()
        })?;
        let swan = Self {
            daemon,
            scratch,
            uri,
        };
        swan.load()?;
        Ok(swan)
    }

    /// Replaces the configuration, with another secret than the usual one.
    ///
    /// # Errors
    /// When it is refused.
    pub fn reload_with_secret(&self, tunnels: &[Tunnel], secret: &str) -> Result<()> {
        let text = render(tunnels, "").replace(SECRET, secret);
        self.scratch.write("swanctl/swanctl.conf", &text)?;
        self.load()
    }

    fn load(&self) -> Result<()> {
        let file = self.scratch.path().join("swanctl/swanctl.conf");
        // Directories of certificates and private keys are looked for beside the file.
        let mut last = String::new();
        let loaded = wait::until("swanctl --load-all", START_LIMIT, || {
            let file = file.display().to_string();
            match self.control(&["--load-all", "--file", &file]) {
                Ok(_) => true,
                Err(error) => {
                    last = error.to_string();
                    false
                }
            }
        });
        match loaded {
            Ok(_) => Ok(()),
            Err(error) => bail!("{error}: {last}"),
        }
    }

    /// Runs swanctl.
    ///
    /// # Errors
    /// When it fails or hangs.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let all = [arguments, &["--uri", &self.uri]].concat();
        let (success, output) = attempt("swanctl", &all, CONTROL_LIMIT)?;
        if !success {
            bail!("swanctl {}: {output}", arguments.join(" "));
        }
        Ok(output)
    }

    /// Sets the child of that name up, as initiator.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn initiate(&self, name: &str) -> Result<String> {
        self.control(&["--initiate", "--child", name, "--timeout", INITIATE_LIMIT])
    }

    /// The established SAs, as strongSwan lists them.
    ///
    /// # Errors
    /// When swanctl fails.
    pub fn sas(&self) -> Result<String> {
        self.control(&["--list-sas"])
    }

    /// How many Child SAs are installed.
    ///
    /// # Errors
    /// When swanctl fails.
    pub fn installed_children(&self) -> Result<usize> {
        Ok(self.sas()?.matches(", INSTALLED,").count())
    }

    /// The daemon's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
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

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }
}

fn daemon_configuration(uri: &str, log: &Path, settings: Settings) -> String {
    let setting = |key: &str, value: Option<u32>| {
        value.map_or_else(String::new, |value| format!("  {key} = {value}\n"))
    };
    let mut chosen = setting("retransmit_tries", settings.retransmit_tries)
        + &setting("fragment_size", settings.fragment_size)
        + &setting("retransmit_timeout", settings.retransmit_every_s)
        + &setting("retransmit_base", settings.retransmit_every_s.map(|_| 1));
    let plugins = match settings.esp {
        Esp::UserSpace => PLUGINS.to_owned(),
        Esp::Nowhere => PLUGINS.replace(USER_SPACE_ESP, ""),
    };
    let level = if settings.for_many { 0 } else { 1 };
    if settings.for_many {
        chosen.push_str(FOR_MANY);
    }
    // The plugin replaces this file when a DNS server comes or goes, so it must be a file of ours.
    let resolved = log.with_file_name("resolv.conf");
    let (log, resolved) = (log.display(), resolved.display());
    format!(
        "charon-systemd {{\n  load = {plugins}\n  threads = 24\n  \
         i_dont_care_about_security_and_use_aggressive_mode_psk = yes\n{chosen}  plugins {{\n    vici {{\n      \
         socket = {uri}\n    }}\n    resolve {{\n      file = {resolved}\n    }}\n  }}\n  filelog {{\n    \
         test {{\n      path = {log}\n      append = yes\n      flush_line = yes\n      default = {level}\n      \
         time_format = %T\n    }}\n  }}\n  journal {{\n    default = -1\n  }}\n}}\n"
    )
}

fn render(tunnels: &[Tunnel], extra: &str) -> String {
    let mut text = String::from("connections {\n");
    for tunnel in tunnels {
        render_connection(tunnel, &mut text);
    }
    let _ = write!(
        text,
        "}}\nsecrets {{\n  ike-test {{\n    secret = {SECRET}\n  }}\n}}\n{extra}\n"
    );
    text
}

fn render_connection(tunnel: &Tunnel, text: &mut String) {
    let Tunnel {
        name,
        local,
        remote,
        ike,
        esp,
        version,
        ..
    } = tunnel;
    let psk = || "      auth = psk\n".to_owned();
    let [local_auth, remote_auth] = match &tunnel.auth {
        Some(ends) => ends.each_ref().map(|settings| lines(settings, 6)),
        None => [psk(), psk()],
    };
    // Each closing brace on a line of its own: swanctl 5.9 never returns otherwise.
    let _ = write!(
        text,
        "  {name} {{\n    version = {version}\n    mobike = no\n    local_addrs = {}\n    remote_addrs = {}\n    \
         proposals = {ike}\n{}    local {{\n{}      id = {}\n    }}\n    remote {{\n\
         {}      id = {}\n    }}\n{}    children {{\n{}",
        local.address,
        remote.address,
        lines(&tunnel.connection, 4),
        local_auth,
        local.id,
        remote_auth,
        remote.id,
        sections(tunnel),
        render_child(
            name,
            esp,
            &local.selectors,
            &remote.selectors,
            &tunnel.child
        ),
    );
    for (name, local, remote) in &tunnel.more_children {
        let [local, remote] = [local, remote].map(core::slice::from_ref);
        text.push_str(&render_child(name, esp, local, remote, &[]));
    }
    text.push_str("    }\n  }\n");
}

fn sections(tunnel: &Tunnel) -> String {
    let section = |(name, settings): &(String, Vec<(String, String)>)| {
        format!("    {name} {{\n{}    }}\n", lines(settings, 6))
    };
    tunnel.sections.iter().map(section).collect()
}

fn render_child(
    name: &str,
    esp: &str,
    local: &[String],
    remote: &[String],
    settings: &[(String, String)],
) -> String {
    format!(
        "      {name} {{\n        esp_proposals = {esp}\n{}{}{}      }}\n",
        selectors("local_ts", local),
        selectors("remote_ts", remote),
        lines(settings, 8),
    )
}

fn selectors(key: &str, selectors: &[String]) -> String {
    if selectors.is_empty() {
        return String::new();
    }
    format!("        {key} = {}\n", selectors.join(","))
}

fn lines(settings: &[(String, String)], indent: usize) -> String {
    settings
        .iter()
        .fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{:indent$}{key} = {value}", "");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::tunnel::Tunnel;

    #[test]
    fn braces_close_on_lines_of_their_own() {
        let tunnel = Tunnel::of_pair()
            .connection("rekey_time", "5s")
            .child("start_action", "start");
        let text = render(&[tunnel], "");
        assert!(text.contains("    rekey_time = 5s\n"), "{text}");
        assert!(text.contains("        start_action = start\n"), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        for line in text.lines() {
            assert!(!line.contains('}') || line.trim() == "}", "{line}");
        }
    }
}
