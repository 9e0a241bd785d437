//! The event stream as the body of an HTTP answer: one JSON object a line, without an end.

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::{broadcast, mpsc};

use crate::view::{Event, EventKind};

/// Lines that may wait for one reader's socket before its events back up into the hub.
const LINES_MAX: usize = 64;

/// Lines as they come.
pub(crate) struct LineBody(pub(crate) mpsc::Receiver<Bytes>);

impl LineBody {
    /// Starts to forward. The reader misses nothing that is published after `events` was subscribed.
    pub(crate) fn events(events: broadcast::Receiver<Arc<Event>>) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_MAX);
        tokio::spawn(forward(events, sender));
        Self(receiver)
    }
}

impl Body for LineBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

async fn forward(mut events: broadcast::Receiver<Arc<Event>>, lines: mpsc::Sender<Bytes>) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = lines.closed() => return,
        };
        let event = match event {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(count)) => Arc::new(missed(count)),
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let Ok(mut line) = serde_json::to_vec(&*event) else {
            continue;
        };
        line.push(b'\n');
        if lines.send(Bytes::from(line)).await.is_err() {
            return;
        }
    }
}

fn missed(count: u64) -> Event {
    Event {
        unix_ns: 0,
        monotonic_ns: 0,
        shard: 0,
        event: EventKind::Missed,
        peer: String::new(),
        identity: String::new(),
        connection: String::new(),
        local: String::new(),
        remote: String::new(),
        detail: format!("{count} events were missed because they were not read in time"),
        evidence: None,
    }
}
