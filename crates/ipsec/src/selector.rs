use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::prefix::{host_bits, mask, number, prefix_length};

/// One traffic selector (RFC 7296 §3.13.1): a range of addresses, a protocol and a range of ports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TrafficSelector {
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// First port of the range (0 with `end_port` 65535 means any).
    pub start_port: u16,
    /// Last port of the range, inclusive. `start_port` 65535 with `end_port` 0 means OPAQUE.
    pub end_port: u16,
    /// First address; same family as `end`.
    pub start: IpAddr,
    /// Last address, inclusive.
    pub end: IpAddr,
}

impl TrafficSelector {
    /// All of IPv4.
    pub const ANY_V4: Self = Self::range(
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::BROADCAST),
    );
    /// All of IPv6.
    pub const ANY_V6: Self = Self::range(
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    );

    /// All protocols and ports of the addresses `start..=end`, which are of one family.
    #[must_use]
    pub const fn range(start: IpAddr, end: IpAddr) -> Self {
        Self {
            protocol: 0,
            start_port: 0,
            end_port: u16::MAX,
            start,
            end,
        }
    }

    /// All protocols and ports of one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self::range(address, address)
    }

    /// All protocols and ports of a prefix; bits beyond `length` are ignored. `None` when the
    /// length exceeds the family's 32 or 128.
    #[must_use]
    pub fn from_prefix(network: IpAddr, length: u8) -> Option<Self> {
        let start = mask(network, length)?;
        let (bits, width) = number(start);
        Some(Self::range(
            start,
            crate::prefix::address(bits | host_bits(width, length), width),
        ))
    }

    /// The same addresses with another protocol (0 for any).
    #[must_use]
    pub const fn with_protocol(self, protocol: u8) -> Self {
        Self { protocol, ..self }
    }

    /// The same addresses with another range of ports.
    #[must_use]
    pub const fn with_ports(self, start_port: u16, end_port: u16) -> Self {
        Self {
            start_port,
            end_port,
            ..self
        }
    }

    /// Whether both ends are of one family and in order, and the ports too or OPAQUE.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.start.is_ipv4() == self.end.is_ipv4()
            && self.start <= self.end
            && (self.start_port <= self.end_port || self.is_opaque())
    }

    /// Whether it is about a single address.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.start == self.end
    }

    /// The prefix that it covers exactly, if it covers one.
    #[must_use]
    pub fn prefix(&self) -> Option<(IpAddr, u8)> {
        prefix_length(self.start, self.end).map(|length| (self.start, length))
    }

    /// Whether every port is meant, and packets whose ports cannot be seen.
    #[must_use]
    pub const fn is_any_port(&self) -> bool {
        self.start_port == 0 && self.end_port == u16::MAX
    }

    /// Whether just packets are meant whose ports cannot be seen (RFC 4301 §4.4.1.1: OPAQUE).
    #[must_use]
    pub const fn is_opaque(&self) -> bool {
        self.start_port == u16::MAX && self.end_port == 0
    }

    /// Whether an address is in the range (never across families).
    #[must_use]
    pub fn contains_address(&self, address: IpAddr) -> bool {
        match (self.start, address, self.end) {
            (IpAddr::V4(start), IpAddr::V4(address), IpAddr::V4(end)) => {
                start <= address && address <= end
            }
            (IpAddr::V6(start), IpAddr::V6(address), IpAddr::V6(end)) => {
                start <= address && address <= end
            }
            _ => false,
        }
    }

    /// Whether a protocol is meant.
    #[must_use]
    pub const fn contains_protocol(&self, protocol: u8) -> bool {
        self.protocol == 0 || self.protocol == protocol
    }

    /// Whether a port is meant; `None` stands for a port that the packet does not show (a later
    /// fragment, or a protocol without ports).
    #[must_use]
    pub const fn contains_port(&self, port: Option<u16>) -> bool {
        match port {
            Some(port) => self.start_port <= port && port <= self.end_port,
            None => self.is_any_port() || self.is_opaque(),
        }
    }

    /// Whether one end of a packet is meant.
    #[must_use]
    pub fn contains(&self, address: IpAddr, protocol: u8, port: Option<u16>) -> bool {
        self.contains_address(address)
            && self.contains_protocol(protocol)
            && self.contains_port(port)
    }

    /// What both mean; `None` when that is nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.start.is_ipv4() != other.start.is_ipv4() {
            return None;
        }
        let protocol = match (self.protocol, other.protocol) {
            (0, protocol) | (protocol, 0) => protocol,
            (one, two) if one == two => one,
            _ => return None,
        };
        let (start_port, end_port) = self.intersect_ports(other)?;
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start <= end).then_some(Self {
            protocol,
            start_port,
            end_port,
            start,
            end,
        })
    }

    fn intersect_ports(&self, other: &Self) -> Option<(u16, u16)> {
        match (self.is_opaque(), other.is_opaque()) {
            (true, _) if other.is_opaque() || other.is_any_port() => Some((u16::MAX, 0)),
            (_, true) if self.is_any_port() => Some((u16::MAX, 0)),
            (true, _) | (_, true) => None,
            (false, false) => {
                let start = self.start_port.max(other.start_port);
                let end = self.end_port.min(other.end_port);
                (start <= end).then_some((start, end))
            }
        }
    }

    /// Whether `other` means everything that this one means.
    #[must_use]
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.intersect(other) == Some(*self)
    }
}

/// Most traffic selectors of one side of a Child SA.
pub const SELECTORS_MAX: usize = 64;

/// What the peer proposes, cut down to what policy allows (RFC 7296 §2.9), in the order of the
/// proposal, without those that another one already covers. Empty when nothing is allowed
/// (TS_UNACCEPTABLE). At most [`SELECTORS_MAX`] are kept: leaving some out is narrowing too, and a
/// peer must not decide how much a Child SA costs.
#[must_use]
pub fn narrow(proposed: &[TrafficSelector], allowed: &[TrafficSelector]) -> Vec<TrafficSelector> {
    let mut narrowed: Vec<TrafficSelector> = Vec::new();
    for one in proposed {
        for cut in allowed.iter().filter_map(|allowed| one.intersect(allowed)) {
            if !narrowed.iter().any(|kept| cut.is_subset_of(kept)) {
                narrowed.retain(|kept| !kept.is_subset_of(&cut));
                narrowed.push(cut);
            }
            if narrowed.len() == SELECTORS_MAX {
                return narrowed;
            }
        }
    }
    narrowed
}

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            Some((network, length)) => write!(f, "{network}/{length}")?,
            None => write!(f, "{}-{}", self.start, self.end)?,
        }
        if self.protocol == 0 && self.is_any_port() {
            return Ok(());
        }
        f.write_str("[")?;
        match self.protocol {
            0 => {}
            1 => f.write_str("icmp")?,
            6 => f.write_str("tcp")?,
            17 => f.write_str("udp")?,
            58 => f.write_str("ipv6-icmp")?,
            132 => f.write_str("sctp")?,
            other => write!(f, "{other}")?,
        }
        if self.is_opaque() {
            f.write_str("/opaque")?;
        } else if self.start_port == self.end_port {
            write!(f, "/{}", self.start_port)?;
        } else if !self.is_any_port() {
            write!(f, "/{}-{}", self.start_port, self.end_port)?;
        }
        f.write_str("]")
    }
}
