//! Which packets may become part of a super-packet.

use super::octets::{long, octet, word};

pub(super) const PROTOCOL_TCP: u8 = 6;
pub(super) const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_ICMPV6: u8 = 58;

/// Octets of headers that a super-packet can repeat.
const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
pub(super) const UDP_HEADER_LEN: usize = 8;

/// Places in the TCP header (RFC 9293 §3.1).
pub(super) const TCP_FLAGS: usize = 13;
pub(super) const TCP_CHECKSUM: usize = 16;
pub(super) const FIN: u8 = 0x01;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const CWR: u8 = 0x80;

/// Places in the UDP header (RFC 768).
pub(super) const UDP_LENGTH: usize = 4;
pub(super) const UDP_CHECKSUM: usize = 6;

/// More fragments, or a fragment's offset.
const FRAGMENT: u16 = 0x3fff;

/// What a packet is to the order of flows.
#[derive(Debug)]
pub(super) enum Sort {
    /// It has no order to keep with others.
    Free,
    Segment(Segment),
    /// It cannot be told to which flow it belongs.
    Unknown,
}

/// A whole TCP or UDP packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub(super) protocol: u8,
    /// Where the transport header begins.
    pub(super) transport: usize,
    /// Octets of all headers.
    pub(super) headers: usize,
    /// Octets of payload.
    pub(super) payload: usize,
    /// That of TCP; UDP has none.
    pub(super) sequence: u32,
    /// Whether it may be part of a super-packet: data with nothing in its headers that a super-packet
    /// could not repeat.
    pub(super) mergeable: bool,
    /// Whether nothing may follow it in a super-packet.
    pub(super) ends: bool,
}

impl Segment {
    pub(super) fn is_udp(&self) -> bool {
        self.protocol == PROTOCOL_UDP
    }

    /// Where its checksum is.
    pub(super) fn checksum(&self) -> usize {
        self.transport + self.checksum_offset()
    }

    pub(super) fn checksum_offset(&self) -> usize {
        if self.is_udp() {
            UDP_CHECKSUM
        } else {
            TCP_CHECKSUM
        }
    }
}

/// Sorts an IP packet.
pub(super) fn sort(packet: &[u8]) -> Sort {
    let sorted = match octet(packet, 0).map(|octet| octet >> 4) {
        Some(4) => sort_v4(packet),
        Some(6) => sort_v6(packet),
        _ => None,
    };
    sorted.unwrap_or(Sort::Unknown)
}

fn sort_v4(packet: &[u8]) -> Option<Sort> {
    let protocol = octet(packet, 9)?;
    if protocol == PROTOCOL_ICMP {
        return Some(Sort::Free);
    }
    let transport = usize::from(octet(packet, 0)? & 15) * 4;
    let whole = word(packet, 6)? & FRAGMENT == 0;
    let exact = usize::from(word(packet, 2)?) == packet.len();
    if !whole || !exact || transport < IPV4_HEADER_LEN {
        return None;
    }
    segment(packet, protocol, transport, transport == IPV4_HEADER_LEN)
}

fn sort_v6(packet: &[u8]) -> Option<Sort> {
    let protocol = octet(packet, 6)?;
    if protocol == PROTOCOL_ICMPV6 {
        return Some(Sort::Free);
    }
    let exact = usize::from(word(packet, 4)?) + IPV6_HEADER_LEN == packet.len();
    if !exact {
        return None;
    }
    segment(packet, protocol, IPV6_HEADER_LEN, true)
}

fn segment(packet: &[u8], protocol: u8, transport: usize, plain: bool) -> Option<Sort> {
    match protocol {
        PROTOCOL_TCP => tcp(packet, transport, plain),
        PROTOCOL_UDP => udp(packet, transport, plain),
        _ => None,
    }
}

fn tcp(packet: &[u8], transport: usize, plain: bool) -> Option<Sort> {
    let len = usize::from(octet(packet, transport + 12)? >> 4) * 4;
    let headers = transport + len;
    if len < 20 {
        return None;
    }
    let payload = packet.len().checked_sub(headers)?;
    let flags = octet(packet, transport + TCP_FLAGS)?;
    Some(Sort::Segment(Segment {
        protocol: PROTOCOL_TCP,
        transport,
        headers,
        payload,
        sequence: long(packet, transport + 4)?,
        // In the midst of a connection.
        mergeable: plain && flags & !PSH == ACK && payload > 0,
        ends: flags & PSH != 0,
    }))
}

fn udp(packet: &[u8], transport: usize, plain: bool) -> Option<Sort> {
    let headers = transport + UDP_HEADER_LEN;
    let payload = packet.len().checked_sub(headers)?;
    let exact = usize::from(word(packet, transport + UDP_LENGTH)?) == UDP_HEADER_LEN + payload;
    Some(Sort::Segment(Segment {
        protocol: PROTOCOL_UDP,
        transport,
        headers,
        payload,
        sequence: 0,
        mergeable: plain && exact && payload > 0,
        ends: false,
    }))
}
