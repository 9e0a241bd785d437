//! iperf3 between two namespaces.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::network::Namespace;
use crate::process::{Daemon, run};
use crate::scratch::Scratch;
use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(5);
/// What a client may take beyond its time of sending.
const SLACK: Duration = Duration::from_secs(20);

/// The listening end; it serves one client after the other.
pub struct Server<'a> {
    daemon: Daemon,
    address: &'a str,
    _scratch: Scratch,
}

impl<'a> Server<'a> {
    /// Listens in `namespace` at `address`.
    ///
    /// # Errors
    /// When it cannot.
    pub fn start(namespace: &Namespace, address: &'a str) -> Result<Self> {
        let scratch = Scratch::new("iperf3")?;
        let mut command = namespace.command("iperf3");
        command.args(["-s", "-B", address, "--forceflush"]);
        let daemon = Daemon::start("iperf3", &mut command, &scratch.path().join("log"))?;
        wait::until("iperf3 to listen", START_LIMIT, || {
            daemon.log().contains("Server listening")
        })
        .with_context(|| daemon.log())?;
        Ok(Self {
            daemon,
            address,
            _scratch: scratch,
        })
    }

    /// Runs a client in `namespace` with `source` as its address and further `options`, and returns its
    /// report.
    ///
    /// # Errors
    /// When it fails, with what the server has to say.
    pub fn load(
        &self,
        namespace: &Namespace,
        source: &str,
        seconds: u32,
        options: &[&str],
    ) -> Result<Value> {
        let time = seconds.to_string();
        let fixed = [
            "netns",
            "exec",
            namespace.name(),
            "iperf3",
            "-c",
            self.address,
            "-B",
            source,
            "-J",
            "-t",
            &time,
        ];
        let limit = Duration::from_secs(u64::from(seconds)) + SLACK;
        let report =
            run("ip", &[&fixed, options].concat(), limit).with_context(|| self.daemon.log())?;
        // Warnings may follow.
        let first = serde_json::Deserializer::from_str(&report)
            .into_iter()
            .next();
        first.and_then(Result::ok).context(report)
    }
}

/// Bits a second that TCP delivered: from the client to the server or, if reversed, to the client.
#[must_use]
pub fn tcp_received(report: &Value) -> Option<f64> {
    report
        .pointer("/end/sum_received/bits_per_second")
        .and_then(Value::as_f64)
}

/// Bits a second in the second direction of a report on both at once.
#[must_use]
pub fn tcp_received_in_return(report: &Value) -> Option<f64> {
    report
        .pointer("/end/sum_received_bidir_reverse/bits_per_second")
        .and_then(Value::as_f64)
}

/// Octets of payload in a full TCP segment.
#[must_use]
pub fn segment_len(report: &Value) -> Option<f64> {
    report
        .pointer("/start/tcp_mss_default")
        .and_then(Value::as_f64)
}

/// Datagrams a second that arrived.
#[must_use]
pub fn datagrams_received(report: &Value) -> Option<f64> {
    let sum = |name: &str| report.pointer("/end/sum")?.get(name)?.as_f64();
    let arrived = sum("packets")? - sum("lost_packets")?;
    Some(arrived / sum("seconds")?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{datagrams_received, segment_len, tcp_received, tcp_received_in_return};

    #[test]
    fn reports_are_read() {
        let tcp = json!({
            "start": {"tcp_mss_default": 1348},
            "end": {
                "sum_received": {"bits_per_second": 5e9},
                "sum_received_bidir_reverse": {"bits_per_second": 3e9},
            },
        });
        assert_eq!(tcp_received(&tcp), Some(5e9));
        assert_eq!(tcp_received_in_return(&tcp), Some(3e9));
        assert_eq!(segment_len(&tcp), Some(1348.0));
        let udp = json!({"end": {"sum": {"packets": 1000, "lost_packets": 400, "seconds": 2.0}}});
        assert_eq!(datagrams_received(&udp), Some(300.0));
        assert_eq!(datagrams_received(&tcp), None);
    }
}
