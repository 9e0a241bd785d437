//! Shows the course of a run on a terminal, in plain lines or as JSON.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ProgressMode;
use crate::progress::{Line, Progress};

const PLAIN_EVERY: Duration = Duration::from_secs(2);

/// Where progress goes.
pub(crate) enum Display {
    Bar(ProgressBar),
    Plain { last: Option<Instant> },
    Json,
    None,
}

impl Display {
    pub(crate) fn new(mode: ProgressMode, duration_s: f64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        match mode {
            ProgressMode::Json => Self::Json,
            ProgressMode::None => Self::None,
            ProgressMode::Auto if !terminal => Self::Plain { last: None },
            ProgressMode::Plain => Self::Plain { last: None },
            ProgressMode::Auto | ProgressMode::Bar => {
                // A bar of tenths of a second.
                let bar = ProgressBar::new((duration_s * 10.0) as u64);
                let style = ProgressStyle::with_template("{bar:30} {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                Self::Bar(bar)
            }
        }
    }

    pub(crate) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bar(bar) => {
                bar.set_position((progress.elapsed_s * 10.0) as u64);
                bar.set_message(sentence(progress));
            }
            Self::Plain { last } => {
                if last.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
                    *last = Some(Instant::now());
                    eprintln!("{}", sentence(progress));
                }
            }
            Self::Json => print_line(&Line::Progress(*progress)),
            Self::None => {}
        }
    }

    /// Something that only the JSON stream tells at once.
    pub(crate) fn tell(&self, line: &Line) {
        if matches!(self, Self::Json) {
            print_line(line);
        }
    }

    pub(crate) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn print_line(line: &Line) {
    if let Ok(text) = serde_json::to_string(line) {
        let mut out = std::io::stdout().lock();
        // Whoever reads the stream may leave before its end.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

fn sentence(progress: &Progress) -> String {
    let mut text = format!(
        "{:5.1} s  {}/{} up, {:.0} set-ups/s, {} packets verified of {}, {} probes answered",
        progress.elapsed_s,
        progress.up,
        progress.peers,
        progress.setup_per_second,
        progress.esp_verified,
        progress.esp_sent,
        progress.probes_answered,
    );
    let parts = [
        (progress.failed, "failed"),
        (progress.dead, "died"),
        (progress.verdicts, "found dead"),
        (progress.false_verdicts, "falsely declared dead"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    if progress.esp_mismatched > 0 {
        text.push_str(&format!(", {} packets wrong", progress.esp_mismatched));
    }
    text
}
