use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Fragment, InnerPacket, Upper, checksum, protocol, transport_checksum};

/// Why a packet that is too big is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathMtuError {
    /// It cannot be read, or its source cannot be answered (RFC 1122 §3.2.2, RFC 4443 §2.4).
    NotAnswerable,
    /// It may be fragmented instead: IPv4 without Don't Fragment.
    MayBeFragmented,
    /// The router's address is of another family than the packet.
    WrongFamily,
}

/// An IPv4 error quotes no more than makes 576 octets in all (RFC 1812 §4.3.2.3).
const V4_ERROR_MAX: usize = 576;
/// An IPv6 error fits the minimum MTU (RFC 4443 §2.4).
const V6_ERROR_MAX: usize = 1280;
const HOP_LIMIT: u8 = 64;

/// Writes to `out` (cleared first) the ICMP message that tells the source of `offending` that only
/// `mtu` octets pass: Destination Unreachable, fragmentation needed (RFC 1191 §4) for IPv4, Packet
/// Too Big (RFC 4443 §3.2) for IPv6. `router` is the address that it comes from.
///
/// # Errors
/// [`PathMtuError`] if the RFCs forbid an answer.
pub fn packet_too_big(
    offending: &[u8],
    router: IpAddr,
    mtu: u32,
    out: &mut Vec<u8>,
) -> Result<(), PathMtuError> {
    out.clear();
    let inner = InnerPacket::parse(offending).map_err(|_| PathMtuError::NotAnswerable)?;
    let offending = offending
        .get(..inner.total_len)
        .ok_or(PathMtuError::NotAnswerable)?;
    match (inner.source, inner.destination, router) {
        (IpAddr::V4(source), IpAddr::V4(destination), IpAddr::V4(router)) => {
            may_answer_v4(&inner, source, destination)?;
            write_v4(offending, router, source, mtu, out);
            Ok(())
        }
        (IpAddr::V6(source), IpAddr::V6(_), IpAddr::V6(router)) => {
            may_answer_v6(&inner, source)?;
            write_v6(offending, router, source, mtu, out);
            Ok(())
        }
        _ => Err(PathMtuError::WrongFamily),
    }
}

fn may_answer_v4(
    inner: &InnerPacket,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Result<(), PathMtuError> {
    if !inner.dont_fragment {
        return Err(PathMtuError::MayBeFragmented);
    }
    // RFC 1122 §3.2.2: not about ICMP errors, non-initial fragments, or anything sent to or from
    // an address that does not stand for one host.
    let is_error = inner.protocol == protocol::ICMP
        && matches!(
            inner.upper,
            Upper::Icmp {
                kind: 3 | 4 | 5 | 11 | 12,
                ..
            }
        );
    let many = |address: Ipv4Addr| address.is_broadcast() || address.is_multicast();
    let refused = is_error
        || inner.fragment == Fragment::Later
        || many(source)
        || many(destination)
        || source.is_unspecified();
    if refused {
        Err(PathMtuError::NotAnswerable)
    } else {
        Ok(())
    }
}

fn may_answer_v6(inner: &InnerPacket, source: Ipv6Addr) -> Result<(), PathMtuError> {
    // RFC 4443 §2.4 (e): not about ICMPv6 errors (types below 128) or redirects. A multicast
    // destination may be answered, because path MTU discovery works for it.
    let is_error = inner.protocol == protocol::ICMPV6
        && matches!(
            inner.upper,
            Upper::Icmp {
                kind: 0..=127 | 137,
                ..
            }
        );
    if is_error || source.is_multicast() || source.is_unspecified() {
        Err(PathMtuError::NotAnswerable)
    } else {
        Ok(())
    }
}

fn write_v4(offending: &[u8], router: Ipv4Addr, source: Ipv4Addr, mtu: u32, out: &mut Vec<u8>) {
    let quoted = quote(offending, V4_ERROR_MAX - 20 - 8);
    let total = u16::try_from(28 + quoted.len()).unwrap_or(u16::MAX);
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    super::build::write_v4_header(router, source, protocol::ICMP, HOP_LIMIT, total, out);
    let start = out.len();
    out.extend_from_slice(&[3, 4, 0, 0, 0, 0]);
    out.extend_from_slice(&mtu.to_be_bytes());
    out.extend_from_slice(quoted);
    let sum = checksum(&[&out[start..]]);
    out[start + 2..start + 4].copy_from_slice(&sum.to_be_bytes());
}

fn write_v6(offending: &[u8], router: Ipv6Addr, source: Ipv6Addr, mtu: u32, out: &mut Vec<u8>) {
    let quoted = quote(offending, V6_ERROR_MAX - 40 - 8);
    let payload = u16::try_from(8 + quoted.len()).unwrap_or(u16::MAX);
    super::build::write_v6_header(router, source, protocol::ICMPV6, HOP_LIMIT, payload, out);
    let start = out.len();
    out.extend_from_slice(&[2, 0, 0, 0]);
    out.extend_from_slice(&mtu.to_be_bytes());
    out.extend_from_slice(quoted);
    let sum = transport_checksum(
        IpAddr::V6(router),
        IpAddr::V6(source),
        protocol::ICMPV6,
        &out[start..],
    );
    out[start + 2..start + 4].copy_from_slice(&sum.to_be_bytes());
}

fn quote(offending: &[u8], max: usize) -> &[u8] {
    offending.get(..max).unwrap_or(offending)
}
