use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{checksum, protocol, transport_checksum};

/// Octets that [`build_udp`] puts before the payload over IPv4.
pub const UDP_V4_OVERHEAD: usize = 28;
/// Octets that [`build_udp`] puts before the payload over IPv6.
pub const UDP_V6_OVERHEAD: usize = 48;

const HOP_LIMIT: u8 = 64;

/// Appends a whole UDP packet with right lengths and checksums. Returns `false`, with nothing
/// appended, if the families differ or the payload is too long.
pub fn build_udp(
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let Some(length) = payload
        .len()
        .checked_add(8)
        .and_then(|n| u16::try_from(n).ok())
    else {
        return false;
    };
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let Some(total) = length.checked_add(20) else {
                return false;
            };
            write_v4_header(from, to, protocol::UDP, HOP_LIMIT, total, out);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            write_v6_header(from, to, protocol::UDP, HOP_LIMIT, length, out);
        }
        _ => return false,
    }
    let start = out.len();
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(payload);
    let sum = transport_checksum(source.ip(), destination.ip(), protocol::UDP, &out[start..]);
    // RFC 768: a computed 0 is sent as all ones, since 0 means "no checksum".
    let sum = if sum == 0 { 0xffff } else { sum };
    out[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
    true
}

/// Appends an IPv4 header without options, Don't Fragment set, checksum right.
pub(super) fn write_v4_header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    hop_limit: u8,
    total_len: u16,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let [high, low] = total_len.to_be_bytes();
    out.extend_from_slice(&[0x45, 0, high, low, 0, 0, 0x40, 0, hop_limit, protocol, 0, 0]);
    out.extend_from_slice(&source.octets());
    out.extend_from_slice(&destination.octets());
    let sum = checksum(&[&out[start..]]);
    out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
}

/// Appends an IPv6 header without extension headers.
pub(super) fn write_v6_header(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next_header: u8,
    hop_limit: u8,
    payload_len: u16,
    out: &mut Vec<u8>,
) {
    let [high, low] = payload_len.to_be_bytes();
    out.extend_from_slice(&[0x60, 0, 0, 0, high, low, next_header, hop_limit]);
    out.extend_from_slice(&source.octets());
    out.extend_from_slice(&destination.octets());
}
