//! A super-packet in the making.

use super::checksum::{Sum, pseudo_header};
use super::coalesce::{Arriving, LEN_MAX, Leaving, PACKETS_MAX, Source, Write, leave_alone};
use super::header::{HEADER_LEN, Header, KIND_TCP4, KIND_TCP6, KIND_UDP, NEEDS_CHECKSUM};
use super::octets::{is_ipv6, put, word};
use super::sort::{PSH, Segment, TCP_FLAGS, UDP_LENGTH};
use crate::TunId;

/// Octets of the longest headers that packets share: IPv6, and TCP with all its options.
const HEADERS_MAX: usize = 40 + 60;
/// Octets that stand before the payloads of a super-packet.
pub(crate) const HEAD_MAX: usize = HEADER_LEN + HEADERS_MAX;
/// IPv4: do not fragment.
const DF: u16 = 0x4000;

/// Packets of one flow that will leave as one.
pub(super) struct Run {
    tun: TunId,
    first: Segment,
    /// Room for what describes the super-packet, then the headers of the first packet until they
    /// become the super-packet's.
    head: [u8; HEAD_MAX],
    members: Vec<usize>,
    /// Octets of the super-packet.
    len: usize,
    /// The sequence number that follows.
    next: u32,
    /// The last packet was shorter than the others, or shall be passed on at once.
    closed: bool,
    pushed: bool,
}

impl Run {
    pub(super) fn new() -> Self {
        Self {
            tun: TunId(0),
            first: Segment::default(),
            head: [0; HEAD_MAX],
            members: Vec::with_capacity(PACKETS_MAX),
            len: 0,
            next: 0,
            closed: false,
            pushed: false,
        }
    }

    /// Begins with a packet; `false` if its headers are too long.
    pub(super) fn begin(&mut self, packet: Arriving, octets: &[u8], segment: &Segment) -> bool {
        let kept = octets
            .get(..segment.headers)
            .and_then(|headers| put(&mut self.head, HEADER_LEN, headers));
        self.tun = packet.tun;
        self.first = *segment;
        self.members.clear();
        self.len = segment.headers;
        self.next = segment.sequence;
        self.closed = false;
        self.pushed = false;
        self.add(packet.number, segment);
        kept.is_some()
    }

    fn add(&mut self, number: usize, segment: &Segment) {
        self.members.push(number);
        self.len += segment.payload;
        self.next = self.next.wrapping_add(segment.payload as u32);
    }

    /// The headers of the first packet.
    fn headers(&self) -> &[u8] {
        let end = HEADER_LEN + self.first.headers;
        self.head.get(HEADER_LEN..end).unwrap_or(&[])
    }

    pub(super) fn is_of_flow(&self, tun: TunId, packet: &[u8], segment: &Segment) -> bool {
        let headers = self.headers();
        let addresses = if is_ipv6(packet) { 8..40 } else { 12..20 };
        let (mine, its) = (self.first.transport, segment.transport);
        self.tun == tun
            && self.first.protocol == segment.protocol
            && is_ipv6(packet) == is_ipv6(headers)
            && headers.get(addresses.clone()) == packet.get(addresses)
            && headers.get(mine..mine + 4) == packet.get(its..its + 4)
    }

    /// Adds a packet of the same flow, if it continues the run.
    pub(super) fn join(&mut self, number: usize, packet: &[u8], segment: &Segment) -> bool {
        let fits = !self.is_full() && self.len + segment.payload <= LEN_MAX;
        let follows = segment.is_udp() || segment.sequence == self.next;
        let continues = follows && segment.payload <= self.first.payload;
        if !fits || !continues || self.repeats_headers(packet, segment) != Some(true) {
            return false;
        }
        self.add(number, segment);
        self.pushed = segment.ends;
        self.closed = segment.ends || segment.payload < self.first.payload;
        true
    }

    /// Whether splitting would give the packet's headers back: all but lengths, checksums, sequence
    /// number and PSH are the same, and the IPv4 identification counts up, or means nothing.
    fn repeats_headers(&self, packet: &[u8], segment: &Segment) -> Option<bool> {
        let mine = self.headers();
        let at = segment.transport;
        let same = |from: usize, to: usize| mine.get(from..to) == packet.get(from..to);
        let ip = if is_ipv6(packet) {
            same(0, 4) && same(6, 8)
        } else {
            let expected = word(mine, 4)?.wrapping_add(self.members.len() as u16);
            // RFC 6864 §4.1: in a packet that is not to be fragmented it has no meaning.
            let id = word(packet, 4)? == expected || word(packet, 6)? & DF != 0;
            id && same(0, 2) && same(6, 10)
        };
        if !ip || segment.headers != self.first.headers {
            return Some(false);
        }
        if segment.is_udp() {
            return Some(true);
        }
        let flags = (mine.get(at + TCP_FLAGS)? ^ packet.get(at + TCP_FLAGS)?) & !PSH == 0;
        // Acknowledgment, data offset; window; urgent pointer and options.
        let rest =
            same(at + 8, at + 13) && same(at + 14, at + 16) && same(at + 18, segment.headers);
        Some(flags && rest)
    }

    pub(super) fn is_full(&self) -> bool {
        self.closed || self.members.len() >= PACKETS_MAX || self.len + self.first.payload > LEN_MAX
    }

    pub(super) fn leave<'a>(&mut self, source: &impl Source<'a>, write: &mut impl Write) {
        if self.members.len() < 2 || self.finish().is_none() {
            for number in &self.members {
                leave_alone(self.tun, source(*number), write);
            }
            return;
        }
        let mut packets: [&[u8]; PACKETS_MAX] = [&[]; PACKETS_MAX];
        for (packet, number) in packets.iter_mut().zip(&self.members) {
            *packet = source(*number);
        }
        write(&Leaving {
            tun: self.tun,
            head: self
                .head
                .get(..HEADER_LEN + self.first.headers)
                .unwrap_or(&[]),
            packets: packets.get(..self.members.len()).unwrap_or(&[]),
            shared: self.first.headers,
        });
    }

    /// Makes the first packet's headers those of the super-packet.
    fn finish(&mut self) -> Option<()> {
        let Segment {
            transport, headers, ..
        } = self.first;
        let checksum = self.first.checksum();
        let behind_ip = self.len - transport;
        let (description, rest) = self.head.split_first_chunk_mut::<HEADER_LEN>()?;
        let packet = rest.get_mut(..headers)?;
        let ipv6 = is_ipv6(packet);
        if ipv6 {
            put(packet, 4, &u16::try_from(behind_ip).ok()?.to_be_bytes())?;
        } else {
            put(packet, 2, &u16::try_from(self.len).ok()?.to_be_bytes())?;
            put(packet, 10, &[0, 0])?;
            let sum = Sum::default().add(packet.get(..transport)?);
            put(packet, 10, &sum.checksum())?;
        }
        if self.first.is_udp() {
            let len = u16::try_from(behind_ip).ok()?;
            put(packet, transport + UDP_LENGTH, &len.to_be_bytes())?;
        }
        if self.pushed {
            *packet.get_mut(transport + TCP_FLAGS)? |= PSH;
        }
        let sum = pseudo_header(packet, self.first.protocol, behind_ip)?;
        put(packet, checksum, &sum.fold())?;
        let header = Header {
            flags: NEEDS_CHECKSUM,
            kind: match (self.first.is_udp(), ipv6) {
                (true, _) => KIND_UDP,
                (false, true) => KIND_TCP6,
                (false, false) => KIND_TCP4,
            },
            headers: headers as u16,
            segment: self.first.payload as u16,
            checksum_start: transport as u16,
            checksum_offset: self.first.checksum_offset() as u16,
        };
        *description = header.to_octets();
        Some(())
    }
}
