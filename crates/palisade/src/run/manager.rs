//! What the service manager is told (sd_notify(3)). Without one, nobody is.

use sd_notify::NotifyState;

/// Peers are accepted from now on.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] ends that.
pub(super) fn reloading() {
    notify(&[NotifyState::Reloading]);
}

/// The service is going down.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// All workers go round. Who asked for a watchdog restarts the service when this is not said for too long.
pub(super) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// How the service fares, in a line.
pub(super) fn tell(line: &str) {
    notify(&[NotifyState::Status(line)]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
