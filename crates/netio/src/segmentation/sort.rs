//! Which packets may become part of a super-packet.

use super::octets::{is_ipv6, long, octet, word};

pub(super) const PROTOCOL_TCP: u8 = 6;
pub(super) const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_ICMPV6: u8 = 58;

/// Places in the TCP header (RFC 9293 §3.1).
pub(super) const TCP_FLAGS: usize = 13;
pub(super) const TCP_CHECKSUM: usize = 16;
pub(super) const FIN: u8 = 0x01;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const CWR: u8 = 0x80;

/// More fragments, or a fragment's offset.
const FRAGMENT: u16 = 0x3fff;

/// What a packet is to the order of flows.
#[derive(Debug)]
pub(super) enum Sort {
    /// It has no order to keep with TCP.
    Free,
    Tcp(Tcp),
    /// It cannot be told to which flow it belongs.
    Unknown,
}

/// A whole TCP packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tcp {
    /// Where the TCP header begins.
    pub(super) transport: usize,
    /// Octets of all headers.
    pub(super) headers: usize,
    /// Octets of payload.
    pub(super) payload: usize,
    pub(super) sequence: u32,
    flags: u8,
}

impl Tcp {
    /// Whether it may be part of a super-packet: data in the midst of a connection, with nothing in
    /// its IP header that a super-packet could not repeat.
    pub(super) fn is_mergeable(&self, packet: &[u8]) -> bool {
        let plain = if is_ipv6(packet) { 40 } else { 20 };
        self.flags & !PSH == ACK && self.payload > 0 && self.transport == plain
    }

    /// Whether nothing may follow it in a super-packet.
    pub(super) fn ends(&self) -> bool {
        self.flags & PSH != 0
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
    match octet(packet, 9)? {
        PROTOCOL_UDP | PROTOCOL_ICMP => return Some(Sort::Free),
        PROTOCOL_TCP => {}
        _ => return None,
    }
    let transport = usize::from(octet(packet, 0)? & 15) * 4;
    let whole = word(packet, 6)? & FRAGMENT == 0;
    let exact = usize::from(word(packet, 2)?) == packet.len();
    if whole && exact && transport >= 20 {
        return tcp(packet, transport);
    }
    None
}

fn sort_v6(packet: &[u8]) -> Option<Sort> {
    match octet(packet, 6)? {
        PROTOCOL_UDP | PROTOCOL_ICMPV6 => Some(Sort::Free),
        PROTOCOL_TCP if usize::from(word(packet, 4)?) + 40 == packet.len() => tcp(packet, 40),
        _ => None,
    }
}

fn tcp(packet: &[u8], transport: usize) -> Option<Sort> {
    let len = usize::from(octet(packet, transport + 12)? >> 4) * 4;
    let headers = transport + len;
    if len < 20 {
        return None;
    }
    Some(Sort::Tcp(Tcp {
        transport,
        headers,
        payload: packet.len().checked_sub(headers)?,
        sequence: long(packet, transport + 4)?,
        flags: octet(packet, transport + TCP_FLAGS)?,
    }))
}
