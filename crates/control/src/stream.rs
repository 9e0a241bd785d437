//! The event stream as the body of an HTTP answer: one JSON object a line, without an end.

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc;

use crate::events::EventReader;
use crate::view::Event;

/// Frames that may wait for one reader's socket before its events back up into the hub.
const FRAMES_MAX: usize = 64;
/// Octets from which on a frame takes no more lines: what came together goes together.
const FRAME_FULL: usize = 16 << 10;

/// Lines as they come.
pub(crate) struct LineBody(pub(crate) mpsc::Receiver<Bytes>);

impl LineBody {
    /// Starts to forward. The reader misses nothing that is published after `events` was subscribed.
    pub(crate) fn events(events: EventReader) -> Self {
        let (sender, receiver) = mpsc::channel(FRAMES_MAX);
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

async fn forward(mut events: EventReader, frames: mpsc::Sender<Bytes>) {
    loop {
        let first = tokio::select! {
            event = events.next(true) => event,
            () = frames.closed() => return,
        };
        let mut frame = Vec::new();
        let mut next = first;
        while let Ok(Some(event)) = &next {
            add_line(&mut frame, event);
            if frame.len() >= FRAME_FULL {
                break;
            }
            next = events.next(false).await;
        }
        let sent = frame.is_empty() || frames.send(Bytes::from(frame)).await.is_ok();
        if !sent || next.is_err() {
            return;
        }
    }
}

fn add_line(frame: &mut Vec<u8>, event: &Event) {
    let start = frame.len();
    if serde_json::to_writer(&mut *frame, event).is_ok() {
        frame.push(b'\n');
    } else {
        frame.truncate(start);
    }
}
