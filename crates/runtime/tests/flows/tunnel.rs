//! The tunnels with everything between their ends that sockets, devices and the kernel would do.

use netio::segmentation::{Arriving, Coalescer, HEADER_LEN, Header, Leaving, Next, Split};
use netio::{Buffer, OuterPacket, SocketId, TunId};

use crate::ends::{Ends, Frame, in_parts};

/// What the kernel merges into one run, at most.
const RUN_PACKETS_MAX: usize = 64;
const RUN_LEN_MAX: usize = 65_000;

pub(crate) struct Tunnel {
    ends: Ends,
    pub(crate) supers_read: usize,
    pub(crate) runs_received: usize,
    pub(crate) supers_written: usize,
}

impl Tunnel {
    pub(crate) fn new() -> Self {
        Self {
            ends: Ends::new(),
            supers_read: 0,
            runs_received: 0,
            supers_written: 0,
        }
    }

    /// The sender's TUN device gives packets as super-packets, which are split.
    pub(crate) fn read(&mut self, packets: &[Vec<u8>], reads: &[usize]) -> Vec<Vec<u8>> {
        let supers = in_parts(packets, reads, coalesce);
        self.supers_read += supers.len();
        supers.iter().flat_map(|octets| split(octets)).collect()
    }

    pub(crate) fn seal(&mut self, packets: &[Vec<u8>], reads: &[usize]) -> Vec<Frame> {
        in_parts(packets, reads, |part| self.ends.seal(part))
    }

    /// Frames arrive in runs as the kernel makes them; what is opened is coalesced read by read, and
    /// the kernel splits it.
    pub(crate) fn open(&mut self, frames: &[Frame], reads: &[usize]) -> Vec<Vec<u8>> {
        in_parts(frames, reads, |part| {
            let mut opened = Vec::new();
            for mut run in merge(part) {
                self.runs_received += 1;
                self.ends
                    .open(&mut run, |inner| opened.push(inner.to_vec()));
            }
            let written = coalesce(&opened);
            self.supers_written += written.len();
            written.iter().flat_map(|octets| split(octets)).collect()
        })
    }
}

/// What crosses a TUN device for these packets: each with the header that describes it.
fn coalesce(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut coalescer = Coalescer::new();
    let mut written = Vec::new();
    let source = |number: usize| packets[number].as_slice();
    let mut write = |leaving: &Leaving<'_>| {
        let parts: Vec<_> = leaving.parts().collect();
        written.push([leaving.head, &parts.concat()].concat());
    };
    for number in 0..packets.len() {
        let packet = Arriving {
            number,
            tun: TunId(0),
            udp: true,
        };
        coalescer.push(packet, &source, &mut write);
    }
    coalescer.flush(&source, &mut write);
    written
}

fn split(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut octets = octets.to_vec();
    let (header, packet) = octets
        .split_first_chunk_mut::<HEADER_LEN>()
        .expect("it is described");
    let mut split = Split::new(&Header::from_octets(header), packet).expect("it is as described");
    let (mut packets, mut buffer) = (Vec::new(), Buffer::new(2000));
    while !split.is_done() {
        assert_eq!(split.next(packet, &mut buffer), Next::Packet);
        packets.push(buffer.bytes().to_vec());
    }
    packets
}

/// Frames of one peer and one length become one run, whose last may be shorter.
fn merge(frames: &[Frame]) -> Vec<OuterPacket> {
    let mut runs: Vec<(u8, usize, Vec<u8>)> = Vec::new();
    for frame in frames {
        let len = frame.octets.len();
        match runs.last_mut() {
            Some((peer, segment, octets))
                if *peer == frame.peer
                    && len <= *segment
                    && octets.len().is_multiple_of(*segment)
                    && octets.len() / *segment < RUN_PACKETS_MAX
                    && octets.len() + len <= RUN_LEN_MAX =>
            {
                octets.extend_from_slice(&frame.octets);
            }
            _ => runs.push((frame.peer, len, frame.octets.clone())),
        }
    }
    let run = |(peer, segment, octets): (u8, usize, Vec<u8>)| {
        let mut buffer = Buffer::new(RUN_LEN_MAX);
        assert!(buffer.fill(&octets));
        OuterPacket {
            socket: SocketId(0),
            local: ([192, 0, 2, 1], 4500).into(),
            remote: ([192, 0, 2, 10 + peer], 4500).into(),
            tos: 0,
            segment: segment as u16,
            buffer,
        }
    };
    runs.into_iter().map(run).collect()
}
