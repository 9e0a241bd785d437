//! Lines that stand in the system log, too.

use control::trace::TraceRecord;

use super::endpoint;

/// The end of a tunnel, or its beginning. Without an identity the address stands for it.
pub(crate) fn session_line(up: bool, remote: &str, identity: &str) -> String {
    let (address, port) = endpoint(remote);
    let state = if up { "UP  ." } else { "DOWN." };
    let id = if identity.is_empty() {
        address
    } else {
        identity
    };
    format!(
        "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is {state}  Peer {address}:{port}       Id: {id}"
    )
}

/// The same of a record.
pub(super) fn session_status(up: bool, record: &TraceRecord) -> String {
    session_line(up, &record.remote, &record.identity)
}

/// The last try went unanswered.
pub(crate) fn not_responding(remote: &str) -> String {
    format!("peer {} not responding!", endpoint(remote).0)
}

/// The SAs of a dead peer go.
pub(super) fn deleting_sa(reason: &str, role: char, state: &str, remote: &str) -> String {
    let (address, what) = (endpoint(remote).0, deleting(reason));
    format!("{what} state ({role}) {state} (peer {address}) input queue 0")
}

/// The beginning of that line.
pub(crate) fn deleting(reason: &str) -> String {
    format!("deleting SA reason \"{reason}\"")
}
