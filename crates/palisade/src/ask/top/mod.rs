//! `palisade top`: the service on a terminal, as it goes.

mod screen;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use control::Client;
use control::view::{Sample, Span, Status};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::show;
use crate::cli::TopArgs;

/// How often the service is asked. It has something new every two seconds.
const EVERY: Duration = Duration::from_secs(1);

/// What was learnt last.
pub(super) struct View {
    pub(super) status: Status,
    /// The oldest first.
    pub(super) samples: Vec<Sample>,
    pub(super) span: Span,
    /// Why nothing newer is known.
    pub(super) trouble: Option<String>,
}

impl View {
    fn ask(client: &Client, span: Span) -> Result<Self> {
        Ok(Self {
            status: client.get("/v1/status")?,
            samples: samples(client, span)?,
            span,
            trouble: None,
        })
    }

    /// What was learnt stays when the service cannot be asked: it may be starting again.
    fn refresh(&mut self, client: &Client, span: Span) {
        match Self::ask(client, span) {
            Ok(view) => *self = view,
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}

fn samples(client: &Client, span: Span) -> Result<Vec<Sample>> {
    let path = match span {
        Span::Minutes => "/v1/history?span=minutes",
        Span::Day => "/v1/history?span=day",
    };
    Ok(client.get(path)?)
}

/// `palisade top`.
pub(crate) fn top(args: &TopArgs) -> Result<ExitCode> {
    let client = super::client(&args.ask)?;
    let span = if args.day { Span::Day } else { Span::Minutes };
    if args.ask.json {
        return json(&client, args.once);
    }
    let view = View::ask(&client, span)?;
    if args.once {
        show::write(&screen::text(&view))?;
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(
        std::io::stdout().is_terminal(),
        "this needs a terminal; use --once for one look as text, or --json for a line every two seconds"
    );
    let mut terminal = ratatui::try_init()?;
    let watched = watch(&mut terminal, &client, view);
    ratatui::restore();
    watched.map(|()| ExitCode::SUCCESS)
}

/// A line for each sample, from now on.
fn json(client: &Client, once: bool) -> Result<ExitCode> {
    let mut told = 0;
    loop {
        let newest = samples(client, Span::Minutes)?.pop();
        if let Some(sample) = newest.filter(|sample| sample.unix_ns > told) {
            told = sample.unix_ns;
            show::write(&format!("{}\n", serde_json::to_string(&sample)?))?;
            if once {
                return Ok(ExitCode::SUCCESS);
            }
        }
        std::thread::sleep(EVERY);
    }
}

fn watch(terminal: &mut DefaultTerminal, client: &Client, mut view: View) -> Result<()> {
    loop {
        let asked = Instant::now();
        terminal.draw(|frame| screen::draw(frame, &view))?;
        let mut span = view.span;
        while let Some(patience) = EVERY.checked_sub(asked.elapsed()) {
            if !event::poll(patience)? {
                break;
            }
            match event::read()? {
                Event::Key(key) if is_end(key) => return Ok(()),
                Event::Key(key) if key.code == KeyCode::Char('s') => {
                    span = other(span);
                    break;
                }
                Event::Resize(..) => break,
                _ => {}
            }
        }
        view.refresh(client, span);
    }
}

fn is_end(key: KeyEvent) -> bool {
    let interrupted =
        key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
    key.kind == KeyEventKind::Press
        && (interrupted || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

fn other(span: Span) -> Span {
    match span {
        Span::Minutes => Span::Day,
        Span::Day => Span::Minutes,
    }
}
