use serde::{Deserialize, Serialize};

use super::Status;

/// How far back a history goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// Ten minutes, a sample every two seconds.
    #[default]
    Minutes,
    /// A day, a sample every five minutes.
    Day,
}

/// Which history is wanted of `/v1/history`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// How far back.
    #[serde(default)]
    pub span: Span,
}

/// What the service did in an interval: counts of the interval, and gauges as they stood at its end.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// When the interval ended.
    pub unix_ns: u64,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Established IKE SAs.
    pub established: u64,
    /// IKE SAs whose peer is not authenticated yet.
    pub half_open: u64,
    /// IKE SAs established.
    pub setups: u64,
    /// IKE SAs that failed before they were established.
    pub setup_failures: u64,
    /// Verdicts "dead".
    pub dead: u64,
    /// Peers that were spared a verdict because the fault looked like ours.
    pub suspicions: u64,
    /// Probes sent.
    pub probes: u64,
    /// How late liveness timers were served, 99th percentile, in milliseconds; absent if none was due.
    pub lateness_p99_ms: Option<f64>,
    /// How late the latest of them was, in milliseconds.
    pub lateness_max_ms: Option<f64>,
    /// Octets of inner packets opened.
    pub esp_bytes_in: u64,
    /// Octets of inner packets sealed.
    pub esp_bytes_out: u64,
    /// ESP packets opened.
    pub esp_packets_in: u64,
    /// ESP packets sealed.
    pub esp_packets_out: u64,
    /// Packets dropped by the ESP path.
    pub esp_drops: u64,
    /// Processor time of the whole process, in seconds.
    pub cpu_s: f64,
    /// Resident memory of the process, in octets.
    pub resident_bytes: u64,
}

impl Sample {
    /// What happened between two looks at the service. Suspicions and lateness are not in them.
    #[must_use]
    pub fn between(before: &Status, after: &Status, unix_ns: u64) -> Self {
        let grown = |of: fn(&Status) -> u64| of(after).saturating_sub(of(before));
        Self {
            unix_ns,
            seconds: after.uptime_s - before.uptime_s,
            established: after.ike_established,
            half_open: after.ike_half_open,
            setups: grown(|it| it.setups),
            setup_failures: grown(|it| it.setup_failures),
            dead: grown(|it| it.dead),
            probes: grown(|it| it.dpd_probes),
            esp_bytes_in: grown(|it| it.esp_bytes_in),
            esp_bytes_out: grown(|it| it.esp_bytes_out),
            esp_packets_in: grown(|it| it.esp_packets_in),
            esp_packets_out: grown(|it| it.esp_packets_out),
            esp_drops: grown(|it| it.esp_drops),
            cpu_s: after.cpu_s - before.cpu_s,
            resident_bytes: after.resident_bytes,
            ..Self::default()
        }
    }

    /// Lengthens this sample by the one that follows it.
    pub fn absorb(&mut self, next: &Self) {
        let before = std::mem::replace(self, next.clone());
        self.seconds += before.seconds;
        self.setups += before.setups;
        self.setup_failures += before.setup_failures;
        self.dead += before.dead;
        self.suspicions += before.suspicions;
        self.probes += before.probes;
        self.lateness_p99_ms = later(self.lateness_p99_ms, before.lateness_p99_ms);
        self.lateness_max_ms = later(self.lateness_max_ms, before.lateness_max_ms);
        self.esp_bytes_in += before.esp_bytes_in;
        self.esp_bytes_out += before.esp_bytes_out;
        self.esp_packets_in += before.esp_packets_in;
        self.esp_packets_out += before.esp_packets_out;
        self.esp_drops += before.esp_drops;
        self.cpu_s += before.cpu_s;
    }

    /// A count of the interval as a rate.
    #[must_use]
    pub fn per_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 {
            count as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// Processor time of the whole process for each probe sent, in microseconds: what a probe costs if
    /// there is nothing else to do. `None` if none was sent.
    #[must_use]
    pub fn cpu_us_per_probe(&self) -> Option<f64> {
        (self.probes > 0).then(|| self.cpu_s * 1e6 / self.probes as f64)
    }

    /// Processors in use.
    #[must_use]
    pub fn processors(&self) -> f64 {
        if self.seconds > 0.0 {
            self.cpu_s / self.seconds
        } else {
            0.0
        }
    }
}

fn later(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}
