//! What is seen while the demonstration runs: a block that is drawn anew on a terminal, plain lines
//! elsewhere. Both go to standard error, so that standard output holds the report alone.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::Moment;
use super::plan::Plan;

/// Columns of a bar.
const BAR: usize = 28;
/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(2);

pub(super) struct Display {
    terminal: bool,
    quiet: bool,
    duration_s: f64,
    metrics_url: String,
    /// Lines of the block that stands on the terminal.
    drawn: usize,
    next_plain: Duration,
}

impl Display {
    pub(super) fn new(plan: &Plan, metrics_url: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let display = Self {
            terminal,
            // Scripts that want JSON and have no terminal want nothing else.
            quiet: plan.json && !terminal,
            duration_s: plan.duration_s,
            metrics_url: metrics_url.to_owned(),
            drawn: 0,
            next_plain: Duration::ZERO,
        };
        if !display.quiet {
            eprintln!(
                "Palisade: a headend on loopback and {} peers in a process of their own; {} of them will die silently.",
                plan.peers, plan.dead
            );
            eprintln!("Dead peer detection, {}.", plan.policy_text());
            eprintln!("Metrics while it runs: {metrics_url}\n");
        }
        display
    }

    pub(super) fn show(&mut self, moment: &Moment, elapsed: Duration) {
        if self.quiet {
            return;
        }
        if self.terminal {
            self.draw(moment);
        } else if elapsed >= self.next_plain {
            self.next_plain = elapsed + PLAIN_EVERY;
            eprintln!("{}", plain(moment));
        }
    }

    fn draw(&mut self, moment: &Moment) {
        let lines = block(moment, self.duration_s, &self.metrics_url);
        let mut out = String::new();
        if self.drawn > 0 {
            // ECMA-48: cursor up, to the first column.
            out.push_str(&format!("\x1b[{}F", self.drawn));
        }
        for line in &lines {
            // ECMA-48: erase to the end of the line.
            out.push_str(line);
            out.push_str("\x1b[K\n");
        }
        self.drawn = lines.len();
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().lock().write_all(out.as_bytes());
    }

    /// Leaves what stands and begins a line of its own.
    pub(super) fn finish(&mut self) {
        if self.drawn > 0 {
            eprintln!();
        }
        self.drawn = 0;
    }
}

fn block(moment: &Moment, duration_s: f64, metrics_url: &str) -> Vec<String> {
    let Moment { headend, peers } = moment;
    let share = |part: f64, whole: f64| {
        if whole > 0.0 {
            (part / whole).clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    let up = share(f64::from(peers.up), f64::from(peers.peers));
    let passed = share(peers.elapsed_s, duration_s);
    vec![
        format!(
            "  time      {} {:4.0} of {duration_s:.0} s",
            bar(passed),
            peers.elapsed_s
        ),
        format!(
            "  peers     {} {} of {} up, {:.0} set-ups/s",
            bar(up),
            peers.up,
            peers.peers,
            peers.setup_per_second
        ),
        format!(
            "  traffic   {} packets there, {} back and checked, {} wrong",
            peers.esp_sent, peers.esp_verified, peers.esp_mismatched
        ),
        format!(
            "  probes    {} sent, {} answered by peers",
            headend.dpd_probes, peers.probes_answered
        ),
        format!(
            "  deaths    {} died, {} found dead, {} living declared dead",
            peers.dead, peers.verdicts, peers.false_verdicts
        ),
        format!(
            "  headend   {} on {} workers, {:.1} s of CPU; {metrics_url}",
            control::octets(headend.resident_bytes),
            headend.shards.len(),
            headend.cpu_s
        ),
    ]
}

fn bar(share: f64) -> String {
    let full = (share * BAR as f64).round() as usize;
    (0..BAR)
        .map(|column| if column < full { '█' } else { '░' })
        .collect()
}

fn plain(moment: &Moment) -> String {
    let Moment { headend, peers } = moment;
    format!(
        "{:5.1} s  {} of {} up, {:.0} set-ups/s, {} packets checked, {} wrong, {} probes, {} died, {} found dead, {} falsely, {}",
        peers.elapsed_s,
        peers.up,
        peers.peers,
        peers.setup_per_second,
        peers.esp_verified,
        peers.esp_mismatched,
        headend.dpd_probes,
        peers.dead,
        peers.verdicts,
        peers.false_verdicts,
        control::octets(headend.resident_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_up() {
        assert_eq!(bar(0.0).matches('█').count(), 0);
        assert_eq!(bar(0.5).matches('█').count(), BAR / 2);
        assert_eq!(bar(1.0).matches('█').count(), BAR);
        assert_eq!(bar(0.3).chars().count(), BAR);
    }
}
