use core::net::IpAddr;
use std::sync::Arc;

use crate::TrafficSelector;

/// What decides to which SA an inner packet belongs (RFC 4301 §4.4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Source address of the inner header.
    pub source: IpAddr,
    /// Destination address of the inner header.
    pub destination: IpAddr,
    /// Next layer protocol, extension headers passed over.
    pub protocol: u8,
    /// Source port; for ICMP, type and code. `None` when the packet does not show it.
    pub source_port: Option<u16>,
    /// Destination port; for ICMP, type and code. `None` when the packet does not show it.
    pub destination_port: Option<u16>,
}

/// The traffic selectors of a Child SA, shared by its inbound and its outbound half.
///
/// One selector a side is what nearly every Child SA has; those lie in place, where a packet finds
/// them in the cache lines of its SA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selectors(Sides);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Sides {
    /// One of our side, one of the peer's.
    One([TrafficSelector; 2]),
    Several {
        /// Those of our side, then those of the peer's side: one allocation for a child.
        all: Arc<[TrafficSelector]>,
        local_count: u32,
    },
}

impl Selectors {
    /// Those of our side and those of the peer's, as negotiated.
    #[must_use]
    pub fn new(local: &[TrafficSelector], remote: &[TrafficSelector]) -> Self {
        Self(match (local, remote) {
            (&[local], &[remote]) => Sides::One([local, remote]),
            _ => Sides::Several {
                all: local.iter().chain(remote).copied().collect(),
                local_count: u32::try_from(local.len()).unwrap_or(u32::MAX),
            },
        })
    }

    /// Those of our side.
    #[must_use]
    pub fn local(&self) -> &[TrafficSelector] {
        match &self.0 {
            Sides::One([local, _]) => core::slice::from_ref(local),
            Sides::Several { all, local_count } => all.get(..*local_count as usize).unwrap_or(all),
        }
    }

    /// Those of the peer's side.
    #[must_use]
    pub fn remote(&self) -> &[TrafficSelector] {
        match &self.0 {
            Sides::One([_, remote]) => core::slice::from_ref(remote),
            Sides::Several { all, local_count } => all.get(*local_count as usize..).unwrap_or(&[]),
        }
    }

    /// Whether a packet that came out of the tunnel may have come out of this SA (RFC 4301 §5.2
    /// step 4).
    #[must_use]
    pub fn allow_inbound(&self, flow: &Flow) -> bool {
        let source =
            |ts: &TrafficSelector| ts.contains(flow.source, flow.protocol, flow.source_port);
        let destination = |ts: &TrafficSelector| {
            ts.contains(flow.destination, flow.protocol, flow.destination_port)
        };
        self.remote().iter().any(source) && self.local().iter().any(destination)
    }

    /// Whether a packet may go into this SA.
    #[must_use]
    pub fn allow_outbound(&self, flow: &Flow) -> bool {
        let source =
            |ts: &TrafficSelector| ts.contains(flow.source, flow.protocol, flow.source_port);
        let destination = |ts: &TrafficSelector| {
            ts.contains(flow.destination, flow.protocol, flow.destination_port)
        };
        self.remote().iter().any(destination) && self.local().iter().any(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_swap_the_sides() {
        let selectors = Selectors::new(
            &["10.0.0.0/8[tcp/22]".parse().unwrap()],
            &["192.0.2.7".parse().unwrap(), "192.0.2.9".parse().unwrap()],
        );
        let inbound = Flow {
            source: "192.0.2.9".parse().unwrap(),
            destination: "10.1.1.1".parse().unwrap(),
            protocol: 6,
            source_port: Some(40_000),
            destination_port: Some(22),
        };
        let outbound = Flow {
            source: inbound.destination,
            destination: inbound.source,
            source_port: Some(22),
            destination_port: Some(40_000),
            ..inbound
        };
        assert!(selectors.allow_inbound(&inbound) && !selectors.allow_outbound(&inbound));
        assert!(selectors.allow_outbound(&outbound) && !selectors.allow_inbound(&outbound));
        let spoofed = Flow {
            source: "192.0.2.8".parse().unwrap(),
            ..inbound
        };
        assert!(!selectors.allow_inbound(&spoofed));
        let elsewhere = Flow {
            destination_port: Some(23),
            ..inbound
        };
        assert!(!selectors.allow_inbound(&elsewhere));
    }
}
