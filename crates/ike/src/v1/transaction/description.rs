//! What a server tells a client of its configuration.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use ipsec::V1Policy;
use wire::ikev1::numbers::transaction::{attribute, unity};

use super::attributes::{Owned, write_dns};
use crate::Lease;

/// What we call ourselves when asked (draft-dukes-ike-mode-cfg-02 §5.2).
const APPLICATION_VERSION: &[u8] = b"Palisade";
/// One address is one host.
const HOST_MASK: [u8; 4] = [255; 4];

/// What there is to tell.
pub(super) struct Client<'a> {
    pub(super) leases: &'a [Lease],
    /// The address goes with the IKE SA (draft-dukes-ike-mode-cfg-02 §3.4), which has so long to live.
    pub(super) left: Duration,
    pub(super) policy: &'a V1Policy,
}

/// The addresses, and of everything else what `wanted` says.
pub(super) fn describe(client: &Client<'_>, wanted: &dyn Fn(u16) -> bool) -> Vec<(u16, Owned)> {
    let mut out = Vec::new();
    for lease in client.leases {
        match lease.address {
            IpAddr::V4(address) => {
                let octets = Owned::Octets(address.octets().to_vec());
                out.push((attribute::INTERNAL_IP4_ADDRESS, octets));
                if wanted(attribute::INTERNAL_IP4_NETMASK) {
                    let mask = Owned::Octets(HOST_MASK.to_vec());
                    out.push((attribute::INTERNAL_IP4_NETMASK, mask));
                }
            }
            IpAddr::V6(address) => {
                let octets = Owned::Octets(address.octets().to_vec());
                out.push((attribute::INTERNAL_IP6_ADDRESS, octets));
            }
        }
        let dns = write_dns(&lease.dns);
        out.extend(dns.filter(|(kind, _)| wanted(*kind)));
    }
    if wanted(attribute::INTERNAL_ADDRESS_EXPIRY) && !client.leases.is_empty() {
        let seconds = u32::try_from(client.left.as_secs()).unwrap_or(u32::MAX);
        let octets = Owned::Octets(seconds.to_be_bytes().to_vec());
        out.push((attribute::INTERNAL_ADDRESS_EXPIRY, octets));
    }
    if wanted(attribute::APPLICATION_VERSION) {
        let version = Owned::Octets(APPLICATION_VERSION.to_vec());
        out.push((attribute::APPLICATION_VERSION, version));
    }
    describe_unity(client.policy, wanted, &mut out);
    out
}

/// What clients of Cisco's know besides.
fn describe_unity(policy: &V1Policy, wanted: &dyn Fn(u16) -> bool, out: &mut Vec<(u16, Owned)>) {
    let mut text = |kind, value: Option<&str>| {
        if let Some(value) = value.filter(|_| wanted(kind)) {
            out.push((kind, Owned::Octets(value.as_bytes().to_vec())));
        }
    };
    text(unity::BANNER, policy.banner.as_deref());
    text(unity::DEFAULT_DOMAIN, policy.default_domain.as_deref());
    if wanted(unity::SAVE_PASSWORD) {
        // Never: a password that is stored authenticates the device, not its user.
        out.push((unity::SAVE_PASSWORD, Owned::Basic(0)));
    }
    if wanted(unity::SPLIT_INCLUDE) && !policy.split_include.is_empty() {
        let subnets = Owned::Octets(split_include(&policy.split_include));
        out.push((unity::SPLIT_INCLUDE, subnets));
    }
}

/// Address and mask of each, and six octets for protocol and ports, which mean any.
fn split_include(prefixes: &[(Ipv4Addr, u8)]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(prefixes.len() * unity::SPLIT_INCLUDE_LEN);
    for (network, length) in prefixes {
        let free = u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
        octets.extend_from_slice(&network.octets());
        octets.extend_from_slice(&(!free).to_be_bytes());
        octets.extend_from_slice(&[0; 6]);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> V1Policy {
        V1Policy {
            split_include: vec![
                (Ipv4Addr::new(10, 2, 0, 0), 16),
                (Ipv4Addr::new(192, 0, 2, 7), 32),
                (Ipv4Addr::UNSPECIFIED, 0),
            ],
            default_domain: Some("example.org".into()),
            banner: Some("Welcome".into()),
            ..V1Policy::default()
        }
    }

    fn lease(address: &str) -> Lease {
        Lease {
            pool: "road".into(),
            address: address.parse().expect("an address"),
            dns: vec!["10.0.0.53".parse().expect("an address")],
        }
    }

    /// Kinds and values, basic ones as two octets.
    fn told(leases: &[Lease], wanted: &[u16]) -> Vec<(u16, Vec<u8>)> {
        let policy = policy();
        let client = Client {
            leases,
            left: Duration::from_secs(3_600),
            policy: &policy,
        };
        let octets = |value| match value {
            Owned::Basic(value) => u16::to_be_bytes(value).to_vec(),
            Owned::Octets(octets) => octets,
            Owned::Secret(_) => panic!("no secrets are told"),
        };
        describe(&client, &|kind| wanted.contains(&kind))
            .into_iter()
            .map(|(kind, value)| (kind, octets(value)))
            .collect()
    }

    #[test]
    fn addresses_are_always_told_and_the_rest_when_it_is_asked_for() {
        let leases = [lease("10.3.0.1"), lease("2001:db8::1")];
        assert_eq!(told(&leases, &[]).len(), 2);
        let asked = [
            attribute::INTERNAL_IP4_NETMASK,
            attribute::INTERNAL_IP4_DNS,
            attribute::INTERNAL_ADDRESS_EXPIRY,
            attribute::APPLICATION_VERSION,
            attribute::INTERNAL_IP4_NBNS,
        ];
        let told = told(&leases[..1], &asked);
        assert_eq!(
            told,
            [
                (attribute::INTERNAL_IP4_ADDRESS, vec![10, 3, 0, 1]),
                (attribute::INTERNAL_IP4_NETMASK, vec![255; 4]),
                (attribute::INTERNAL_IP4_DNS, vec![10, 0, 0, 53]),
                (attribute::INTERNAL_ADDRESS_EXPIRY, vec![0, 0, 14, 16]),
                (attribute::APPLICATION_VERSION, b"Palisade".to_vec()),
            ]
        );
    }

    #[test]
    fn clients_of_ciscos_hear_of_split_tunnels_domain_and_banner_and_save_no_password() {
        let asked = [
            unity::BANNER,
            unity::DEFAULT_DOMAIN,
            unity::SAVE_PASSWORD,
            unity::SPLIT_INCLUDE,
        ];
        let told = told(&[], &asked);
        let kinds: Vec<u16> = told.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            [
                unity::BANNER,
                unity::DEFAULT_DOMAIN,
                unity::SAVE_PASSWORD,
                unity::SPLIT_INCLUDE
            ]
        );
        assert_eq!(told[2].1, [0, 0]);
        let subnets: Vec<&[u8]> = told[3].1.chunks(14).collect();
        assert_eq!(
            subnets,
            [
                &[10, 2, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0][..],
                &[192, 0, 2, 7, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0],
                &[0; 14],
            ]
        );
    }
}
