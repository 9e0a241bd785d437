use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Malformed;
use crate::read::Reader;

/// Most IPv6 extension headers that are walked to find the transport protocol.
pub const EXTENSION_HEADERS_MAX: usize = 8;

/// IP protocol numbers.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in something.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6 in something.
    pub const IPV6: u8 = 41;
    /// ESP.
    pub const ESP: u8 = 50;
    /// AH.
    pub const AH: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing follows; in ESP a dummy packet (RFC 4303 §2.6).
    pub const NONE: u8 = 59;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}

/// IPv6 extension headers (RFC 8200 §4, RFC 6275, RFC 7401, RFC 5533).
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const HOST_IDENTITY: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

/// Whether a packet is a fragment, and which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fragment {
    /// Not fragmented.
    Whole,
    /// The first fragment: has the transport header.
    First,
    /// A later fragment: has no transport header.
    Later,
}

/// What the transport header says to a traffic selector (RFC 7296 §3.13.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upper {
    /// Ports of TCP, UDP, SCTP, DCCP or UDP-Lite.
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// Type and code of ICMP or ICMPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// Not there: a later fragment, a truncated packet or a protocol without ports.
    Opaque,
}

/// The fields of an IP packet that a tunnel needs. All lengths were checked against the octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InnerPacket {
    /// Source address; its family is the packet's version.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Transport protocol, after IPv6 extension headers.
    pub protocol: u8,
    /// Ports or ICMP type and code.
    pub upper: Upper,
    /// Octets of the packet by its own header; what lies beyond is padding.
    pub total_len: usize,
    /// Octets before the transport header.
    pub header_len: usize,
    /// DSCP and ECN: the TOS or Traffic Class octet.
    pub traffic_class: u8,
    /// Don't Fragment. Always set for IPv6, which routers never fragment.
    pub dont_fragment: bool,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Whether it is a fragment.
    pub fragment: Fragment,
}

impl InnerPacket {
    /// Reads an IPv4 or IPv6 packet. Octets beyond its own total length are tolerated, because ESP
    /// may carry padding for traffic flow confidentiality (RFC 4303 §2.7).
    ///
    /// # Errors
    /// [`Malformed`] for another version, a header that is cut off or contradicts itself, or more
    /// than [`EXTENSION_HEADERS_MAX`] extension headers.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        match packet.first().map(|octet| octet >> 4) {
            Some(4) => parse_v4(packet),
            Some(6) => parse_v6(packet),
            Some(_) => Err(Malformed::BadValue),
            None => Err(Malformed::Truncated),
        }
    }

    /// Whether the packet is IPv6.
    #[must_use]
    pub const fn is_ipv6(&self) -> bool {
        self.source.is_ipv6()
    }

    /// Whether the packet is any fragment.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.fragment != Fragment::Whole
    }
}

fn parse_v4(packet: &[u8]) -> Result<InnerPacket, Malformed> {
    let mut reader = Reader::new(packet);
    let [version, traffic_class] = reader.array()?;
    let total_len = usize::from(reader.u16()?);
    let _identification = reader.u16()?;
    let fragment = reader.u16()?;
    let [hop_limit, protocol] = reader.array()?;
    let _checksum = reader.u16()?;
    let source = Ipv4Addr::from(reader.array::<4>()?);
    let destination = Ipv4Addr::from(reader.array::<4>()?);
    let header_len = usize::from(version & 0x0f) * 4;
    if header_len < 20 || total_len < header_len {
        return Err(Malformed::BadLength);
    }
    let segment = packet.get(..total_len).and_then(|p| p.get(header_len..));
    let segment = segment.ok_or(Malformed::Truncated)?;
    let fragment_kind = fragment_kind(fragment & 0x1fff, fragment & 0x2000 != 0);
    Ok(InnerPacket {
        source: IpAddr::V4(source),
        destination: IpAddr::V4(destination),
        protocol,
        upper: upper(protocol, fragment_kind, segment),
        total_len,
        header_len,
        traffic_class,
        dont_fragment: fragment & 0x4000 != 0,
        hop_limit,
        fragment: fragment_kind,
    })
}

const fn fragment_kind(offset: u16, more: bool) -> Fragment {
    match (offset, more) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    }
}

fn parse_v6(packet: &[u8]) -> Result<InnerPacket, Malformed> {
    let mut reader = Reader::new(packet);
    let first = reader.u32()?;
    let payload_len = usize::from(reader.u16()?);
    let [next, hop_limit] = reader.array()?;
    let source = Ipv6Addr::from(reader.array::<16>()?);
    let destination = Ipv6Addr::from(reader.array::<16>()?);
    let payload = reader.take(payload_len)?;
    let walk = walk_extensions(next, payload)?;
    Ok(InnerPacket {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        protocol: walk.protocol,
        upper: upper(walk.protocol, walk.fragment, walk.segment),
        total_len: V6_HEADER_LEN + payload_len,
        header_len: V6_HEADER_LEN + payload_len - walk.segment.len(),
        traffic_class: u8::try_from((first >> 20) & 0xff).unwrap_or_default(),
        dont_fragment: true,
        hop_limit,
        fragment: walk.fragment,
    })
}

const V6_HEADER_LEN: usize = 40;

struct Walk<'a> {
    protocol: u8,
    fragment: Fragment,
    segment: &'a [u8],
}

fn walk_extensions(first: u8, payload: &[u8]) -> Result<Walk<'_>, Malformed> {
    let mut reader = Reader::new(payload);
    let mut walk = Walk {
        protocol: first,
        fragment: Fragment::Whole,
        segment: payload,
    };
    for _ in 0..=EXTENSION_HEADERS_MAX {
        // RFC 8200 §4.5: what follows the header of a later fragment is the middle of something.
        if walk.fragment == Fragment::Later || !is_extension(walk.protocol) {
            return Ok(walk);
        }
        let [next, length] = reader.array()?;
        match walk.protocol {
            extension::FRAGMENT => {
                let offset = reader.u16()?;
                let _identification = reader.u32()?;
                walk.fragment = fragment_kind(offset >> 3, offset & 1 != 0);
            }
            // RFC 4302 §2.2: AH counts in units of four octets, minus two.
            protocol::AH => skip(&mut reader, usize::from(length) * 4 + 6)?,
            _ => skip(&mut reader, usize::from(length) * 8 + 6)?,
        }
        walk.protocol = next;
        walk.segment = reader.rest();
    }
    Err(Malformed::TooMany)
}

fn skip(reader: &mut Reader<'_>, count: usize) -> Result<(), Malformed> {
    reader.take(count).map(|_| ())
}

const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        extension::HOP_BY_HOP
            | extension::ROUTING
            | extension::FRAGMENT
            | extension::DESTINATION
            | extension::HOST_IDENTITY
            | extension::SHIM6
            | protocol::AH
    )
}

fn upper(protocol: u8, fragment: Fragment, segment: &[u8]) -> Upper {
    if fragment == Fragment::Later {
        return Upper::Opaque;
    }
    match (protocol, segment) {
        (
            protocol::TCP | protocol::UDP | protocol::SCTP | protocol::DCCP | protocol::UDP_LITE,
            &[a, b, c, d, ..],
        ) => Upper::Ports {
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
        },
        (protocol::ICMP | protocol::ICMPV6, &[kind, code, ..]) => Upper::Icmp { kind, code },
        _ => Upper::Opaque,
    }
}
