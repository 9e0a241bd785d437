//! Packets of one flow put together, as a device with receive offload would.

use super::checksum::is_right;
use super::header::{HEADER_LEN, Header};
use super::octets::word;
use super::run::Run;
use super::sort::{Segment, Sort, sort};
use crate::TunId;

/// Flows whose packets are held at once.
const RUNS: usize = 16;
/// Octets of the longest IPv4 packet; IPv6 ones are not made longer.
pub(super) const LEN_MAX: usize = 65_535;
/// Packets of one run: what the kernel takes apart at one stroke (UDP_MAX_SEGMENTS before Linux 6.9).
pub(crate) const PACKETS_MAX: usize = 64;
/// The other zero of ones' complement. In TCP it is right, but whoever takes a super-packet apart
/// writes zero, and what comes out shall be what went in.
const OTHER_ZERO: u16 = 0xffff;
/// RFC 768: there is no checksum, and splitting would make one.
const NO_CHECKSUM: u16 = 0;

/// Holds packets back until others of their flow have joined them. Packets of one flow leave in the
/// order in which they came; [`Coalescer::flush`] ends the waiting. It keeps numbers of packets and
/// not their octets, which stay where they are.
pub struct Coalescer {
    /// The first `held` are in use, the oldest first.
    runs: Vec<Run>,
    held: usize,
}

/// A packet that comes to be coalesced.
#[derive(Clone, Copy)]
pub struct Arriving {
    /// What the source of octets calls it.
    pub number: usize,
    /// The queue for which it is.
    pub tun: TunId,
    /// Whether the queue takes UDP packets as one.
    pub udp: bool,
}

/// What leaves for a queue.
pub struct Leaving<'a> {
    /// The queue.
    pub tun: TunId,
    /// The header that describes it, and behind it the headers that several packets share.
    pub head: &'a [u8],
    /// The packets as they came.
    pub packets: &'a [&'a [u8]],
    /// Leading octets of each packet for which those in `head` stand: none of a single one.
    pub shared: usize,
}

impl<'a> Leaving<'a> {
    /// How many packets it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.packets.len() as u64
    }

    /// Octets of all the packets, each with its headers.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let octets: usize = self.packets.iter().map(|packet| packet.len()).sum();
        octets as u64
    }

    /// What follows `head`: a whole packet, or the payloads of several.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> {
        let packets = self.packets.iter();
        packets.map(|packet| packet.get(self.shared..).unwrap_or(&[]))
    }
}

/// Knows the octets of packets by their numbers.
pub trait Source<'a>: Fn(usize) -> &'a [u8] {}

impl<'a, F: Fn(usize) -> &'a [u8]> Source<'a> for F {}

/// Takes what leaves.
pub trait Write: FnMut(&Leaving<'_>) {}

impl<F: FnMut(&Leaving<'_>)> Write for F {}

impl Default for Coalescer {
    fn default() -> Self {
        Self::new()
    }
}

impl Coalescer {
    /// One that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            runs: (0..RUNS).map(|_| Run::new()).collect(),
            held: 0,
        }
    }

    /// Takes a packet. It leaves at once if nothing can join it.
    pub fn push<'a>(&mut self, packet: Arriving, source: &impl Source<'a>, write: &mut impl Write) {
        let octets = source(packet.number);
        let segment = match sort(octets) {
            Sort::Segment(segment) if packet.udp || !segment.is_udp() => segment,
            // No UDP packet is held that this one could overtake.
            Sort::Segment(_) | Sort::Free => return leave_alone(packet.tun, octets, write),
            Sort::Unknown => {
                self.flush(source, write);
                return leave_alone(packet.tun, octets, write);
            }
        };
        let joins = may_join(octets, &segment);
        let of_flow = |run: &Run| run.is_of_flow(packet.tun, octets, &segment);
        if let Some(index) = self.held().iter().position(of_flow) {
            if joins && self.runs[index].join(packet.number, octets, &segment) {
                if self.runs[index].is_full() {
                    self.release(index, source, write);
                }
                return;
            }
            self.release(index, source, write);
        }
        if joins && !segment.ends {
            self.hold(packet, octets, &segment, source, write);
        } else {
            leave_alone(packet.tun, octets, write);
        }
    }

    /// Lets everything leave.
    pub fn flush<'a>(&mut self, source: &impl Source<'a>, write: &mut impl Write) {
        for run in self.runs.iter_mut().take(self.held) {
            run.leave(source, write);
        }
        self.held = 0;
    }

    fn held(&self) -> &[Run] {
        self.runs.get(..self.held).unwrap_or(&[])
    }

    fn hold<'a>(
        &mut self,
        packet: Arriving,
        octets: &[u8],
        segment: &Segment,
        source: &impl Source<'a>,
        write: &mut impl Write,
    ) {
        if self.held == self.runs.len() {
            self.release(0, source, write);
        }
        if self.runs[self.held].begin(packet, octets, segment) {
            self.held += 1;
        } else {
            leave_alone(packet.tun, octets, write);
        }
    }

    fn release<'a>(&mut self, index: usize, source: &impl Source<'a>, write: &mut impl Write) {
        self.runs[index].leave(source, write);
        self.runs[index..self.held].rotate_left(1);
        self.held -= 1;
    }
}

/// In a super-packet no checksum is left that its reader could find wrong, and each of its packets
/// gets one.
fn may_join(octets: &[u8], segment: &Segment) -> bool {
    let unrepeatable = if segment.is_udp() {
        NO_CHECKSUM
    } else {
        OTHER_ZERO
    };
    segment.mergeable
        && octets.len() <= LEN_MAX
        && word(octets, segment.checksum()) != Some(unrepeatable)
        && is_right(octets, segment.protocol, segment.transport)
}

pub(super) fn leave_alone(tun: TunId, octets: &[u8], write: &mut impl Write) {
    let head: &[u8; HEADER_LEN] = &Header::PLAIN;
    write(&Leaving {
        tun,
        head,
        packets: &[octets],
        shared: 0,
    });
}
