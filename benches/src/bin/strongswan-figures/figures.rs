use std::fmt::Write as _;

use serde_json::{Value, json};

/// What one contestant's run found.
pub(crate) struct Figures {
    pub(crate) program: &'static str,
    pub(crate) peers: u32,
    /// Those that got their tunnel; the figures are about them.
    pub(crate) established: u32,
    /// Processor time of the whole process a set-up, probes taken off.
    pub(crate) setup_cpu_us: f64,
    /// As the peers see it: p50 and p99.
    pub(crate) setup_ms: [f64; 2],
    /// Growth of resident memory over the peers.
    pub(crate) bytes_per_peer: f64,
    /// Living peers that lost their tunnel.
    pub(crate) lost_alive: u32,
    /// What came after the set-ups, unless they were wanted alone.
    pub(crate) life: Option<Life>,
}

/// What idle peers cost, and what their deaths.
pub(crate) struct Life {
    pub(crate) probes_per_second: f64,
    /// Processor time of the whole process over the probes, while nothing else happened.
    pub(crate) probe_cpu_us: f64,
    /// From the death of all peers to the answer that half of them, and all of them, are gone; `None`
    /// if there was none.
    pub(crate) half_gone_s: Option<f64>,
    pub(crate) all_gone_s: Option<f64>,
    pub(crate) bound_s: f64,
    /// Processor time from the deaths until all were gone.
    pub(crate) death_cpu_s: f64,
    /// Longest time in which its own command answered meanwhile.
    pub(crate) control_ms_max: f64,
}

impl Figures {
    pub(crate) fn to_json(&self) -> Value {
        let [setup_p50, setup_p99] = self.setup_ms;
        json!({
            "program": self.program,
            "peers": self.peers,
            "established": self.established,
            "setup_cpu_us": self.setup_cpu_us,
            "setup_ms": {"p50": setup_p50, "p99": setup_p99},
            "rss_bytes_per_peer": self.bytes_per_peer,
            "lost_alive": self.lost_alive,
            "life": self.life.as_ref().map(Life::to_json),
        })
    }
}

impl Life {
    fn to_json(&self) -> Value {
        json!({
            "probes_per_second": self.probes_per_second,
            "cpu_us_per_probe": self.probe_cpu_us,
            "half_gone_s": self.half_gone_s,
            "all_gone_s": self.all_gone_s,
            "detection_bound_s": self.bound_s,
            "death_cpu_s": self.death_cpu_s,
            "control_ms_max": self.control_ms_max,
        })
    }
}

/// How a figure is read from a run and written.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: [Row; 5] = [
    ("peers established", |f| f.established.to_string()),
    ("set-up, processor time, µs", |f| {
        format!("{:.0}", f.setup_cpu_us)
    }),
    ("set-up as a peer sees it, p50 / p99, ms", |f| {
        let [p50, p99] = f.setup_ms;
        format!("{p50:.1} / {p99:.1}")
    }),
    ("memory per peer, octets", |f| {
        format!("{:.0}", f.bytes_per_peer)
    }),
    ("living peers that lost their tunnel", |f| {
        f.lost_alive.to_string()
    }),
];

/// The same for what came after the set-ups.
type LifeRow = (&'static str, fn(&Life) -> String);

const LIFE_ROWS: [LifeRow; 5] = [
    ("probes a second", |f| format!("{:.0}", f.probes_per_second)),
    ("a probe and its answer, processor time, µs", |f| {
        format!("{:.1}", f.probe_cpu_us)
    }),
    ("all die at once: half / all gone after, s", |f| {
        format!("{} / {}", seconds(f.half_gone_s), seconds(f.all_gone_s))
    }),
    ("processor time for these deaths, s", |f| {
        format!("{:.2}", f.death_cpu_s)
    }),
    ("its own command answered meanwhile within, ms", |f| {
        format!("{:.0}", f.control_ms_max)
    }),
];

fn seconds(time: Option<f64>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{time:.2}"))
}

/// The contestants beside each other, as Markdown.
pub(crate) fn to_table(runs: &[Figures]) -> String {
    let peers = runs.first().map_or(0, |run| run.peers);
    let mut out = format!("| {peers} peers |");
    let mut rule = String::from("|---|");
    // Writing into a string cannot fail.
    for run in runs {
        let _ = write!(out, " {} |", run.program);
        rule.push_str("---|");
    }
    let _ = writeln!(out, "\n{rule}");
    let mut row = |name: &str, figures: Vec<String>| {
        let _ = writeln!(out, "| {name} | {} |", figures.join(" | "));
    };
    for (name, write_figure) in ROWS {
        row(name, runs.iter().map(write_figure).collect());
    }
    let lives: Option<Vec<&Life>> = runs.iter().map(|run| run.life.as_ref()).collect();
    if let Some(lives) = lives {
        for (name, write_figure) in LIFE_ROWS {
            row(name, lives.iter().map(|life| write_figure(life)).collect());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contestant_has_a_column_and_what_never_came_is_said() {
        let run = |program, life: Option<Option<f64>>| Figures {
            program,
            peers: 7,
            established: 7,
            setup_cpu_us: 1.0,
            setup_ms: [1.0, 2.0],
            bytes_per_peer: 3_000.0,
            lost_alive: 0,
            life: life.map(|all_gone_s| Life {
                probes_per_second: 1.0,
                probe_cpu_us: 5.0,
                half_gone_s: Some(15.0),
                all_gone_s,
                bound_s: 20.0,
                death_cpu_s: 1.0,
                control_ms_max: 4.0,
            }),
        };
        let table = to_table(&[run("one", Some(Some(19.5))), run("other", Some(None))]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), ROWS.len() + LIFE_ROWS.len() + 2);
        assert!(lines.iter().all(|line| line.matches('|').count() == 4));
        assert!(
            table.contains("| 15.00 / 19.50 | 15.00 / never |"),
            "{table}"
        );
        let setups = to_table(&[run("one", None), run("other", None)]);
        assert_eq!(setups.lines().count(), ROWS.len() + 2);
    }
}
