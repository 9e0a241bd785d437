use std::process::ExitCode;

use anyhow::Result;
use control::view::Event;

use super::show;
use crate::cli::Ask;

/// `palisade events`.
pub(crate) fn events(ask: &Ask) -> Result<ExitCode> {
    let client = super::client(ask)?;
    let mut failed = None;
    let each = |event: Event| {
        let line = if ask.json {
            serde_json::to_string(&event)
                .map(|line| format!("{line}\n"))
                .map_err(Into::into)
        } else {
            Ok(text(&event))
        };
        failed = line.and_then(|line| show::write(&line)).err();
        failed.is_none()
    };
    client.events(|| {}, each)?;
    match failed {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn text(event: &Event) -> String {
    let mut line = format!(
        "{}  {:<17}",
        show::moment(event.unix_ns),
        event.event.as_str()
    );
    for part in [
        &event.identity,
        &event.remote,
        &event.connection,
        &event.detail,
    ] {
        if !part.is_empty() {
            line.push_str("  ");
            line.push_str(part);
        }
    }
    line.push('\n');
    line
}
