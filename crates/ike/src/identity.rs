//! Identities as Identification payloads (RFC 7296 §3.5, RFC 2407 §4.6.2), both ways.

use core::net::{Ipv4Addr, Ipv6Addr};

use crypto::DistinguishedName;
use ipsec::Identity;
use wire::ikev2::Identification;
use wire::ikev2::numbers::identification;

/// The longest name or key ID that we take: a domain name has at most 255 octets, and an e-mail
/// address at most 254.
const NAME_LEN_MAX: usize = 255;

/// Why an Identification payload is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnusableIdentity {
    /// The length does not fit the type.
    BadLength,
    /// A name has characters that a name cannot have, or is no distinguished name.
    NotAName,
    /// A type that no policy can match.
    UnsupportedType,
}

/// Reads who the peer says it is.
pub(crate) fn from_wire(id: &Identification<'_>) -> Result<Identity, UnusableIdentity> {
    read(id.kind, id.data)
}

/// Reads an identity of this type. IKEv2 kept the numbers of the types that we know
/// (RFC 2407 §4.6.2.1).
pub(crate) fn read(kind: u8, data: &[u8]) -> Result<Identity, UnusableIdentity> {
    match kind {
        identification::IPV4_ADDR => <[u8; 4]>::try_from(data)
            .map(|octets| Identity::Ipv4(Ipv4Addr::from(octets)))
            .map_err(|_| UnusableIdentity::BadLength),
        identification::IPV6_ADDR => <[u8; 16]>::try_from(data)
            .map(|octets| Identity::Ipv6(Ipv6Addr::from(octets)))
            .map_err(|_| UnusableIdentity::BadLength),
        identification::FQDN => name(data).map(Identity::Fqdn),
        identification::RFC822_ADDR => name(data).map(Identity::Email),
        identification::KEY_ID => bounded(data).map(|data| Identity::KeyId(data.into())),
        identification::DER_ASN1_DN => DistinguishedName::from_der(data)
            .map(Identity::Dn)
            .map_err(|_| UnusableIdentity::NotAName),
        _ => Err(UnusableIdentity::UnsupportedType),
    }
}

/// The body of our Identification payload: type, three reserved octets, data. This is also what
/// AUTH covers (RFC 7296 §2.15).
pub(crate) fn identification_body(identity: &Identity) -> Vec<u8> {
    let (kind, data) = to_wire(identity);
    let mut body = Vec::with_capacity(4 + data.len());
    body.extend_from_slice(&[kind, 0, 0, 0]);
    body.extend_from_slice(&data);
    body
}

/// The body of a received Identification payload, which AUTH covers.
pub(crate) fn received_body(id: &Identification<'_>) -> Vec<u8> {
    [&[id.kind, 0, 0, 0], id.data].concat()
}

/// Type and data of our Identification payload.
pub(crate) fn to_wire(identity: &Identity) -> (u8, Vec<u8>) {
    match identity {
        Identity::Ipv4(address) => (identification::IPV4_ADDR, address.octets().into()),
        Identity::Ipv6(address) => (identification::IPV6_ADDR, address.octets().into()),
        Identity::Fqdn(name) => (identification::FQDN, name.as_bytes().into()),
        Identity::Email(name) => (identification::RFC822_ADDR, name.as_bytes().into()),
        Identity::KeyId(octets) => (identification::KEY_ID, octets.to_vec()),
        Identity::Dn(name) => (identification::DER_ASN1_DN, name.as_der().to_vec()),
    }
}

/// RFC 7296 §3.5: no terminators. Control characters and spaces have no place in a name, and would
/// let a stranger write into logs. Letters beyond ASCII are allowed (RFC 7296 §3.5 for e-mail; some
/// peers send such domain names).
fn name(data: &[u8]) -> Result<Box<str>, UnusableIdentity> {
    let text = core::str::from_utf8(bounded(data)?).map_err(|_| UnusableIdentity::NotAName)?;
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(UnusableIdentity::NotAName);
    }
    Ok(text.into())
}

fn bounded(data: &[u8]) -> Result<&[u8], UnusableIdentity> {
    if data.is_empty() || data.len() > NAME_LEN_MAX {
        return Err(UnusableIdentity::BadLength);
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_comes_back() {
        for identity in [
            Identity::Ipv4(Ipv4Addr::new(192, 0, 2, 1)),
            Identity::Ipv6("2001:db8::1".parse().unwrap()),
            Identity::Fqdn("gw.example.org".into()),
            Identity::Email("joe@example.org".into()),
            Identity::KeyId([0, 1, 0xff].as_slice().into()),
            "C=CH, CN=gw".parse().unwrap(),
        ] {
            let (kind, data) = to_wire(&identity);
            assert_eq!(read(kind, &data), Ok(identity.clone()));
            let body = identification_body(&identity);
            assert_eq!(body, [&[kind, 0, 0, 0], data.as_slice()].concat());
            let id = Identification { kind, data: &data };
            assert_eq!(body, received_body(&id));
        }
    }

    #[test]
    fn lengths_must_fit_the_type() {
        for (kind, data) in [
            (1, &[10, 0, 0][..]),
            (1, &[10, 0, 0, 1, 0]),
            (1, &[]),
            (5, &[0; 15]),
            (5, &[0; 17]),
            (2, &[]),
            (3, &[]),
            (11, &[]),
            (2, &[b'a'; 256]),
            (11, &[0; 256]),
        ] {
            assert_eq!(read(kind, data), Err(UnusableIdentity::BadLength), "{kind}");
        }
        assert!(read(2, &[b'a'; 255]).is_ok());
    }

    #[test]
    fn names_are_text_without_control_characters() {
        for data in [
            &b"gw\0"[..],
            b"gw\nconnected",
            b"gw example",
            b"\x1b[2J",
            b"\xff\xfe",
            "gw\u{85}x".as_bytes(),
            "gw\u{2028}x".as_bytes(),
        ] {
            assert_eq!(read(2, data), Err(UnusableIdentity::NotAName), "{data:?}");
            assert_eq!(read(3, data), Err(UnusableIdentity::NotAName), "{data:?}");
        }
        assert!(read(2, "bücher.example".as_bytes()).is_ok());
        assert_eq!(read(9, b"CN=gw"), Err(UnusableIdentity::NotAName));
    }

    #[test]
    fn other_types_are_told_apart_from_bad_ones() {
        for kind in [0, 4, 10, 12, 13, 255] {
            assert_eq!(read(kind, b"x"), Err(UnusableIdentity::UnsupportedType));
        }
    }
}
