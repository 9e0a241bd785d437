//! The verdicts of a Palisade headend, read from the event stream of its control socket: HTTP/1.1
//! over a unix socket, one JSON object a line.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Longest line of the stream, or of the answer's head, that is read.
const LINE_MAX: u64 = 1 << 20;
/// How long a question may stay without an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the event stream said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// A peer was declared dead.
    Dead {
        /// Its identity.
        identity: String,
        /// When, on the wall clock.
        unix_ns: u64,
    },
    /// Some events were missed, or the stream ended.
    Gap,
}

#[derive(Deserialize)]
struct Event {
    event: String,
    unix_ns: u64,
    #[serde(default)]
    identity: String,
}

/// Opens the stream and reads it on a thread of its own for as long as `heard` is listened to.
///
/// # Errors
/// When the socket does not answer as a headend does.
pub(crate) fn follow(socket: &Path, heard: Sender<Heard>) -> Result<()> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("cannot connect to {}", socket.display()))?;
    let body = open_stream(stream)
        .with_context(|| format!("{} is not a headend's control socket", socket.display()))?;
    thread::Builder::new()
        .name("events".into())
        .spawn(move || read_events(body, &heard))?;
    Ok(())
}

/// The number of the process behind a control socket.
///
/// # Errors
/// When it does not answer, or not as a headend does.
pub(crate) fn process_of(socket: &Path) -> Result<u32> {
    #[derive(Deserialize)]
    struct Status {
        pid: u32,
    }
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    let body = ask(stream, "/v1/status", "close")?;
    body.take(LINE_MAX).read_to_string(&mut text)?;
    Ok(serde_json::from_str::<Status>(&text)?.pid)
}

fn open_stream(stream: UnixStream) -> Result<Box<dyn BufRead + Send>> {
    ask(stream, "/v1/events?event=dead", "keep-alive")
}

/// The body of the answer.
fn ask(mut stream: UnixStream, path: &str, connection: &str) -> Result<Box<dyn BufRead + Send>> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\nConnection: {connection}\r\n\r\n"
    )?;
    let mut reader = BufReader::new(stream);
    let status = read_line(&mut reader)?;
    ensure!(
        status.starts_with("HTTP/1.1 200"),
        "it answers `{}`",
        status.trim_end()
    );
    let mut chunked = false;
    loop {
        let line = read_line(&mut reader)?.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.ends_with("chunked");
    }
    Ok(if chunked {
        Box::new(BufReader::new(Chunks { reader, left: 0 }))
    } else {
        Box::new(reader)
    })
}

fn read_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if reader.take(LINE_MAX).read_line(&mut line)? == 0 {
        bail!("it closed the connection");
    }
    Ok(line)
}

fn read_events(mut body: Box<dyn BufRead + Send>, heard: &Sender<Heard>) {
    while let Ok(line) = read_line(&mut body) {
        let Ok(event) = serde_json::from_str::<Event>(&line) else {
            continue;
        };
        let said = match event.event.as_str() {
            "dead" => Heard::Dead {
                identity: event.identity,
                unix_ns: event.unix_ns,
            },
            "missed" => Heard::Gap,
            _ => continue,
        };
        if heard.send(said).is_err() {
            return;
        }
    }
    // Nobody listens any more when the run is over.
    let _ = heard.send(Heard::Gap);
}

/// A body in chunks (RFC 9112 §7.1) as a plain stream.
struct Chunks<R> {
    reader: R,
    left: u64,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.left == 0 {
            let mut line = String::new();
            if (&mut self.reader).take(LINE_MAX).read_line(&mut line)? == 0 {
                return Ok(0);
            }
            let size = line.trim().split(';').next().unwrap_or_default();
            if size.is_empty() {
                // The end of the chunk before.
                continue;
            }
            self.left = u64::from_str_radix(size, 16)
                .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let read = (&mut self.reader).take(self.left).read(out)?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn answer(text: &[u8]) -> Vec<Heard> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(text).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let (sender, receiver) = mpsc::channel();
        match open_stream(ours) {
            Ok(body) => read_events(body, &sender),
            Err(_) => return Vec::new(),
        }
        drop(sender);
        receiver.iter().collect()
    }

    fn dead(identity: &str, unix_ns: u64) -> Heard {
        Heard::Dead {
            identity: identity.into(),
            unix_ns,
        }
    }

    #[test]
    fn verdicts_are_read_from_chunks_that_cut_lines() {
        let body = "{\"event\":\"dead\",\"unix_ns\":7,\"identity\":\"p@x\"}\n\
                    {\"event\":\"established\",\"unix_ns\":8}\n";
        let mut text = String::from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (first, last) in [(0, 24), (24, 50), (50, body.len())] {
            let chunk = &body[first..last];
            text.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
        }
        text.push_str("0\r\n\r\n");
        let heard = answer(text.as_bytes());
        assert_eq!(heard, [dead("p@x", 7), Heard::Gap]);
    }

    #[test]
    fn a_gap_is_told() {
        let heard = answer(
            b"HTTP/1.1 200 OK\r\n\r\n{\"event\":\"missed\",\"unix_ns\":1,\"detail\":\"9\"}\n\
              {\"event\":\"dead\",\"unix_ns\":2,\"identity\":\"q\"}\n",
        );
        assert_eq!(heard, [Heard::Gap, dead("q", 2), Heard::Gap]);
    }

    #[test]
    fn another_answer_is_an_error() {
        assert_eq!(answer(b"HTTP/1.1 404 Not Found\r\n\r\n"), []);
    }
}
