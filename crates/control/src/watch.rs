//! A watch as the body of an HTTP answer: one JSON object a line, without an end.

use std::io;

use hyper::body::Bytes;
use tokio::sync::mpsc;

use crate::stream::LineBody;
use crate::trace::{Next, TraceSource};

/// Lines that may wait for one watcher's socket before its records back up into the service.
const LINES_MAX: usize = 256;

/// Starts to carry records to a watcher, on a thread of its own, since it waits for them.
///
/// # Errors
/// If there can be no more threads.
pub(crate) fn forward(source: Box<dyn TraceSource>) -> io::Result<LineBody> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || carry(source, &sender))?;
    Ok(LineBody(receiver))
}

fn carry(mut source: Box<dyn TraceSource>, lines: &mpsc::Sender<Bytes>) {
    loop {
        let record = match source.next() {
            Next::Record(record) => record,
            Next::Nothing if lines.is_closed() => return,
            Next::Nothing => continue,
            Next::End => return,
        };
        let Ok(mut line) = serde_json::to_vec(&record) else {
            continue;
        };
        line.push(b'\n');
        // The watcher has gone.
        if lines.blocking_send(Bytes::from(line)).is_err() {
            return;
        }
    }
}
