//! Counting what crosses a device, so that a test can tell ESP from plain text.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::network::Namespace;
use crate::process::Daemon;
use crate::scratch::Scratch;
use crate::wait;

/// A capture that has not grown for so long is complete.
const QUIET: Duration = Duration::from_millis(500);

/// tcpdump on a device, from [`Capture::start`] to [`Capture::count`].
pub struct Capture {
    daemon: Daemon,
    file: PathBuf,
    _scratch: Scratch,
}

impl Capture {
    /// Starts to capture what matches `filter` on `device`.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn start(namespace: &Namespace, device: &str, filter: &str) -> Result<Self> {
        let scratch = Scratch::new("capture")?;
        let file = scratch.path().join("packets.pcap");
        let mut command: Command = namespace.command("tcpdump");
        command
            .args(["-n", "-U", "--immediate-mode", "-i", device, "-w"])
            .arg(&file)
            .arg(filter);
        let daemon = Daemon::start("tcpdump", &mut command, &scratch.path().join("log"))?;
        wait::until("tcpdump to listen", Duration::from_secs(10), || {
            daemon.log().contains("listening on")
        })?;
        Ok(Self {
            daemon,
            file,
            _scratch: scratch,
        })
    }

    /// Ends the capture and returns each packet's octets, link header included.
    ///
    /// # Errors
    /// When tcpdump does not end or its file cannot be read.
    pub fn packets(mut self) -> Result<Vec<Vec<u8>>> {
        self.await_quiet();
        self.daemon.terminate(Duration::from_secs(10))?;
        Ok(split_packets(&fs::read(&self.file)?))
    }

    /// tcpdump leaves behind what it has not read yet: it gets the time to read everything.
    fn await_quiet(&self) {
        let length = || fs::metadata(&self.file).map_or(0, |file| file.len());
        let mut before = length();
        loop {
            std::thread::sleep(QUIET);
            let now = length();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Ends the capture and counts.
    ///
    /// # Errors
    /// As [`Self::packets`].
    pub fn count(self) -> Result<usize> {
        Ok(self.packets()?.len())
    }
}

/// Cuts a capture file of this machine's own byte order into packets.
fn split_packets(file: &[u8]) -> Vec<Vec<u8>> {
    const FILE_HEADER_LEN: usize = 24;
    const RECORD_HEADER_LEN: usize = 16;
    let mut rest = file.get(FILE_HEADER_LEN..).unwrap_or_default();
    let mut packets = Vec::new();
    while let Some((header, tail)) = rest.split_at_checked(RECORD_HEADER_LEN) {
        let captured = header[8..12]
            .first_chunk()
            .map_or(0, |octets| u32::from_ne_bytes(*octets));
        let Some((packet, tail)) = tail.split_at_checked(captured as usize) else {
            break;
        };
        packets.push(packet.to_vec());
        rest = tail;
    }
    packets
}

#[cfg(test)]
mod tests {
    use super::split_packets;

    #[test]
    fn packets_are_cut_at_their_lengths() {
        let mut file = vec![0; 24];
        for packet in [&b"first"[..], b"", b"third packet"] {
            file.extend_from_slice(&[0; 8]);
            file.extend_from_slice(&u32::try_from(packet.len()).unwrap().to_ne_bytes());
            file.extend_from_slice(&[0; 4]);
            file.extend_from_slice(packet);
        }
        file.extend_from_slice(&[0; 7]);
        assert_eq!(split_packets(&file), [&b"first"[..], b"", b"third packet"]);
        assert!(split_packets(&[]).is_empty());
    }
}
