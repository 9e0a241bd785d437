//! The program under test in a namespace.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::network::Namespace;
use crate::process::{Daemon, attempt};
use crate::scratch::Scratch;
use crate::tunnel::{SECRET, Tunnel};
use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(20);
const CONTROL_LIMIT: Duration = Duration::from_secs(10);
/// Variables of the environment that say what every headend shall use, and what they are called in a
/// configuration.
const WAYS: [(&str, &str); 2] = [
    ("PALISADE_TEST_ENGINE", "engine"),
    ("PALISADE_TEST_OFFLOAD", "offload"),
];
const METRICS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9477);

/// A running headend.
pub struct Palisade<'a> {
    daemon: Daemon,
    scratch: Scratch,
    namespace: &'a Namespace,
    program: PathBuf,
}

impl<'a> Palisade<'a> {
    /// Starts `palisade run` in `namespace` with `tunnels`, and with `extra` sections as they are,
    /// and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(namespace: &'a Namespace, tunnels: &[Tunnel], extra: &str) -> Result<Self> {
        Self::start_program(program()?, namespace, tunnels, extra)
    }

    /// As [`Self::start`], with the program at `program` instead of the one that the environment names.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_program(
        program: PathBuf,
        namespace: &'a Namespace,
        tunnels: &[Tunnel],
        extra: &str,
    ) -> Result<Self> {
        Self::start_with(program, namespace, &render(tunnels, extra))
    }

    /// Starts the program at `program` in `namespace` with a configuration as it is, and waits until
    /// it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_with(program: PathBuf, namespace: &'a Namespace, text: &str) -> Result<Self> {
        let scratch = Scratch::new("headend")?;
        let configuration = scratch.write("palisade.toml", text)?;
        let arguments = ["--config".into(), configuration.into()];
        Self::launch(program, namespace, scratch, &arguments)
    }

    /// Starts `palisade run` with what `palisade import ios` makes of `sources`, each a name and a text,
    /// and of the lines `with`. The import must be complete.
    ///
    /// # Errors
    /// When it is not, or the service does not become ready.
    pub fn start_imported(
        namespace: &'a Namespace,
        sources: &[(&str, &str)],
        with: &[&str],
    ) -> Result<Self> {
        let scratch = Scratch::new("headend")?;
        let mut arguments = vec!["import".to_owned(), "ios".to_owned()];
        for (name, text) in sources {
            arguments.push(scratch.write(name, text)?.display().to_string());
        }
        for line in with {
            arguments.extend(["--with".to_owned(), (*line).to_owned()]);
        }
        let configuration = scratch.path().join("palisade.toml");
        let output = configuration.display().to_string();
        arguments.extend(["--check", "--output", &output].map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let program = program()?;
        let name = program.display().to_string();
        let (complete, told) = attempt(&name, &arguments, CONTROL_LIMIT)?;
        if !complete {
            bail!("the import is not complete: {told}");
        }
        let arguments = ["--config".into(), configuration.into()];
        Self::launch(program, namespace, scratch, &arguments)
    }

    /// Starts `palisade run` with nothing to go by but its embedded configuration.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_embedded(namespace: &'a Namespace) -> Result<Self> {
        Self::launch(program()?, namespace, Scratch::new("headend")?, &[])
    }

    fn launch(
        program: PathBuf,
        namespace: &'a Namespace,
        scratch: Scratch,
        arguments: &[OsString],
    ) -> Result<Self> {
        let mut command = namespace.command(&program.display().to_string());
        command
            .arg("run")
            .args(arguments)
            .arg("--state-dir")
            .arg(scratch.path().join("state"))
            .arg("--run-dir")
            .arg(scratch.path().join("run"));
        let daemon = Daemon::start("palisade", &mut command, &scratch.path().join("log"))?;
        let mut headend = Self {
            daemon,
            scratch,
            namespace,
            program,
        };
        headend.await_ready()?;
        Ok(headend)
    }

    fn await_ready(&mut self) -> Result<()> {
        let namespace = self.namespace;
        let daemon = &mut self.daemon;
        let mut ended = None;
        wait::until("palisade to become ready", START_LIMIT, || {
            ended = daemon.ended().ok().flatten();
            ended.is_some() || http_get(namespace, "/readyz").is_ok_and(|(status, _)| status == 200)
        })
        .with_context(|| self.daemon.log())?;
        match ended {
            Some(status) => bail!("palisade ended with {status}:\n{}", self.daemon.log()),
            None => Ok(()),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Its control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.scratch.path().join("run").join("control.sock")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Waits until `text` has been logged, and tells how long that took.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub fn await_log(&self, text: &str, limit: Duration) -> Result<Duration> {
        wait::until(text, limit, || self.log().contains(text))
    }

    /// Runs one of palisade's own commands against the running service.
    ///
    /// # Errors
    /// When it fails.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let program = self.program.display().to_string();
        let run_dir = self.scratch.path().join("run").display().to_string();
        let all = [arguments, &["--run-dir", &run_dir]].concat();
        let (success, output) = attempt(&program, &all, CONTROL_LIMIT)?;
        if !success {
            bail!("palisade {}: {output}", arguments.join(" "));
        }
        Ok(output)
    }

    /// As [`Self::control`] with `--json`, parsed.
    ///
    /// # Errors
    /// When it fails or is not JSON.
    pub fn query(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.control(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&output).with_context(|| output)
    }

    /// The metrics page.
    ///
    /// # Errors
    /// When it is not served.
    pub fn metrics(&self) -> Result<String> {
        let (status, body) = http_get(self.namespace, "/metrics")?;
        if status != 200 {
            bail!("/metrics answered {status}");
        }
        Ok(body)
    }

    /// What the headend has dropped so far, for messages: the series that count drops and are not
    /// zero.
    #[must_use]
    pub fn drops(&self) -> String {
        let page = self.metrics().unwrap_or_else(|error| error.to_string());
        let counted =
            |line: &&str| !line.starts_with('#') && line.contains("drop") && !line.ends_with(" 0");
        page.lines().filter(counted).collect::<Vec<_>>().join("\n")
    }

    /// The sum over all series of `name` whose labels contain `label`.
    ///
    /// # Errors
    /// When the metrics are not served.
    pub fn metric(&self, name: &str, label: &str) -> Result<f64> {
        Ok(sum_of(&self.metrics()?, name, label))
    }

    /// Resident memory in octets.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.daemon.resident_bytes()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.daemon.ended()?.is_none())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// SIGTERM, and the exit status.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.daemon.terminate(Duration::from_secs(10))
    }
}

/// The built program: `PALISADE_PROGRAM` says where, and `cargo xtask test` sets that.
fn program() -> Result<PathBuf> {
    std::env::var_os("PALISADE_PROGRAM")
        .map(PathBuf::from)
        .context("PALISADE_PROGRAM is not set: run `cargo xtask test`")
}

fn http_get(namespace: &Namespace, path: &str) -> Result<(u16, String)> {
    namespace.enter(|| {
        let mut stream = TcpStream::connect_timeout(&METRICS, CONTROL_LIMIT)?;
        stream.set_read_timeout(Some(CONTROL_LIMIT))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: headend\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("no end of the header")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    })?
}

fn sum_of(metrics: &str, name: &str, label: &str) -> f64 {
    metrics
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(labelled) => labelled.split_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            labels
                .contains(label)
                .then(|| value.split(' ').next()?.parse::<f64>().ok())?
        })
        .sum()
}

fn render(tunnels: &[Tunnel], extra: &str) -> String {
    let mut text = String::from("[log]\nlevel = \"debug\"\n");
    for tunnel in tunnels {
        render_connection(tunnel, &mut text);
    }
    let wanted = WAYS.map(|(variable, key)| (key, std::env::var(variable).unwrap_or_default()));
    let extra = with_way(extra, &wanted);
    let _ = write!(text, "[secrets.test]\nsecret = \"{SECRET}\"\n{extra}\n");
    text
}

/// Further sections of a configuration with these values in `[headend]`, unless they are empty or the
/// sections say something themselves.
fn with_way(extra: &str, wanted: &[(&str, String)]) -> String {
    let lines: String = wanted
        .iter()
        .filter(|(key, value)| !value.is_empty() && !extra.contains(&format!("{key} = ")))
        .map(|(key, value)| match value.as_str() {
            "true" | "false" => format!("{key} = {value}\n"),
            _ => format!("{key} = \"{value}\"\n"),
        })
        .collect();
    let heading = "[headend]\n";
    if lines.is_empty() {
        extra.to_owned()
    } else if extra.contains(heading) {
        extra.replacen(heading, &format!("{heading}{lines}"), 1)
    } else {
        format!("{heading}{lines}{extra}")
    }
}

fn render_connection(tunnel: &Tunnel, text: &mut String) {
    let Tunnel {
        name,
        local,
        remote,
        ike,
        esp,
        ..
    } = tunnel;
    let [local_auth, remote_auth] = match &tunnel.auth {
        Some(ends) => ends.each_ref().map(|settings| lines(settings)),
        None => ["", ""].map(str::to_owned),
    };
    let _ = write!(
        text,
        "[connections.{name}]\nversion = {}\n{}{}proposals = {}\n{}\
         [connections.{name}.local]\n{}id = \"{}\"\n\
         [connections.{name}.remote]\n{}id = \"{}\"\n",
        tunnel.version,
        addresses("local_addrs", &local.address),
        addresses("remote_addrs", &remote.address),
        list(ike.split(',')),
        lines(&tunnel.connection),
        local_auth,
        local.id,
        remote_auth,
        remote.id,
    );
    let mut child = |child: &str, local: &[String], remote: &[String], settings| {
        let _ = write!(
            text,
            "[connections.{name}.children.{child}]\nesp_proposals = {}\n{}{}{}",
            list(esp.split(',')),
            selectors("local_ts", local),
            selectors("remote_ts", remote),
            lines(settings),
        );
    };
    child(name, &local.selectors, &remote.selectors, &tunnel.child);
    for (name, local, remote) in &tunnel.more_children {
        let [local, remote] = [local, remote].map(core::slice::from_ref);
        child(name, local, remote, &[]);
    }
}

fn addresses(key: &str, address: &str) -> String {
    if address == "%any" {
        return String::new();
    }
    format!("{key} = [\"{address}\"]\n")
}

fn selectors(key: &str, selectors: &[String]) -> String {
    if selectors.is_empty() {
        return String::new();
    }
    format!("{key} = {}\n", list(selectors.iter().map(String::as_str)))
}

fn list<'t>(items: impl Iterator<Item = &'t str>) -> String {
    let quoted: Vec<String> = items.map(|item| format!("\"{}\"", item.trim())).collect();
    format!("[{}]", quoted.join(", "))
}

fn lines(settings: &[(String, String)]) -> String {
    settings
        .iter()
        .fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{key} = {value}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::{sum_of, with_way};

    #[test]
    fn a_way_is_added_where_none_is_named() {
        let way = |engine: &str, offload: &str| {
            [
                ("engine", engine.to_owned()),
                ("offload", offload.to_owned()),
            ]
        };
        let added = |extra| with_way(extra, &way("epoll", ""));
        let whole = "[headend]\nengine = \"epoll\"\n";
        assert_eq!(added("[pools.a]\n"), format!("{whole}[pools.a]\n"));
        let section = "[headend]\noffload = true\n";
        assert_eq!(added(section), format!("{whole}offload = true\n"));
        let named = "[headend]\nengine = \"io_uring\"\n";
        assert_eq!(added(named), named);
        assert_eq!(with_way(section, &way("", "")), section);
        assert_eq!(
            with_way("", &way("", "false")),
            "[headend]\noffload = false\n"
        );
        assert_eq!(with_way(section, &way("", "false")), section);
    }

    #[test]
    fn series_are_summed_by_name_and_label() {
        let page = "# HELP palisade_drops_total Drops.\n\
                    palisade_drops_total{shard=\"0\",reason=\"replay\"} 2\n\
                    palisade_drops_total{shard=\"1\",reason=\"replay\"} 3\n\
                    palisade_drops_total{shard=\"1\",reason=\"icv\"} 5\n\
                    palisade_drops_total_other 7\n\
                    palisade_wheel_timers 11 1700000000\n";
        assert!((sum_of(page, "palisade_drops_total", "reason=\"replay\"") - 5.0).abs() < 1e-9);
        assert!((sum_of(page, "palisade_drops_total", "") - 10.0).abs() < 1e-9);
        assert!((sum_of(page, "palisade_wheel_timers", "") - 11.0).abs() < 1e-9);
    }
}
