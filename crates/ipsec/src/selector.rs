use core::net::IpAddr;

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
