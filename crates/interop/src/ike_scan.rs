//! ike-scan, which asks IKEv1 responders who they are, and what crossed the wire while it did.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::capture::Capture;
use crate::network::Namespace;
use crate::process;

/// The scanner repeats its question in vain for some seconds.
const SCAN_LIMIT: Duration = Duration::from_secs(30);
/// Ethernet, IPv4 without options, UDP.
const HEADERS_LEN: usize = 14 + 20 + 8;
const SOURCE: core::ops::Range<usize> = 26..30;

/// What a scan brought.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The lines that speak of the target.
    pub answers: Vec<String>,
    /// Everything that the scanner wrote.
    pub output: String,
}

impl Scan {
    /// Scans `target` from `namespace` with ike-scan's own arguments.
    ///
    /// # Errors
    /// When ike-scan fails or does not end.
    pub fn run(namespace: &Namespace, target: &str, arguments: &[&str]) -> Result<Self> {
        let inside = [
            &["netns", "exec", namespace.name(), "ike-scan"],
            arguments,
            &[target],
        ]
        .concat();
        let output = process::run("ip", &inside, SCAN_LIMIT)?;
        let answers = output
            .lines()
            .filter(|line| line.starts_with(&format!("{target}\t")))
            .map(str::to_owned)
            .collect();
        Ok(Self { answers, output })
    }

    /// Whether an answer contains `text`.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.answers.iter().any(|answer| answer.contains(text))
    }
}

/// One IKE datagram that was seen on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// IPv4 address of its sender.
    pub from: [u8; 4],
    /// The UDP payload.
    pub payload: Vec<u8>,
}

/// The UDP payloads of a capture, in order.
///
/// # Errors
/// As [`Capture::packets`].
pub fn datagrams(capture: Capture) -> Result<Vec<Seen>> {
    capture
        .packets()?
        .into_iter()
        .map(|packet| {
            let from = packet
                .get(SOURCE)
                .and_then(|octets| octets.first_chunk().copied())
                .context("a packet without addresses")?;
            // A short frame is padded: the length that counts is UDP's.
            let length = packet
                .get(HEADERS_LEN - 4..HEADERS_LEN - 2)
                .and_then(|octets| octets.first_chunk().copied())
                .map(u16::from_be_bytes)
                .context("a packet without a UDP length")?;
            let end = HEADERS_LEN - 8 + usize::from(length);
            let payload = packet
                .get(HEADERS_LEN..end)
                .context("a packet that was cut")?;
            Ok(Seen {
                from,
                payload: payload.to_vec(),
            })
        })
        .collect()
}
