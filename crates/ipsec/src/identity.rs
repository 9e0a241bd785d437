use core::fmt::{self, Write as _};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crypto::{AlternativeName, CertificateNames, DistinguishedName};

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
    /// ID_DER_ASN1_DN.
    Dn(DistinguishedName),
}

/// Why a text is not an identity or a pattern of identities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdentityParseError {
    /// Nothing was written.
    Empty,
    /// A name holds white space, a control character or something beyond ASCII.
    BadCharacter,
    /// `keyid:0x` is not followed by an even number of hexadecimal digits.
    BadHex,
    /// The length of a prefix is no number, or longer than an address.
    BadPrefix,
    /// A wildcard stands where one identity is needed.
    Wildcard,
    /// It has an `=` and is no distinguished name.
    BadDistinguishedName,
}

impl fmt::Display for IdentityParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an identity must not be empty",
            Self::BadCharacter => "a name may hold printable ASCII characters without spaces only",
            Self::BadHex => "`keyid:0x` must be followed by an even number of hexadecimal digits",
            Self::BadPrefix => "a prefix length must be 0-32 for IPv4 and 0-128 for IPv6",
            Self::Wildcard => "a single identity is needed here, without wildcards",
            Self::BadDistinguishedName => {
                "a distinguished name is written as `C=CH, O=Example, CN=gw.example.org`"
            }
        })
    }
}

impl std::error::Error for IdentityParseError {}

impl Identity {
    /// Whether both name the same end: names compare without regard to ASCII case (RFC 4343, and
    /// mail domains alike), distinguished names by their parts (RFC 5280 §7.1), key IDs octet for octet.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fqdn(a), Self::Fqdn(b)) | (Self::Email(a), Self::Email(b)) => {
                a.eq_ignore_ascii_case(b)
            }
            (Self::Dn(a), Self::Dn(b)) => a.same(b),
            _ => self == other,
        }
    }

    /// The form in which two identities that are [`same`](Self::same) are equal: names in lower
    /// case. Use it as the key of a map.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::Fqdn(name) => Self::Fqdn(name.to_ascii_lowercase().into_boxed_str()),
            Self::Email(name) => Self::Email(name.to_ascii_lowercase().into_boxed_str()),
            Self::Dn(name) => Self::Dn(name.canonical()),
            other => other.clone(),
        }
    }

    /// Whether a certificate speaks for it (RFC 4945 §3.1): a distinguished name is its subject, any
    /// other identity one of its alternative names, without wildcards. A key ID is never in one.
    #[must_use]
    pub fn is_certified_by(&self, names: &CertificateNames) -> bool {
        let alternative = |name: &AlternativeName| match (self, name) {
            (Self::Fqdn(own), AlternativeName::Dns(name))
            | (Self::Email(own), AlternativeName::Email(name)) => own.eq_ignore_ascii_case(name),
            (Self::Ipv4(own), AlternativeName::Ip(address)) => *address == IpAddr::V4(*own),
            (Self::Ipv6(own), AlternativeName::Ip(address)) => *address == IpAddr::V6(*own),
            _ => false,
        };
        match (self, &names.subject) {
            (Self::Dn(own), Some(subject)) => own.same(subject),
            _ => names.alternatives.iter().any(alternative),
        }
    }
}

impl From<IpAddr> for Identity {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityParseError;

    /// Reads `10.0.0.1`, `2001:db8::1`, `gw.example.org`, `joe@example.org`, `keyid:text`,
    /// `keyid:0x6a6f65` or `C=CH, O=Example, CN=gw`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(IdentityParseError::Empty);
        }
        if let Some(rest) = text.strip_prefix("keyid:") {
            return parse_key_id(rest).map(Self::KeyId);
        }
        if let Some(name) = parse_distinguished_name(text)? {
            return if text.contains('*') {
                Err(IdentityParseError::Wildcard)
            } else {
                Ok(Self::Dn(name))
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ipv4(address));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ipv6(address));
        }
        check_name(text)?;
        if text.contains('*') || text == "%any" {
            return Err(IdentityParseError::Wildcard);
        }
        Ok(if text.contains('@') {
            Self::Email(text.into())
        } else {
            Self::Fqdn(text.into())
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Fqdn(name) | Self::Email(name) => write_name(name, f),
            Self::KeyId(octets) => write_key_id(octets, f),
            Self::Dn(name) => name.fmt(f),
        }
    }
}

/// The octets behind `keyid:`.
pub(crate) fn parse_key_id(text: &str) -> Result<Box<[u8]>, IdentityParseError> {
    let Some(hex) = text.strip_prefix("0x") else {
        if text.is_empty() {
            return Err(IdentityParseError::Empty);
        }
        check_name(text)?;
        return Ok(text.as_bytes().into());
    };
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect();
    let digits = digits.ok_or(IdentityParseError::BadHex)?;
    if digits.is_empty() || digits.len() % 2 != 0 {
        return Err(IdentityParseError::BadHex);
    }
    Ok(digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |value, digit| (value << 4) | digit))
        .collect())
}

/// What has an `=` is a distinguished name, unless it can only be an e-mail address.
pub(crate) fn parse_distinguished_name(
    text: &str,
) -> Result<Option<DistinguishedName>, IdentityParseError> {
    if !text.contains('=') {
        return Ok(None);
    }
    match text.parse() {
        Ok(name) => Ok(Some(name)),
        Err(_) if text.contains('@') && check_name(text).is_ok() => Ok(None),
        Err(_) => Err(IdentityParseError::BadDistinguishedName),
    }
}

pub(crate) fn check_name(text: &str) -> Result<(), IdentityParseError> {
    if text.bytes().all(|octet| octet.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(IdentityParseError::BadCharacter)
    }
}

// A peer chooses its name: whatever could steer a terminal or forge a log line is escaped.
pub(crate) fn write_name(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for character in name.chars() {
        if character.is_ascii_graphic() {
            f.write_char(character)?;
        } else {
            write!(f, "{}", character.escape_default())?;
        }
    }
    Ok(())
}

// As text where that reads back as the same octets, else in hexadecimal.
fn write_key_id(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let plain = |octet: &u8| octet.is_ascii_graphic() && *octet != b'*';
    f.write_str("keyid:")?;
    if octets.iter().all(plain) && !octets.is_empty() && !octets.starts_with(b"0x") {
        return octets
            .iter()
            .try_for_each(|&octet| f.write_char(char::from(octet)));
    }
    f.write_str("0x")?;
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Identity {
        text.parse().unwrap()
    }

    #[test]
    fn each_kind_is_read_and_written_alike() {
        for text in [
            "10.0.0.1",
            "2001:db8::1",
            "gw.example.org",
            "joe@example.org",
            "keyid:branch-17",
            "keyid:0x00ff",
            "keyid:0x307861",
            "keyid:0x612a",
            "C=CH, O=Example, CN=gw.example.org",
            "joe=x@example.org",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("keyid:0x6a6f65"), Identity::KeyId(b"joe"[..].into()));
    }

    #[test]
    fn what_is_no_single_identity_is_refused() {
        for (text, error) in [
            ("", IdentityParseError::Empty),
            ("keyid:", IdentityParseError::Empty),
            ("keyid:0x123", IdentityParseError::BadHex),
            ("keyid:two words", IdentityParseError::BadCharacter),
            ("keyid:0xzz", IdentityParseError::BadHex),
            ("two words", IdentityParseError::BadCharacter),
            ("b\u{fc}ro.example", IdentityParseError::BadCharacter),
            ("*.example.org", IdentityParseError::Wildcard),
            ("%any", IdentityParseError::Wildcard),
            ("O=Example, CN=*", IdentityParseError::Wildcard),
            ("CM=gw", IdentityParseError::BadDistinguishedName),
        ] {
            assert_eq!(text.parse::<Identity>(), Err(error), "{text}");
        }
    }

    #[test]
    fn names_compare_without_case_and_key_ids_with() {
        assert!(read("GW.example.org").same(&read("gw.EXAMPLE.org")));
        assert!(read("Joe@example.org").same(&read("joe@Example.org")));
        assert!(read("c=CH,cn=GW").same(&read("C=CH, CN=gw")));
        assert_eq!(
            read("c=CH,cn=GW").canonical(),
            read("C=CH, CN=gw").canonical()
        );
        assert!(!read("keyid:Joe").same(&read("keyid:joe")));
        assert!(!read("joe.example.org").same(&read("joe@example.org")));
        assert_eq!(read("GW.a").canonical(), read("gw.A").canonical());
    }

    #[test]
    fn a_certificate_speaks_for_its_names_and_no_others() {
        let names = CertificateNames {
            subject: "C=CH, CN=gw.example.org".parse().ok(),
            alternatives: vec![
                AlternativeName::Dns("gw.example.org".into()),
                AlternativeName::Dns("*.example.net".into()),
                AlternativeName::Email("joe@example.org".into()),
                AlternativeName::Ip("192.0.2.1".parse().unwrap()),
            ],
        };
        for own in [
            "GW.example.org",
            "Joe@example.org",
            "192.0.2.1",
            "C=CH, CN=GW.example.org",
        ] {
            assert!(read(own).is_certified_by(&names), "{own}");
        }
        for other in [
            "example.org",
            "www.example.net",
            "gw@example.org",
            "192.0.2.2",
            "::ffff:192.0.2.1",
            "keyid:gw.example.org",
            "CN=gw.example.org",
        ] {
            assert!(!read(other).is_certified_by(&names), "{other}");
        }
    }

    #[test]
    fn a_hostile_name_cannot_write_to_the_terminal() {
        let name = Identity::Fqdn("a\x1b[2J\nb".into());
        assert_eq!(name.to_string(), "a\\u{1b}[2J\\nb");
    }
}
