//! Packets of one TCP flow put together, as a device with receive offload would.

use super::checksum::{Sum, is_right, pseudo_header};
use super::header::{HEADER_LEN, Header, KIND_TCP4, KIND_TCP6, NEEDS_CHECKSUM};
use super::octets::{is_ipv6, put, word};
use super::sort::{PROTOCOL_TCP, PSH, Sort, TCP_CHECKSUM, TCP_FLAGS, Tcp, sort};

/// Flows whose packets are held at once.
const RUNS: usize = 8;
/// Octets of the longest IPv4 packet; IPv6 ones are not made longer.
const LEN_MAX: usize = 65_535;
/// Packets of one run: a peer that sends tiny ones shall not make the kernel take thousands apart at
/// one stroke.
const PACKETS_MAX: u16 = 128;
/// The checksum zero, written the other way that ones' complement has. It is right, but whoever takes
/// a super-packet apart writes zero, and what comes out shall be what went in.
const OTHER_ZERO: u16 = 0xffff;
/// IPv4: do not fragment.
const DF: u16 = 0x4000;

/// Holds packets back until others of their flow have joined them. Packets of one flow leave in the
/// order in which they came; [`Coalescer::flush`] ends the waiting.
pub(crate) struct Coalescer {
    /// The first `held` are in use, the oldest first.
    runs: Vec<Run>,
    held: usize,
}

/// What leaves: the header that describes it, its octets, and how many packets it holds.
pub(crate) trait Write: FnMut(&[u8; HEADER_LEN], &[u8], u64) {}

impl<F: FnMut(&[u8; HEADER_LEN], &[u8], u64)> Write for F {}

impl Coalescer {
    pub(crate) fn new() -> Self {
        Self {
            runs: (0..RUNS).map(|_| Run::new()).collect(),
            held: 0,
        }
    }

    /// Takes a packet. It leaves at once if nothing can join it.
    pub(crate) fn push(&mut self, packet: &[u8], write: &mut impl Write) {
        let tcp = match sort(packet) {
            Sort::Free => return write(&Header::PLAIN, packet, 1),
            Sort::Unknown => {
                self.flush(write);
                return write(&Header::PLAIN, packet, 1);
            }
            Sort::Tcp(tcp) => tcp,
        };
        // In a super-packet no checksum is left that its reader could find wrong.
        let joins = tcp.is_mergeable(packet)
            && packet.len() <= LEN_MAX
            && word(packet, tcp.transport + TCP_CHECKSUM) != Some(OTHER_ZERO)
            && is_right(packet, PROTOCOL_TCP, tcp.transport);
        let of_flow = |run: &Run| run.is_of_flow(packet, &tcp);
        if let Some(index) = self.held().iter().position(of_flow) {
            if joins && self.runs[index].join(packet, &tcp) {
                if self.runs[index].is_full() {
                    self.release(index, write);
                }
                return;
            }
            self.release(index, write);
        }
        if joins && !tcp.ends() {
            self.hold(packet, &tcp, write);
        } else {
            write(&Header::PLAIN, packet, 1);
        }
    }

    /// Lets everything leave.
    pub(crate) fn flush(&mut self, write: &mut impl Write) {
        for run in self.runs.iter_mut().take(self.held) {
            run.leave(write);
        }
        self.held = 0;
    }

    fn held(&self) -> &[Run] {
        self.runs.get(..self.held).unwrap_or(&[])
    }

    fn hold(&mut self, packet: &[u8], tcp: &Tcp, write: &mut impl Write) {
        if self.held == self.runs.len() {
            self.release(0, write);
        }
        self.runs[self.held].begin(packet, tcp);
        self.held += 1;
    }

    fn release(&mut self, index: usize, write: &mut impl Write) {
        self.runs[index].leave(write);
        self.runs[index..self.held].rotate_left(1);
        self.held -= 1;
    }
}

/// A super-packet in the making. Its headers are those of its first packet until it leaves.
struct Run {
    octets: Vec<u8>,
    len: usize,
    first: Tcp,
    packets: u16,
    /// The sequence number that follows.
    next: u32,
    /// The last packet was shorter than the others, or shall be passed on at once.
    closed: bool,
    pushed: bool,
}

impl Run {
    fn new() -> Self {
        Self {
            octets: vec![0; LEN_MAX],
            len: 0,
            first: Tcp::default(),
            packets: 0,
            next: 0,
            closed: false,
            pushed: false,
        }
    }

    fn begin(&mut self, packet: &[u8], tcp: &Tcp) {
        self.len = 0;
        self.first = *tcp;
        self.packets = 0;
        self.next = tcp.sequence;
        self.closed = false;
        self.pushed = false;
        self.add(packet, tcp);
    }

    fn add(&mut self, octets: &[u8], tcp: &Tcp) {
        // Both callers know that there is room.
        if put(&mut self.octets, self.len, octets).is_some() {
            self.len += octets.len();
            self.packets += 1;
            self.next = self.next.wrapping_add(tcp.payload as u32);
        }
    }

    fn is_of_flow(&self, packet: &[u8], tcp: &Tcp) -> bool {
        let addresses = if is_ipv6(packet) { 8..40 } else { 12..20 };
        let mine = self.first.transport;
        is_ipv6(packet) == is_ipv6(&self.octets)
            && self.octets.get(addresses.clone()) == packet.get(addresses)
            && self.octets.get(mine..mine + 4) == packet.get(tcp.transport..tcp.transport + 4)
    }

    /// Adds a packet of the same flow, if it continues the run.
    fn join(&mut self, packet: &[u8], tcp: &Tcp) -> bool {
        let fits = !self.is_full() && self.len + tcp.payload <= LEN_MAX;
        let continues = tcp.sequence == self.next && tcp.payload <= self.first.payload;
        if !fits || !continues || self.repeats_headers(packet, tcp) != Some(true) {
            return false;
        }
        let Some(payload) = packet.get(tcp.headers..) else {
            return false;
        };
        self.add(payload, tcp);
        self.pushed = tcp.ends();
        self.closed = tcp.ends() || tcp.payload < self.first.payload;
        true
    }

    /// Whether splitting would give the packet's headers back: all but lengths, checksums, sequence
    /// number and PSH are the same, and the IPv4 identification counts up, or means nothing.
    fn repeats_headers(&self, packet: &[u8], tcp: &Tcp) -> Option<bool> {
        let mine = self.octets.as_slice();
        let at = tcp.transport;
        let same = |from: usize, to: usize| mine.get(from..to) == packet.get(from..to);
        let ip = if is_ipv6(packet) {
            same(0, 4) && same(6, 8)
        } else {
            let expected = word(mine, 4)?.wrapping_add(self.packets);
            // RFC 6864 §4.1: in a packet that is not to be fragmented it has no meaning.
            let id = word(packet, 4)? == expected || word(packet, 6)? & DF != 0;
            id && same(0, 2) && same(6, 10)
        };
        let flags = (mine.get(at + TCP_FLAGS)? ^ packet.get(at + TCP_FLAGS)?) & !PSH == 0;
        // Acknowledgment, data offset; window; urgent pointer and options.
        let rest = same(at + 8, at + 13) && same(at + 14, at + 16) && same(at + 18, tcp.headers);
        Some(ip && flags && rest && tcp.headers == self.first.headers)
    }

    fn is_full(&self) -> bool {
        self.closed || self.packets >= PACKETS_MAX || self.len + self.first.payload > LEN_MAX
    }

    fn leave(&mut self, write: &mut impl Write) {
        let header = if self.packets > 1 {
            self.finish().map(Header::to_octets)
        } else {
            None
        };
        let octets = self.octets.get(..self.len).unwrap_or(&[]);
        write(
            &header.unwrap_or(Header::PLAIN),
            octets,
            u64::from(self.packets),
        );
    }

    /// Makes the first packet's headers those of the super-packet.
    fn finish(&mut self) -> Option<Header> {
        let Tcp {
            transport, headers, ..
        } = self.first;
        let packet = self.octets.get_mut(..self.len)?;
        let ipv6 = is_ipv6(packet);
        if ipv6 {
            let len = u16::try_from(packet.len() - transport).ok()?;
            put(packet, 4, &len.to_be_bytes())?;
        } else {
            let len = u16::try_from(packet.len()).ok()?;
            put(packet, 2, &len.to_be_bytes())?;
            put(packet, 10, &[0, 0])?;
            let sum = Sum::default().add(packet.get(..transport)?);
            put(packet, 10, &sum.checksum())?;
        }
        if self.pushed {
            *packet.get_mut(transport + TCP_FLAGS)? |= PSH;
        }
        let sum = pseudo_header(packet, PROTOCOL_TCP, packet.len() - transport)?;
        put(packet, transport + TCP_CHECKSUM, &sum.fold())?;
        Some(Header {
            flags: NEEDS_CHECKSUM,
            kind: if ipv6 { KIND_TCP6 } else { KIND_TCP4 },
            headers: headers as u16,
            segment: self.first.payload as u16,
            checksum_start: transport as u16,
            checksum_offset: TCP_CHECKSUM as u16,
        })
    }
}
