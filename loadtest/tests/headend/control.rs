//! As much of the control interface as the generator reads: the verdicts.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use runtime::{Clock, Subscription};
use shard::EventKind;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Serves the events of a headend on a unix socket.
pub(crate) struct Control {
    path: PathBuf,
    /// Identities of the peers that were declared dead.
    pub(crate) dead: Arc<Mutex<Vec<String>>>,
}

impl Control {
    pub(crate) fn serve(events: Subscription, clock: Clock) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("palisade-load-{}-{number}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).expect("a socket in the temporary directory");
        let dead = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&dead);
        thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                stream_events(stream, &events, clock, &seen);
            }
        });
        Self { path, dead }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn stream_events(
    mut stream: UnixStream,
    events: &Subscription,
    clock: Clock,
    dead: &Mutex<Vec<String>>,
) {
    let request = BufReader::new(stream.try_clone().expect("a second handle"));
    let head = request.lines().map_while(Result::ok);
    let first = head.take_while(|line| !line.is_empty()).next();
    assert_eq!(first.as_deref(), Some("GET /v1/events?event=dead HTTP/1.1"));
    let mut say = |text: String| stream.write_all(text.as_bytes()).is_ok();
    say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into());
    while let Ok(event) = events.next(Duration::from_millis(100)) {
        let Some(event) = event else {
            continue;
        };
        let identity = event.peer.identity.as_ref();
        let identity = identity.map(ToString::to_string).unwrap_or_default();
        let unix_ns = clock.unix_nanos(event.at);
        let kind = event.kind.name();
        let line =
            format!("{{\"event\":\"{kind}\",\"unix_ns\":{unix_ns},\"identity\":\"{identity}\"}}\n");
        if matches!(event.kind, EventKind::Dead { .. }) {
            dead.lock().expect("not poisoned").push(identity);
        }
        if !say(format!("{:x}\r\n{line}\r\n", line.len())) {
            return;
        }
    }
}
