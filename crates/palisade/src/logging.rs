//! Logs go to standard error, as text or as JSON. Fields are typed and name the peer; a secret has no
//! form in which it could become one.

use std::io::IsTerminal as _;

use config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// Starts to log. `PALISADE_LOG` overrides the level, in the syntax of tracing's filter.
pub(crate) fn start(settings: LogSettings) {
    let filter = EnvFilter::try_from_env("PALISADE_LOG")
        .unwrap_or_else(|_| EnvFilter::new(settings.level.as_str()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}
