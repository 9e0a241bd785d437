//! Certificates of ours that peers will refuse.

use std::time::SystemTime;

use config::Config;
use crypto::UnixTime;

/// What the wall clock shows.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime(since.unwrap_or_default().as_secs())
}

/// Says, at the start and whenever the configuration was read, which are not valid.
pub(super) fn tell(config: &Config) {
    for warning in config.invalid_certificates(now()) {
        tracing::warn!(line = warning.line, "{}", warning.message);
    }
}
