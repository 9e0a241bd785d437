//! The Configuration payload (RFC 7296 §3.15): virtual addresses and DNS servers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::ikev2::numbers::attribute;
use wire::ikev2::{Attribute, Configuration, ConfigurationKind, Payload};

use crate::Lease;

/// DNS servers taken from one reply at most.
const DNS_MAX: usize = 8;

/// The prefix length that goes with a single IPv6 address.
const HOST_PREFIX: u8 = 128;

/// What a CFG_REQUEST asks for. An address that is unspecified means "any".
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) ipv4: Option<Ipv4Addr>,
    pub(super) ipv6: Option<Ipv6Addr>,
}

impl Request {
    /// The addresses wanted, one of each family at most.
    pub(super) fn wanted(&self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = self.ipv4.map(IpAddr::V4);
        ipv4.into_iter().chain(self.ipv6.map(IpAddr::V6))
    }
}

/// What a CFG_REPLY gave.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) dns: Vec<IpAddr>,
}

/// Reads a peer's request; `None` when the payload is not one.
pub(super) fn read_request(configuration: &Configuration<'_>) -> Option<Request> {
    if configuration.kind != ConfigurationKind::Request {
        return None;
    }
    let mut request = Request::default();
    for attribute in &configuration.attributes {
        match attribute.kind {
            attribute::INTERNAL_IP4_ADDRESS => {
                request.ipv4 = Some(ipv4(attribute.value).unwrap_or(Ipv4Addr::UNSPECIFIED));
            }
            attribute::INTERNAL_IP6_ADDRESS => {
                request.ipv6 = Some(ipv6(attribute.value).unwrap_or(Ipv6Addr::UNSPECIFIED));
            }
            _ => {}
        }
    }
    Some(request)
}

/// Reads a peer's reply; an empty one when the payload is something else.
pub(super) fn read_reply(configuration: &Configuration<'_>) -> Reply {
    let mut reply = Reply::default();
    if configuration.kind != ConfigurationKind::Reply {
        return reply;
    }
    for attribute in &configuration.attributes {
        match attribute.kind {
            attribute::INTERNAL_IP4_ADDRESS => {
                reply
                    .addresses
                    .extend(ipv4(attribute.value).map(IpAddr::V4));
            }
            attribute::INTERNAL_IP6_ADDRESS => {
                reply
                    .addresses
                    .extend(ipv6(attribute.value).map(IpAddr::V6));
            }
            attribute::INTERNAL_IP4_DNS => {
                reply.dns.extend(ipv4(attribute.value).map(IpAddr::V4));
            }
            attribute::INTERNAL_IP6_DNS => {
                reply.dns.extend(ipv6(attribute.value).map(IpAddr::V6));
            }
            _ => {}
        }
    }
    reply.dns.truncate(DNS_MAX);
    reply
}

fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
}

/// The prefix length after the address may be missing: some peers send 16 octets.
fn ipv6(value: &[u8]) -> Option<Ipv6Addr> {
    let address = value.first_chunk::<16>()?;
    (value.len() <= 17).then(|| Ipv6Addr::from(*address))
}

/// A request for virtual addresses of the given families (IPv4, IPv6) and their DNS servers.
/// `None` when neither is wanted.
pub(super) fn write_request(families: (bool, bool)) -> Option<Payload<'static>> {
    let mut kinds = Vec::new();
    if families.0 {
        kinds.extend([attribute::INTERNAL_IP4_ADDRESS, attribute::INTERNAL_IP4_DNS]);
    }
    if families.1 {
        kinds.extend([attribute::INTERNAL_IP6_ADDRESS, attribute::INTERNAL_IP6_DNS]);
    }
    if kinds.is_empty() {
        return None;
    }
    let empty = |kind| Attribute { kind, value: &[] };
    Some(Payload::Configuration(Configuration {
        kind: ConfigurationKind::Request,
        attributes: kinds.into_iter().map(empty).collect(),
    }))
}

/// The attribute values of a reply, which [`reply`] borrows.
pub(super) fn reply_values(leases: &[Lease]) -> Vec<(u16, Vec<u8>)> {
    let mut values = Vec::new();
    for lease in leases {
        values.push(match lease.address {
            IpAddr::V4(address) => (attribute::INTERNAL_IP4_ADDRESS, address.octets().to_vec()),
            IpAddr::V6(address) => {
                let mut value = address.octets().to_vec();
                value.push(HOST_PREFIX);
                (attribute::INTERNAL_IP6_ADDRESS, value)
            }
        });
        values.extend(lease.dns.iter().take(DNS_MAX).map(|server| match server {
            IpAddr::V4(server) => (attribute::INTERNAL_IP4_DNS, server.octets().to_vec()),
            IpAddr::V6(server) => (attribute::INTERNAL_IP6_DNS, server.octets().to_vec()),
        }));
    }
    values
}

/// A reply with these attribute values.
pub(super) fn reply(values: &[(u16, Vec<u8>)]) -> Payload<'_> {
    Payload::Configuration(Configuration {
        kind: ConfigurationKind::Reply,
        attributes: values
            .iter()
            .map(|(kind, value)| Attribute { kind: *kind, value })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &Payload<'_>) -> Reply {
        let Payload::Configuration(configuration) = payload else {
            panic!("a Configuration payload");
        };
        read_reply(configuration)
    }

    #[test]
    fn a_reply_says_what_was_leased() {
        let dns: Vec<IpAddr> = vec![
            "10.0.0.53".parse().unwrap(),
            "2001:db8::53".parse().unwrap(),
        ];
        let lease = |address: &str| Lease {
            pool: "road".into(),
            address: address.parse().unwrap(),
            dns: dns.clone(),
        };
        let leases = [lease("10.3.0.1"), lease("2001:db8:3::1")];
        let values = reply_values(&leases);
        let got = read(&reply(&values));
        assert_eq!(got.addresses, [leases[0].address, leases[1].address]);
        assert_eq!(got.dns, [dns.clone(), dns].concat());
    }

    #[test]
    fn a_request_asks_for_what_is_wanted_only() {
        assert!(write_request((false, false)).is_none());
        let Some(Payload::Configuration(request)) = write_request((false, true)) else {
            panic!("a Configuration payload");
        };
        let request = read_request(&request).expect("a request");
        assert_eq!(
            request.wanted().collect::<Vec<_>>(),
            [IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
        );
    }

    #[test]
    fn odd_lengths_give_no_address() {
        let attribute = |kind, value| Attribute { kind, value };
        let configuration = Configuration {
            kind: ConfigurationKind::Reply,
            attributes: vec![
                attribute(attribute::INTERNAL_IP4_ADDRESS, &[10, 0, 0][..]),
                attribute(attribute::INTERNAL_IP6_ADDRESS, &[0; 18]),
                attribute(attribute::INTERNAL_IP4_DNS, &[]),
                attribute(9_999, &[1]),
            ],
        };
        assert_eq!(read_reply(&configuration), Reply::default());
        assert!(read_request(&configuration).is_none());
    }
}
