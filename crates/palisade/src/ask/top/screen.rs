//! How it looks: a headline, the charts of the status page as bars, and the workers.

use control::view::{ShardStatus, Span};
use control::{Chart, Line, charts};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as TextLine, Span as TextSpan};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};

use super::View;
use crate::ask::show;

/// Columns that two charts beside each other need.
const TWO_COLUMNS: u16 = 90;
/// Lines of the table of workers, its header and frame included, at most.
const WORKERS_MAX: u16 = 10;
/// Bars have whole numbers; what is drawn has fractions.
const SCALE: f64 = 1_000.0;

pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let workers = u16::try_from(view.status.shards.len()).unwrap_or(u16::MAX);
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(4),
        Constraint::Length(workers.saturating_add(3).min(WORKERS_MAX)),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(headline(view)), head);
    for (chart, area) in charts(&view.samples).iter().zip(grid(body)) {
        draw_chart(frame, chart, area);
    }
    draw_workers(frame, &view.status.shards, foot);
}

fn headline(view: &View) -> Vec<TextLine<'static>> {
    let status = &view.status;
    let (word, colour) = match (&view.trouble, status.ready) {
        (Some(_), _) => ("not to be asked", Color::Red),
        (None, true) => ("accepting peers", Color::Green),
        (None, false) => ("not ready", Color::Red),
    };
    let first = TextLine::from(vec![
        TextSpan::styled(
            format!("Palisade {} ", status.version),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        TextSpan::styled(word, Style::new().fg(colour)),
        TextSpan::raw(format!(
            ", up for {}, {} Child SAs, memory {}, engine {}",
            show::seconds(status.uptime_s),
            status.child_sas,
            control::octets(status.resident_bytes),
            status.engine
        )),
    ]);
    let second = view.trouble.clone().unwrap_or_else(|| {
        let span = match view.span {
            Span::Minutes => "last ten minutes; s: a day",
            Span::Day => "last day; s: ten minutes",
        };
        format!("{span}, q: quit")
    });
    vec![first, TextLine::from(second)]
}

/// Places for the charts, line by line.
fn grid(area: Rect) -> Vec<Rect> {
    let columns: u16 = if area.width >= TWO_COLUMNS { 2 } else { 1 };
    let rows = 8 / columns;
    let lines = Layout::vertical((0..rows).map(|_| Constraint::Ratio(1, u32::from(rows))));
    let across = Layout::horizontal((0..columns).map(|_| Constraint::Ratio(1, u32::from(columns))));
    lines
        .split(area)
        .iter()
        .flat_map(|line| across.split(*line).to_vec())
        .collect()
}

fn draw_chart(frame: &mut Frame<'_>, chart: &Chart, area: Rect) {
    let block = Block::bordered().title(title(chart));
    let width = usize::from(block.inner(area).width);
    let values = chart.lines.first().map(|line| line.values.as_slice());
    let values = values.unwrap_or_default();
    let shown = values.get(values.len().saturating_sub(width)..);
    let bars: Vec<Option<u64>> = shown
        .unwrap_or_default()
        .iter()
        .map(|value| value.map(|value| (value * SCALE) as u64))
        .collect();
    let bars = Sparkline::default().data(bars).block(block);
    frame.render_widget(bars.style(Style::new().fg(Color::Cyan)), area);
}

/// The newest values in words.
fn title(chart: &Chart) -> String {
    let values = newest(&chart.lines);
    format!("{}: {values} {}", chart.title, chart.unit)
        .trim_end()
        .to_owned()
}

fn newest(lines: &[Line]) -> String {
    let words = lines.iter().map(|line| {
        let value = line.last().map_or_else(|| "–".to_owned(), number);
        format!("{value} {}", line.name).trim_end().to_owned()
    });
    words.collect::<Vec<_>>().join(", ")
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn draw_workers(frame: &mut Frame<'_>, shards: &[ShardStatus], area: Rect) {
    let rows = shards.iter().map(|shard| {
        Row::new([
            shard.shard.to_string(),
            shard.peers.to_string(),
            shard.timers.to_string(),
            shard.mailbox.to_string(),
            format!("{:.1}s", shard.cpu_s),
        ])
    });
    let table = Table::new(rows, [Constraint::Length(12); 5])
        .header(Row::new(["worker", "peers", "timers", "mailbox", "CPU"]))
        .block(Block::bordered());
    frame.render_widget(table, area);
}

/// One look without a terminal.
pub(super) fn text(view: &View) -> String {
    let mut lines: Vec<String> = headline(view)
        .iter()
        .take(1)
        .map(ToString::to_string)
        .collect();
    for chart in charts(&view.samples) {
        lines.push(title(&chart));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use control::view::{Sample, Status};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn view() -> View {
        let sample = |established| Sample {
            seconds: 2.0,
            established,
            setups: 250,
            lateness_p99_ms: Some(1.25),
            ..Sample::default()
        };
        View {
            status: Status {
                version: "1.2.3".into(),
                ready: true,
                shards: vec![ShardStatus {
                    shard: 0,
                    peers: 77,
                    ..ShardStatus::default()
                }],
                ..Status::default()
            },
            samples: vec![sample(10), sample(20)],
            span: Span::Minutes,
            trouble: None,
        }
    }

    fn drawn(view: &View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
        terminal.draw(|frame| draw(frame, view)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn the_newest_values_stand_over_the_bars() {
        let screen = drawn(&view(), 120, 40);
        for words in [
            "Palisade 1.2.3 accepting peers",
            "Peers: 20 established, 0 half-open",
            "Set-ups: 125 established, 0 failed per second",
            "Lateness of DPD timers: 1.25 99th percentile, – latest ms",
            "Cost of a probe, everything else included: – µs",
        ] {
            assert!(screen.contains(words), "{words}\n{screen}");
        }
        // Twice as many peers, a bar twice as high.
        assert!(screen.contains('█'), "{screen}");
        assert!(screen.lines().any(|line| line.contains("77")), "{screen}");
    }

    #[test]
    fn small_screens_are_no_reason_to_fail() {
        for (width, height) in [(40, 12), (20, 3), (1, 1)] {
            drawn(&view(), width, height);
        }
    }

    #[test]
    fn what_went_wrong_is_told() {
        let trouble = Some("nobody listens".to_owned());
        let screen = drawn(&View { trouble, ..view() }, 120, 40);
        assert!(
            screen.contains("not to be asked") && screen.contains("nobody listens"),
            "{screen}"
        );
    }
}
