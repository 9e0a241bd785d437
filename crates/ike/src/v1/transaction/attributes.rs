//! Attributes of transactions, read and written.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipsec::PreSharedKey;
use wire::ikev1::numbers::transaction::{attribute, xauth};
use wire::ikev1::{Attribute, Attributes, ConfigurationKind, Payload};

/// DNS servers taken from one reply at most.
const DNS_MAX: usize = 8;

/// A value that we write.
pub(super) enum Owned {
    Basic(u16),
    Octets(Vec<u8>),
    Secret(PreSharedKey),
}

/// The payload with these attributes.
pub(super) fn payload(
    kind: ConfigurationKind,
    identifier: u16,
    attributes: &[(u16, Owned)],
) -> Payload<'_> {
    let attributes = attributes.iter().map(|(kind, value)| match value {
        Owned::Basic(value) => Attribute::basic(*kind, *value),
        Owned::Octets(octets) => Attribute::variable(*kind, octets),
        Owned::Secret(secret) => Attribute::variable(*kind, secret.expose()),
    });
    Payload::Attributes(Attributes {
        kind,
        identifier,
        attributes: attributes.collect(),
    })
}

/// The first attribute of a type, as octets.
pub(super) fn octets<'a>(attributes: &Attributes<'a>, kind: u16) -> Option<&'a [u8]> {
    find(attributes, kind)?.value.octets()
}

/// The first attribute of a type, as a number.
pub(super) fn number(attributes: &Attributes<'_>, kind: u16) -> Option<u64> {
    find(attributes, kind)?.value.number()
}

/// Whether there is an attribute of a type.
pub(super) fn has(attributes: &Attributes<'_>, kind: u16) -> bool {
    find(attributes, kind).is_some()
}

fn find<'a>(attributes: &Attributes<'a>, kind: u16) -> Option<Attribute<'a>> {
    let mut all = attributes.attributes.iter();
    all.find(|attribute| attribute.kind == kind).copied()
}

/// Whether any of them belongs to user authentication.
pub(super) fn is_about_user(attributes: &Attributes<'_>) -> bool {
    let mut all = attributes.attributes.iter();
    all.any(|attribute| (xauth::TYPE..=xauth::ANSWER).contains(&attribute.kind))
}

/// What a client is given.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) dns: Vec<IpAddr>,
}

/// Reads what a server gives, in a REPLY or a SET. What we have no use for (NetBIOS servers, how
/// long it lasts, banners, split tunnels) is passed over.
pub(super) fn read_given(attributes: &Attributes<'_>) -> Given {
    let mut given = Given::default();
    for Attribute { kind, value } in &attributes.attributes {
        let Some(octets) = value.octets() else {
            continue;
        };
        match *kind {
            attribute::INTERNAL_IP4_ADDRESS => given.addresses.extend(ipv4(octets)),
            attribute::INTERNAL_IP6_ADDRESS => given.addresses.extend(ipv6(octets)),
            attribute::INTERNAL_IP4_DNS => given.dns.extend(ipv4(octets)),
            attribute::INTERNAL_IP6_DNS => given.dns.extend(ipv6(octets)),
            _ => {}
        }
    }
    // One address of each family: more would need more selectors than one.
    let mut families = (false, false);
    given.addresses.retain(|address| {
        let family = if address.is_ipv4() {
            &mut families.0
        } else {
            &mut families.1
        };
        !core::mem::replace(family, true)
    });
    given.dns.truncate(DNS_MAX);
    given
}

/// An IPv4 address that is one.
pub(super) fn ipv4(octets: &[u8]) -> Option<IpAddr> {
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?);
    (!address.is_unspecified()).then_some(IpAddr::V4(address))
}

/// An IPv6 address that is one. The draft has 16 octets, some peers write the prefix length behind.
pub(super) fn ipv6(octets: &[u8]) -> Option<IpAddr> {
    let address = Ipv6Addr::from(*octets.first_chunk::<16>()?);
    let sound = octets.len() <= 17 && !address.is_unspecified();
    sound.then_some(IpAddr::V6(address))
}

/// An address as the value of an attribute, and its DNS servers.
pub(super) fn write_dns(dns: &[IpAddr]) -> impl Iterator<Item = (u16, Owned)> {
    dns.iter().take(DNS_MAX).map(|server| match server {
        IpAddr::V4(server) => (
            attribute::INTERNAL_IP4_DNS,
            Owned::Octets(server.octets().to_vec()),
        ),
        IpAddr::V6(server) => (
            attribute::INTERNAL_IP6_DNS,
            Owned::Octets(server.octets().to_vec()),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(attributes: Vec<Attribute<'_>>) -> Attributes<'_> {
        Attributes {
            kind: ConfigurationKind::Reply,
            identifier: 7,
            attributes,
        }
    }

    #[test]
    fn a_reply_gives_one_address_of_each_family() {
        let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 64];
        let given = read_given(&reply(vec![
            Attribute::variable(attribute::INTERNAL_IP4_ADDRESS, &[0, 0, 0, 0]),
            Attribute::variable(attribute::INTERNAL_IP4_ADDRESS, &[10, 3, 0, 1]),
            Attribute::variable(attribute::INTERNAL_IP4_ADDRESS, &[10, 3, 0, 2]),
            Attribute::variable(attribute::INTERNAL_IP6_ADDRESS, &v6),
            Attribute::variable(attribute::INTERNAL_IP4_DNS, &[10, 0, 0, 53]),
            Attribute::variable(attribute::INTERNAL_IP4_DNS, &[10, 0, 0]),
            Attribute::variable(attribute::INTERNAL_IP4_NBNS, &[10, 0, 0, 9]),
            Attribute::basic(attribute::INTERNAL_IP4_ADDRESS, 3),
            Attribute::basic(9_999, 1),
        ]));
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(given.addresses, [ip("10.3.0.1"), ip("2001:db8::1")]);
        assert_eq!(given.dns, [ip("10.0.0.53")]);
    }

    #[test]
    fn user_authentication_is_told_from_configuration() {
        assert!(is_about_user(&reply(vec![
            Attribute::variable(attribute::APPLICATION_VERSION, &[]),
            Attribute::variable(xauth::USER_NAME, b"joe"),
        ])));
        assert!(!is_about_user(&reply(vec![Attribute::variable(
            attribute::INTERNAL_IP4_ADDRESS,
            &[]
        )])));
    }
}
