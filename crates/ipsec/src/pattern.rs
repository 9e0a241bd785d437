use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crypto::DistinguishedName;

use crate::identity::{check_name, parse_distinguished_name, parse_key_id, write_name};
use crate::prefix::{in_prefix, mask};
use crate::{Identity, IdentityParseError};

/// What identities a connection or a secret accepts.
///
/// In text: `%any`; `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `2001:db8::/32`; `gw.example.org`,
/// `*.example.org`; `joe@example.org`, `*@example.org`; `keyid:joe`, `keyid:joe*` or, in
/// hexadecimal, `keyid:0x6a6f65`; `C=CH, O=Example, CN=gw`, `C=CH, O=Example, CN=*`.
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
    /// A distinguished name with as many parts of the same types, in whose values `*` matches any run
    /// of characters.
    DnGlob(DistinguishedName),
}

/// How closely a pattern describes an identity: the greater, the closer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Specificity(u16);

impl Specificity {
    /// [`IdentityPattern::Any`], or an entry that names nobody.
    pub const ANY: Self = Self(0);
    /// [`IdentityPattern::Exact`].
    pub const EXACT: Self = Self(u16::MAX);

    /// A wildcard that pins `fixed` octets or bits: closer than any, never as close as exact.
    fn partial(fixed: usize) -> Self {
        Self(
            u16::try_from(fixed)
                .unwrap_or(u16::MAX)
                .saturating_add(1)
                .min(u16::MAX - 1),
        )
    }
}

impl IdentityPattern {
    /// Whether `identity` is one of those meant.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        match (self, identity) {
            (Self::Any, _) => true,
            (Self::Exact(own), other) => own.same(other),
            (Self::Ipv4Prefix(network, length), Identity::Ipv4(address)) => {
                in_prefix(IpAddr::V4(*address), IpAddr::V4(*network), *length)
            }
            (Self::Ipv6Prefix(network, length), Identity::Ipv6(address)) => {
                in_prefix(IpAddr::V6(*address), IpAddr::V6(*network), *length)
            }
            (Self::FqdnGlob(glob), Identity::Fqdn(name))
            | (Self::EmailGlob(glob), Identity::Email(name)) => {
                glob_matches(glob.as_bytes(), name.as_bytes(), |a, b| {
                    a.eq_ignore_ascii_case(&b)
                })
            }
            (Self::KeyIdGlob(glob), Identity::KeyId(octets)) => {
                glob_matches(glob, octets, |a, b| a == b)
            }
            (Self::DnGlob(glob), Identity::Dn(name)) => dn_matches(glob, name),
            _ => false,
        }
    }

    /// How closely the pattern describes `identity`; `None` when it does not match.
    #[must_use]
    pub fn specificity(&self, identity: &Identity) -> Option<Specificity> {
        if !self.matches(identity) {
            return None;
        }
        let fixed = |octets: &[u8]| octets.iter().filter(|&&octet| octet != b'*').count();
        Some(match self {
            Self::Any => Specificity::ANY,
            Self::Exact(_) => Specificity::EXACT,
            Self::Ipv4Prefix(_, length) | Self::Ipv6Prefix(_, length) => {
                Specificity::partial(usize::from(*length))
            }
            Self::FqdnGlob(glob) | Self::EmailGlob(glob) => {
                Specificity::partial(fixed(glob.as_bytes()))
            }
            Self::KeyIdGlob(glob) => Specificity::partial(fixed(glob)),
            Self::DnGlob(glob) => {
                let attributes = glob.attributes();
                let values = attributes.iter().map(|one| fixed(one.value.as_bytes()));
                Specificity::partial(values.sum())
            }
        })
    }
}

/// What kind of identity a text is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Fqdn,
    Email,
    KeyId,
    Dn,
}

/// An identity, or a pattern with `*`, as octets: a pattern means an identity only if what stands
/// before its first `*` and after its last begins and ends the identity.
pub(crate) struct Text {
    pub(crate) kind: Kind,
    pub(crate) octets: Vec<u8>,
}

impl Text {
    /// `None` for what has no `*`.
    pub(crate) fn of_glob(pattern: &IdentityPattern) -> Option<Self> {
        Some(match pattern {
            IdentityPattern::FqdnGlob(glob) => Self::of_name(Kind::Fqdn, glob),
            IdentityPattern::EmailGlob(glob) => Self::of_name(Kind::Email, glob),
            IdentityPattern::KeyIdGlob(glob) => Self::of_key_id(glob),
            IdentityPattern::DnGlob(glob) => Self::of_dn(glob),
            _ => return None,
        })
    }

    /// `None` for addresses.
    pub(crate) fn of_identity(identity: &Identity) -> Option<Self> {
        Some(match identity {
            Identity::Fqdn(name) => Self::of_name(Kind::Fqdn, name),
            Identity::Email(name) => Self::of_name(Kind::Email, name),
            Identity::KeyId(octets) => Self::of_key_id(octets),
            Identity::Dn(name) => Self::of_dn(name),
            Identity::Ipv4(_) | Identity::Ipv6(_) => return None,
        })
    }

    fn of_name(kind: Kind, name: &str) -> Self {
        let octets = name.to_ascii_lowercase().into_bytes();
        Self { kind, octets }
    }

    fn of_key_id(octets: &[u8]) -> Self {
        Self {
            kind: Kind::KeyId,
            octets: octets.into(),
        }
    }

    fn of_dn(name: &DistinguishedName) -> Self {
        let attributes = name
            .folded()
            .into_iter()
            .map(|one| format!("{},{}={}\n", one.part, one.kind, one.value));
        let text: String = attributes.collect();
        Self {
            kind: Kind::Dn,
            octets: text.into_bytes(),
        }
    }
}

fn dn_matches(glob: &DistinguishedName, name: &DistinguishedName) -> bool {
    let (globs, attributes) = (glob.folded(), name.folded());
    globs.len() == attributes.len()
        && globs.iter().zip(&attributes).all(|(glob, attribute)| {
            let (wanted, value) = (&glob.value, &attribute.value);
            glob.part == attribute.part
                && glob.kind == attribute.kind
                && glob_matches(wanted.as_bytes(), value.as_bytes(), |a, b| a == b)
        })
}

/// `*` stands for any run, the empty one included. Linear in space, and each `*` is tried only from
/// the last one seen, so that a hostile name costs at most `glob.len() * text.len()` steps.
fn glob_matches(glob: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut at_glob, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&octet) = text.get(at_text) {
        match glob.get(at_glob) {
            Some(b'*') => {
                at_glob += 1;
                retry = Some((at_glob, at_text));
            }
            Some(&wanted) if same(wanted, octet) => {
                at_glob += 1;
                at_text += 1;
            }
            _ => {
                let Some((after_star, covered)) = retry else {
                    return false;
                };
                at_glob = after_star;
                at_text = covered + 1;
                retry = Some((after_star, covered + 1));
            }
        }
    }
    glob.get(at_glob..)
        .is_some_and(|rest| rest.iter().all(|&octet| octet == b'*'))
}

impl FromStr for IdentityPattern {
    type Err = IdentityParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "%any" || text == "*" {
            return Ok(Self::Any);
        }
        if let Some(rest) = text.strip_prefix("keyid:") {
            let octets = parse_key_id(rest)?;
            let glob = !rest.starts_with("0x") && octets.contains(&b'*');
            return Ok(if glob {
                Self::KeyIdGlob(octets)
            } else {
                Self::Exact(Identity::KeyId(octets))
            });
        }
        if let Some(name) = parse_distinguished_name(text)? {
            return Ok(if text.contains('*') {
                Self::DnGlob(name)
            } else {
                Self::Exact(Identity::Dn(name))
            });
        }
        if let Some((network, length)) = text.split_once('/') {
            return parse_prefix(network, length);
        }
        check_name(text)?;
        Ok(match (text.contains('*'), text.contains('@')) {
            (true, true) => Self::EmailGlob(text.into()),
            (true, false) => Self::FqdnGlob(text.into()),
            (false, _) => Self::Exact(text.parse()?),
        })
    }
}

fn parse_prefix(network: &str, length: &str) -> Result<IdentityPattern, IdentityParseError> {
    let network: IpAddr = network.parse().map_err(|_| IdentityParseError::BadPrefix)?;
    let length = match (length.parse(), length.parse()) {
        (Ok(length), _) => length,
        (_, Ok(mask)) if network.is_ipv4() => {
            mask_length(mask).ok_or(IdentityParseError::BadPrefix)?
        }
        _ => return Err(IdentityParseError::BadPrefix),
    };
    let masked = mask(network, length).ok_or(IdentityParseError::BadPrefix)?;
    Ok(match masked {
        IpAddr::V4(network) => IdentityPattern::Ipv4Prefix(network, length),
        IpAddr::V6(network) => IdentityPattern::Ipv6Prefix(network, length),
    })
}

/// The length of the prefix that a network mask stands for; `None` if its ones have a gap.
fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let ones = mask.to_bits().leading_ones();
    let whole = ones == mask.to_bits().count_ones();
    whole.then(|| u8::try_from(ones).ok()).flatten()
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("%any"),
            Self::Exact(identity) => identity.fmt(f),
            Self::Ipv4Prefix(network, length) => write!(f, "{network}/{length}"),
            Self::Ipv6Prefix(network, length) => write!(f, "{network}/{length}"),
            Self::FqdnGlob(glob) | Self::EmailGlob(glob) => f.write_str(glob),
            Self::DnGlob(glob) => glob.fmt(f),
            Self::KeyIdGlob(glob) => {
                f.write_str("keyid:")?;
                write_name(&String::from_utf8_lossy(glob), f)
            }
        }
    }
}

impl From<Identity> for IdentityPattern {
    fn from(identity: Identity) -> Self {
        Self::Exact(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> IdentityPattern {
        text.parse().unwrap()
    }

    fn matches(glob: &str, identity: &str) -> bool {
        pattern(glob).matches(&identity.parse().unwrap())
    }

    #[test]
    fn patterns_are_read_and_written_alike() {
        for text in [
            "%any",
            "10.0.0.1",
            "10.0.0.0/8",
            "2001:db8::/32",
            "gw.example.org",
            "*.example.org",
            "*@example.org",
            "keyid:joe*",
            "keyid:a\\b'*\"",
            "keyid:0x00ff",
            "C=CH, CN=*.example.org",
            "C=CH, CN=gw",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("10.9.8.7/8").to_string(), "10.0.0.0/8");
        for (mask, length) in [
            ("255.255.255.255", 32),
            ("255.255.254.0", 23),
            ("0.0.0.0", 0),
        ] {
            let prefix = pattern(&format!("10.2.80.209/{length}"));
            assert_eq!(pattern(&format!("10.2.80.209/{mask}")), prefix);
        }
        for bad in [
            "10.0.0.0/255.0.255.0",
            "::/255.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/x",
            "host/8",
            "",
            "a b",
        ] {
            assert!(bad.parse::<IdentityPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_stay_within_their_kind() {
        assert!(matches("%any", "keyid:x"));
        assert!(matches("10.0.0.0/8", "10.255.0.1"));
        assert!(!matches("10.0.0.0/8", "11.0.0.1"));
        assert!(!matches("0.0.0.0/0", "::1"));
        assert!(matches("::/0", "2001:db8::1"));
        assert!(matches("*.Example.org", "a.b.eXample.ORG"));
        assert!(!matches("*.example.org", "example.org"));
        assert!(!matches("*example.org", "joe@example.org"));
        assert!(matches("*@example.org", "Joe@EXAMPLE.org"));
        assert!(matches("keyid:br*-7", "keyid:branch-7"));
        assert!(!matches("keyid:br*-7", "keyid:BRANCH-7"));
        assert!(!matches("keyid:br*-7", "keyid:branch-77"));
        assert!(matches("C=CH, O=Ex*, CN=*", "c=ch, o=EXAMPLE, cn=gw"));
        assert!(!matches("C=CH, CN=*", "C=CH, O=Example, CN=gw"));
        assert!(!matches("C=CH, CN=*", "C=CH, OU=gw"));
        assert!(!matches("C=CH, CN=*", "C=CH+CN=gw"));
        assert!(!matches("CN=*", "gw.example.org"));
    }

    #[test]
    fn a_star_in_hexadecimal_is_an_octet() {
        assert_eq!(
            pattern("keyid:0x2a"),
            IdentityPattern::Exact(Identity::KeyId(b"*"[..].into()))
        );
    }

    #[test]
    fn globs_backtrace_to_the_last_star_only() {
        assert!(glob_matches(b"a*b*c", b"axxbxbxc", |a, b| a == b));
        assert!(!glob_matches(b"a*b*c", b"axxbxbx", |a, b| a == b));
        assert!(glob_matches(b"**", b"", |a, b| a == b));
        let text = vec![b'a'; 4096];
        assert!(!glob_matches(b"*a*a*a*a*a*a*a*a*b", &text, |a, b| a == b));
    }

    #[test]
    fn the_closer_description_is_the_greater() {
        let joe = "joe@vpn.example.org".parse().unwrap();
        let order: Vec<_> = [
            "%any",
            "*@*.org",
            "*@vpn.example.org",
            "Joe@vpn.example.org",
        ]
        .map(|text| pattern(text).specificity(&joe).unwrap())
        .into();
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
        let address = "10.1.2.3".parse().unwrap();
        assert!(
            pattern("10.0.0.0/8").specificity(&address)
                < pattern("10.1.0.0/16").specificity(&address)
        );
        assert_eq!(pattern("11.0.0.0/8").specificity(&address), None);
        assert!(pattern("0.0.0.0/0").specificity(&address) > Some(Specificity::ANY));
    }
}
