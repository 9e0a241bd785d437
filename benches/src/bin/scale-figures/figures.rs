use palisade_load::report::Score;
use serde_json::{Value, json};

/// What a run found.
pub(crate) struct Figures {
    pub(crate) peers: u32,
    pub(crate) established: u32,
    pub(crate) shards: u16,
    pub(crate) setup_per_second: f64,
    /// p50, p99 and the largest.
    pub(crate) setup_ms: [f64; 3],
    /// Processor time of the whole headend process a set-up, probes taken off.
    pub(crate) setup_cpu_us: f64,
    /// Growth of resident memory over the peers.
    pub(crate) rss_bytes_per_peer: f64,
    pub(crate) probes_per_second: f64,
    /// Processor time of the whole headend process over the probes, while nothing else happened.
    pub(crate) cpu_us_per_probe: f64,
    pub(crate) idle_cpu_percent: f64,
    pub(crate) timers: f64,
    /// p50, p99, p99.9 and the largest: upper bounds of the histogram's buckets.
    pub(crate) lateness_ms: [f64; 4],
    pub(crate) scrape_ms: f64,
    /// Processor time of the headend from the deaths to the end, probes taken off.
    pub(crate) death_cpu_s: f64,
    /// Longest time in which the control socket answered meanwhile.
    pub(crate) control_ms_max: f64,
    /// From the start of the headend until it is ready.
    pub(crate) start_s: f64,
    /// To list all peers as JSON.
    pub(crate) list_s: f64,
    /// To read the configuration again.
    pub(crate) reload_s: f64,
    pub(crate) score: Score,
    /// Tunnels that ended though nobody asked for it.
    pub(crate) losses: u32,
    pub(crate) generator_rss_bytes: u64,
}

impl Figures {
    /// Whether everybody came, nobody was lost, and exactly the dead were found, in time.
    pub(crate) fn all_as_it_should_be(&self) -> bool {
        self.established == self.peers && self.losses == 0 && self.score.is_success()
    }

    pub(crate) fn to_json(&self) -> Value {
        let [setup_p50, setup_p99, setup_max] = self.setup_ms;
        let [p50, p99, p999, max] = self.lateness_ms.map(finite);
        let detection = &self.score.detection_s;
        json!({
            "peers": self.peers,
            "established": self.established,
            "shards": self.shards,
            "setup_per_second": self.setup_per_second,
            "setup_ms": {"p50": setup_p50, "p99": setup_p99, "max": setup_max},
            "setup_cpu_us": self.setup_cpu_us,
            "rss_bytes_per_peer": self.rss_bytes_per_peer,
            "probes_per_second": self.probes_per_second,
            "cpu_us_per_probe": self.cpu_us_per_probe,
            "idle_cpu_percent": self.idle_cpu_percent,
            "timers": self.timers,
            "lateness_ms": {"p50": p50, "p99": p99, "p999": p999, "max": max},
            "scrape_ms": self.scrape_ms,
            "true_dead": self.score.dead_detected,
            "false_dead": self.score.false_dead,
            "missed_dead": self.score.dead_missed + self.score.dead_undue,
            "late_dead": self.score.dead_late,
            "detection_s": {"p50": detection.p50, "p99": detection.p99, "max": detection.max},
            "detection_bound_s": self.score.bound_s,
            "death_cpu_s": self.death_cpu_s,
            "control_ms_max": self.control_ms_max,
            "start_s": self.start_s,
            "list_s": self.list_s,
            "reload_s": self.reload_s,
            "losses": self.losses,
            "generator_rss_bytes": self.generator_rss_bytes,
        })
    }

    pub(crate) fn to_table(&self) -> String {
        let [setup_p50, setup_p99, setup_max] = self.setup_ms;
        let [p50, p99, p999, max] = self.lateness_ms;
        let score = &self.score;
        let detection = &score.detection_s;
        let allowed = score.bound_s.unwrap_or_default();
        format!(
            "\
peers        {} of {} up at {:.0} a second, {} workers
set-up       {:.0} us of processor time; {setup_p50:.2} / {setup_p99:.2} / {setup_max:.2} ms (p50 / p99 / max)
memory       {:.0} octets a peer; generator {:.0} MB in all
probes       {:.0} a second, {:.1} us of processor time each ({:.1} % of a core in all)
timers       {:.0}, late by at most {p50:.0} / {p99:.0} / {p999:.0} / {max:.0} ms (p50 / p99 / p99.9 / max)
scrape       {:.1} ms
operation    {:.2} s to start, {:.2} s to list all peers, {:.2} s to read the configuration again
verdicts     {} of {} dead found, {} late, {} living declared dead
detection    {:.2} / {:.2} / {:.2} s (p50 / p99 / max), {allowed:.2} s allowed
deaths       {:.2} s of processor time; the control socket took {:.1} ms at most
",
            self.established,
            self.peers,
            self.setup_per_second,
            self.shards,
            self.setup_cpu_us,
            self.rss_bytes_per_peer,
            self.generator_rss_bytes as f64 / 1e6,
            self.probes_per_second,
            self.cpu_us_per_probe,
            self.idle_cpu_percent,
            self.timers,
            self.scrape_ms,
            self.start_s,
            self.list_s,
            self.reload_s,
            score.dead_detected,
            score.dead_injected,
            score.dead_late,
            score.false_dead,
            detection.p50,
            detection.p99,
            detection.max,
            self.death_cpu_s,
            self.control_ms_max,
        )
    }
}

/// JSON knows no infinity: a value beyond the last bucket is not a number there.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
