use ipsec::Flow;
use wire::ip::{InnerPacket, Upper};

/// What the selectors see of an inner packet.
#[must_use]
pub fn flow(inner: &InnerPacket) -> Flow {
    let (source_port, destination_port) = match inner.upper {
        Upper::Ports {
            source,
            destination,
        } => (Some(source), Some(destination)),
        // RFC 7296 §3.13.1: type and code of ICMP stand as one number where ports do, the type in
        // the upper octet; both sides of the selectors carry them.
        Upper::Icmp { kind, code } => {
            let both = u16::from_be_bytes([kind, code]);
            (Some(both), Some(both))
        }
        Upper::Opaque => (None, None),
    };
    Flow {
        source: inner.source,
        destination: inner.destination,
        protocol: inner.protocol,
        source_port,
        destination_port,
    }
}
