//! Reads the UDP datagrams and ESP packets out of pcap and pcapng files, as far as they are whole.

use std::path::{Path, PathBuf};

use wire::ip::{InnerPacket, protocol};

/// One UDP datagram or ESP packet of a capture.
pub(crate) struct Captured {
    pub(crate) file: String,
    /// Destination or source port that is not ephemeral; `None` for bare ESP.
    pub(crate) port: Option<u16>,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn all() -> Vec<Captured> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut captured = Vec::new();
    for folder in ["tcpdump", "suricata-verify"] {
        let mut files: Vec<PathBuf> = std::fs::read_dir(root.join(folder))
            .expect("the captures are part of the crate")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|e| e == "pcap" || e == "pcapng")
            })
            .collect();
        files.sort();
        for file in files {
            captured.extend(read(&file));
        }
    }
    captured
}

fn read(path: &Path) -> Vec<Captured> {
    let octets = std::fs::read(path).expect("readable");
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let frames = if octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        pcapng_frames(&octets)
    } else {
        pcap_frames(&octets)
    };
    frames
        .into_iter()
        .filter_map(|(link, frame)| datagram(&file, link, &frame))
        .collect()
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*octets.get(at..)?.first_chunk()?))
}

fn pcap_frames(octets: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let link = u32_at(octets, 20).unwrap_or(0) & 0xffff;
    let mut frames = Vec::new();
    let mut at = 24;
    while let Some(length) = u32_at(octets, at + 8) {
        let end = (at + 16 + length as usize).min(octets.len());
        frames.push((link, octets[(at + 16).min(end)..end].to_vec()));
        at = end;
    }
    frames
}

fn pcapng_frames(octets: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut link = 1;
    let mut at = 0;
    while let (Some(kind), Some(length)) = (u32_at(octets, at), u32_at(octets, at + 4)) {
        let end = (at + length.max(12) as usize).min(octets.len());
        let block = &octets[at..end];
        match kind {
            1 => link = u32_at(block, 8).unwrap_or(1) & 0xffff,
            6 => {
                let captured = u32_at(block, 20).unwrap_or(0) as usize;
                let end = (28 + captured).min(block.len());
                frames.push((link, block.get(28..end).unwrap_or(&[]).to_vec()));
            }
            _ => {}
        }
        at = end;
    }
    frames
}

/// Skips the link header: 0 BSD loopback, 1 Ethernet, 101 raw IP.
fn datagram(file: &str, link: u32, frame: &[u8]) -> Option<Captured> {
    let skip = match link {
        0 => 4,
        1 => 14,
        _ => 0,
    };
    let packet = frame.get(skip..)?;
    let inner = InnerPacket::parse(packet).ok()?;
    let segment = &packet[inner.header_len..inner.total_len];
    match inner.protocol {
        protocol::UDP if segment.len() >= 8 => {
            let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
            let known = |port: &u16| matches!(port, 500 | 4500);
            Some(Captured {
                file: file.to_owned(),
                port: Some(
                    [port(2), port(0)]
                        .into_iter()
                        .find(known)
                        .unwrap_or(port(2)),
                ),
                payload: segment[8..].to_vec(),
            })
        }
        protocol::ESP => Some(Captured {
            file: file.to_owned(),
            port: None,
            payload: segment.to_vec(),
        }),
        _ => None,
    }
}
