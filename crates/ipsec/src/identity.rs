use core::net::{Ipv4Addr, Ipv6Addr};

/// Who a peer says it is (RFC 7296 §3.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Identity {
    /// ID_IPV4_ADDR.
    Ipv4(Ipv4Addr),
    /// ID_IPV6_ADDR.
    Ipv6(Ipv6Addr),
    /// ID_FQDN, without terminators.
    Fqdn(Box<str>),
    /// ID_RFC822_ADDR.
    Email(Box<str>),
    /// ID_KEY_ID, opaque octets.
    KeyId(Box<[u8]>),
}

/// What identities a connection or a secret accepts.
///
/// In text: `%any`; `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`; `gw.example.org`,
/// `*.example.org`; `joe@example.org`, `*@example.org`; `keyid:6a6f65` or `keyid:joe*`
/// (hexadecimal when it reads as such with the prefix `keyid:0x`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum IdentityPattern {
    /// Any identity of any type.
    Any,
    /// Exactly this one (names compare without regard to ASCII case).
    Exact(Identity),
    /// An IPv4 prefix: network and length.
    Ipv4Prefix(Ipv4Addr, u8),
    /// An IPv6 prefix: network and length.
    Ipv6Prefix(Ipv6Addr, u8),
    /// A domain name whose `*` matches any run of characters.
    FqdnGlob(Box<str>),
    /// An e-mail address whose `*` matches any run of characters.
    EmailGlob(Box<str>),
    /// A key ID whose `*` matches any run of octets.
    KeyIdGlob(Box<[u8]>),
}
