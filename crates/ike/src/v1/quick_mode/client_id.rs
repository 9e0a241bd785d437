//! Client identities (RFC 2407 §4.6.2) and traffic selectors, both ways. Quick mode knows one pair of
//! them, each an address, a subnet or a range, with one protocol and one port or any.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipsec::TrafficSelector;
use wire::ikev1::Identification;
use wire::ikev1::numbers::identification;

/// An identification payload's body with its data owned, as we write it.
pub(super) struct Written {
    id_type: u8,
    protocol: u8,
    port: u16,
    data: Vec<u8>,
}

impl Written {
    /// The body of the payload.
    pub(super) fn payload(&self) -> Identification<'_> {
        Identification {
            id_type: self.id_type,
            protocol: self.protocol,
            port: self.port,
            data: &self.data,
        }
    }
}

/// The packets that an identity stands for; `None` when it is no set of addresses.
pub(super) fn read(id: &Identification<'_>) -> Option<TrafficSelector> {
    let addresses = match id.id_type {
        identification::IPV4_ADDR => TrafficSelector::host(ipv4(id.data)?),
        identification::IPV6_ADDR => TrafficSelector::host(ipv6(id.data)?),
        identification::IPV4_ADDR_SUBNET => {
            let (network, mask) = halves(id.data, ipv4)?;
            subnet(network, mask)?
        }
        identification::IPV6_ADDR_SUBNET => {
            let (network, mask) = halves(id.data, ipv6)?;
            subnet(network, mask)?
        }
        identification::IPV4_ADDR_RANGE => {
            let (start, end) = halves(id.data, ipv4)?;
            TrafficSelector::range(start, end)
        }
        identification::IPV6_ADDR_RANGE => {
            let (start, end) = halves(id.data, ipv6)?;
            TrafficSelector::range(start, end)
        }
        _ => return None,
    };
    let selector = addresses.with_protocol(id.protocol);
    // RFC 2407 §4.6.2: a port of zero is to be ignored.
    let selector = match id.port {
        0 => selector,
        port => selector.with_ports(port, port),
    };
    selector.is_valid().then_some(selector)
}

/// The identity that stands for a selector; `None` when it has several ports, which no identity can
/// say.
pub(super) fn write(selector: &TrafficSelector) -> Option<Written> {
    let port = if selector.is_any_port() {
        0
    } else if selector.start_port == selector.end_port && selector.start_port != 0 {
        selector.start_port
    } else {
        return None;
    };
    let (id_type, data) = addresses(selector);
    Some(Written {
        id_type,
        protocol: selector.protocol,
        port,
        data,
    })
}

fn addresses(selector: &TrafficSelector) -> (u8, Vec<u8>) {
    let v4 = selector.start.is_ipv4();
    let start = octets(selector.start);
    if selector.is_host() {
        let kind = if v4 {
            identification::IPV4_ADDR
        } else {
            identification::IPV6_ADDR
        };
        return (kind, start);
    }
    if let Some((_, length)) = selector.prefix() {
        let kind = if v4 {
            identification::IPV4_ADDR_SUBNET
        } else {
            identification::IPV6_ADDR_SUBNET
        };
        return (kind, [start, mask(v4, length)].concat());
    }
    let kind = if v4 {
        identification::IPV4_ADDR_RANGE
    } else {
        identification::IPV6_ADDR_RANGE
    };
    (kind, [start, octets(selector.end)].concat())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn mask(v4: bool, length: u8) -> Vec<u8> {
    let shift = u32::from(length);
    if v4 {
        let free = u32::MAX.checked_shr(shift).unwrap_or(0);
        (!free).to_be_bytes().to_vec()
    } else {
        let free = u128::MAX.checked_shr(shift).unwrap_or(0);
        (!free).to_be_bytes().to_vec()
    }
}

/// A subnet by its mask, whose ones must stand together in front.
fn subnet(network: IpAddr, mask: IpAddr) -> Option<TrafficSelector> {
    let length = match mask {
        IpAddr::V4(mask) => prefix_length(u128::from(mask.to_bits()) << 96),
        IpAddr::V6(mask) => prefix_length(mask.to_bits()),
    };
    TrafficSelector::from_prefix(network, length?)
}

fn prefix_length(left_aligned: u128) -> Option<u8> {
    let ones = left_aligned.leading_ones();
    (left_aligned.count_ones() == ones).then(|| u8::try_from(ones).ok())?
}

fn halves(data: &[u8], read: impl Fn(&[u8]) -> Option<IpAddr>) -> Option<(IpAddr, IpAddr)> {
    let (first, second) = data.split_at_checked(data.len() / 2)?;
    Some((read(first)?, read(second)?))
}

fn ipv4(data: &[u8]) -> Option<IpAddr> {
    let octets = <[u8; 4]>::try_from(data).ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn ipv6(data: &[u8]) -> Option<IpAddr> {
    let octets = <[u8; 16]>::try_from(data).ok()?;
    Some(Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> TrafficSelector {
        text.parse().expect("a traffic selector")
    }

    #[test]
    fn every_form_comes_back() {
        for (text, kind, length) in [
            ("192.0.2.7", 1, 4),
            ("10.1.0.0/16", 4, 8),
            ("0.0.0.0/0", 4, 8),
            ("10.0.0.1-10.0.0.6", 7, 8),
            ("2001:db8::7", 5, 16),
            ("2001:db8::/33", 6, 32),
            ("::/0", 6, 32),
            ("2001:db8::1-2001:db8::5", 8, 32),
            ("10.1.0.0/16[tcp/22]", 4, 8),
            ("192.0.2.7[47]", 1, 4),
        ] {
            let selector = selector(text);
            let written = write(&selector).expect(text);
            assert_eq!(
                (written.id_type, written.data.len()),
                (kind, length),
                "{text}"
            );
            assert_eq!(read(&written.payload()), Some(selector), "{text}");
        }
    }

    #[test]
    fn a_mask_with_holes_a_wrong_length_and_a_name_are_no_addresses() {
        let id = |id_type, data| Identification {
            id_type,
            protocol: 0,
            port: 0,
            data,
        };
        for (kind, data) in [
            (4, &[10, 0, 0, 0, 255, 0, 255, 0][..]),
            (4, &[10, 0, 0, 0, 255, 0, 0]),
            (4, &[]),
            (1, &[10, 0, 0]),
            (1, &[10, 0, 0, 0, 0]),
            (7, &[10, 0, 0, 9, 10, 0, 0, 1]),
            (2, b"example.org"),
            (11, b"key"),
        ] {
            assert_eq!(read(&id(kind, data)), None, "{kind} {data:?}");
        }
        // Host bits beside the mask are not part of the network.
        assert_eq!(
            read(&id(4, &[10, 1, 2, 3, 255, 255, 0, 0])),
            Some(selector("10.1.0.0/16"))
        );
    }

    #[test]
    fn several_ports_cannot_be_said() {
        let any = selector("10.0.0.0/8");
        assert!(write(&any.with_protocol(6).with_ports(1_000, 2_000)).is_none());
        assert!(write(&any.with_ports(u16::MAX, 0)).is_none(), "OPAQUE");
        assert!(write(&any.with_ports(0, 0)).is_none(), "port 0 alone");
    }
}
