//! A super-packet taken apart, as a device with segmentation offload would.

use super::checksum::{Sum, pseudo_header};
use super::header::{Header, KIND_ECN, KIND_NONE, KIND_TCP4, KIND_TCP6, KIND_UDP};
use super::octets::{is_ipv6, long, octet, put, word};
use super::sort::{
    CWR, FIN, PROTOCOL_TCP, PROTOCOL_UDP, PSH, TCP_CHECKSUM, TCP_FLAGS, UDP_CHECKSUM,
    UDP_HEADER_LEN, UDP_LENGTH,
};
use crate::{Buffer, HEADROOM};

const IPV6_HEADER_LEN: usize = 40;

/// Where the taking apart of one super-packet stands.
#[derive(Clone, Debug)]
pub struct Split {
    kind: Kind,
    /// Where the transport header begins.
    transport: usize,
    /// Octets of all headers, which each packet repeats.
    headers: usize,
    /// Octets of payload in each packet but the last.
    segment: usize,
    /// Octets of payload in all.
    payload: usize,
    done: usize,
    count: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Whole,
    Tcp,
    Udp,
}

/// What the next step of a split gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The next packet is in the buffer.
    Packet,
    /// The next packet does not fit into the buffer.
    TooLong,
}

impl Split {
    /// Begins with `packet`, which `header` describes; `None` if the two contradict each other.
    /// A whole packet gets its checksum here.
    #[must_use]
    pub fn new(header: &Header, packet: &mut [u8]) -> Option<Self> {
        let kind = match header.kind & !KIND_ECN {
            KIND_NONE => return Self::whole(header, packet),
            KIND_TCP4 | KIND_TCP6 => Kind::Tcp,
            KIND_UDP => Kind::Udp,
            _ => return None,
        };
        let transport = transport(header, packet)?;
        // The kernel's own number of octets in front of the payload is not to be relied upon: for
        // a forwarded packet it may be that of the whole first segment.
        let headers = match kind {
            Kind::Tcp => transport + usize::from(octet(packet, transport + 12)? >> 4) * 4,
            Kind::Udp | Kind::Whole => transport + UDP_HEADER_LEN,
        };
        let least = if kind == Kind::Tcp {
            20
        } else {
            UDP_HEADER_LEN
        };
        let segment = usize::from(header.segment);
        let payload = packet.len().checked_sub(headers)?;
        if headers - transport < least || segment == 0 || payload == 0 {
            return None;
        }
        Some(Self {
            kind,
            transport,
            headers,
            segment,
            payload,
            done: 0,
            count: 0,
        })
    }

    fn whole(header: &Header, packet: &mut [u8]) -> Option<Self> {
        if packet.is_empty() {
            return None;
        }
        if header.needs_checksum() {
            complete(header, packet)?;
        }
        Some(Self {
            kind: Kind::Whole,
            transport: 0,
            headers: 0,
            segment: packet.len(),
            payload: packet.len(),
            done: 0,
            count: 0,
        })
    }

    /// Whether there are several packets.
    #[must_use]
    pub fn is_several(&self) -> bool {
        self.payload > self.segment
    }

    /// Whether all packets have been taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done == self.payload
    }

    /// Puts the next packet of `whole` into `buffer`.
    pub fn next(&mut self, whole: &[u8], buffer: &mut Buffer) -> Next {
        let begin = self.done;
        let len = self.segment.min(self.payload - begin);
        let number = self.count;
        self.done += len;
        self.count = self.count.wrapping_add(1);
        let (total, start) = (self.headers + len, self.headers + begin);
        if total > buffer.payload_max() || !buffer.set_range(HEADROOM..HEADROOM + total) {
            return Next::TooLong;
        }
        let packet = buffer.bytes_mut();
        let headers = whole.get(..self.headers);
        let payload = whole.get(start..start + len);
        let written = headers.zip(payload).and_then(|(headers, payload)| {
            put(packet, 0, headers)?;
            put(packet, self.headers, payload)?;
            self.finish(packet, begin, number)
        });
        written.map_or(Next::TooLong, |()| Next::Packet)
    }

    /// Makes the copied headers those of the packet that begins at `begin` of the payload.
    fn finish(&self, packet: &mut [u8], begin: usize, number: u16) -> Option<()> {
        match self.kind {
            Kind::Whole => Some(()),
            Kind::Tcp => {
                self.finish_ip(packet, number)?;
                let sequence = long(packet, self.transport + 4)?.wrapping_add(begin as u32);
                put(packet, self.transport + 4, &sequence.to_be_bytes())?;
                self.finish_flags(packet, number)?;
                self.finish_checksum(packet, PROTOCOL_TCP, TCP_CHECKSUM)
            }
            Kind::Udp => {
                self.finish_ip(packet, number)?;
                let len = u16::try_from(packet.len() - self.transport).ok()?;
                put(packet, self.transport + UDP_LENGTH, &len.to_be_bytes())?;
                self.finish_checksum(packet, PROTOCOL_UDP, UDP_CHECKSUM)
            }
        }
    }

    fn finish_ip(&self, packet: &mut [u8], number: u16) -> Option<()> {
        if is_ipv6(packet) {
            let len = u16::try_from(packet.len() - IPV6_HEADER_LEN).ok()?;
            return put(packet, 4, &len.to_be_bytes());
        }
        let len = u16::try_from(packet.len()).ok()?;
        let id = word(packet, 4)?.wrapping_add(number);
        put(packet, 2, &len.to_be_bytes())?;
        put(packet, 4, &id.to_be_bytes())?;
        put(packet, 10, &[0, 0])?;
        let sum = Sum::default().add(packet.get(..self.transport)?);
        put(packet, 10, &sum.checksum())
    }

    /// What ends the stream or shall be passed on at once belongs to the last packet, the answer to
    /// a congestion mark (RFC 3168 §6.1.2) to the first.
    fn finish_flags(&self, packet: &mut [u8], number: u16) -> Option<()> {
        let flags = packet.get_mut(self.transport + TCP_FLAGS)?;
        if !self.is_done() {
            *flags &= !(FIN | PSH);
        }
        if number > 0 {
            *flags &= !CWR;
        }
        Some(())
    }

    fn finish_checksum(&self, packet: &mut [u8], protocol: u8, offset: usize) -> Option<()> {
        let place = self.transport + offset;
        put(packet, place, &[0, 0])?;
        let body = packet.get(self.transport..)?;
        let sum = pseudo_header(packet, protocol, body.len())?.add(body);
        put(packet, place, &as_written(sum.checksum(), offset))
    }
}

/// Where the transport header begins.
fn transport(header: &Header, packet: &[u8]) -> Option<usize> {
    let ip = match octet(packet, 0)? >> 4 {
        4 => usize::from(octet(packet, 0)? & 15) * 4,
        6 => IPV6_HEADER_LEN,
        _ => return None,
    };
    let transport = if header.needs_checksum() {
        usize::from(header.checksum_start)
    } else {
        ip
    };
    // IPv6 may have extension headers between.
    let fits = transport == ip || (is_ipv6(packet) && transport > ip);
    (ip >= 20 && fits).then_some(transport)
}

/// The checksum's field holds the pseudo header's sum already.
fn complete(header: &Header, packet: &mut [u8]) -> Option<()> {
    let start = usize::from(header.checksum_start);
    let sum = Sum::default().add(packet.get(start..)?);
    let offset = usize::from(header.checksum_offset);
    put(packet, start + offset, &as_written(sum.checksum(), offset))
}

/// RFC 768: in UDP a checksum of zero says that there is none, so zero is written the other way that
/// ones' complement has. TCP knows no such exception.
fn as_written(checksum: [u8; 2], offset: usize) -> [u8; 2] {
    if checksum == [0, 0] && offset == UDP_CHECKSUM {
        [0xff, 0xff]
    } else {
        checksum
    }
}
