use core::time::Duration;
use std::process::ExitCode;

use anyhow::Result;
use control::trace::{Step, TraceRecord};

use super::show;
use crate::cli::{DebugArgs, Format};
use crate::ios;

mod text;

/// `palisade debug TOPIC`.
pub(crate) fn debug(args: &DebugArgs) -> Result<ExitCode> {
    let client = super::client(&args.ask)?;
    let mut path = format!("/v1/trace?topic={}", args.topic.word());
    if let Some(peer) = &args.peer {
        path.push_str(&format!("&peer={}", control::path_segment(peer)));
    }
    let format = if args.ask.json {
        Format::Json
    } else {
        args.format
    };
    let mut left = args.count;
    let mut failed = None;
    let each = |record: TraceRecord| {
        let text = match written(&record, args, format) {
            Ok(text) if text.is_empty() => return true,
            text => text,
        };
        failed = text.and_then(|text| show::write(&text)).err();
        if !matches!(record.step, Step::Missed { .. }) {
            left = left.map(|left| left.saturating_sub(1));
        }
        failed.is_none() && left != Some(0)
    };
    let limit = args.seconds.map(Duration::from_secs);
    if !show::is_piped() {
        eprintln!("watching {}; Ctrl-C ends it", args.topic.word());
    }
    client.follow(&path, limit, || {}, each)?;
    match failed {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// A record as it is shown; empty where the format has no word for it.
fn written(record: &TraceRecord, args: &DebugArgs, format: Format) -> Result<String> {
    let lines = match format {
        Format::Json => vec![serde_json::to_string(record)?],
        Format::Text => vec![text::line(record)],
        Format::Ios => ios::lines(record, args.topic.topic()),
    };
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}
