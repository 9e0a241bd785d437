use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{KeyUsage, SubjectAltName};

use super::{DistinguishedName, UnixTime};

/// Most alternative names that are looked at.
const ALTERNATIVES_MAX: usize = 256;

/// Whom a certificate speaks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateNames {
    /// Its subject; `None` when it is empty.
    pub subject: Option<DistinguishedName>,
    /// Its subject alternative names, of the kinds that an identity can have.
    pub alternatives: Vec<AlternativeName>,
}

/// A subject alternative name (RFC 5280 §4.2.1.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AlternativeName {
    /// A domain name.
    Dns(Box<str>),
    /// An e-mail address.
    Email(Box<str>),
    /// An address.
    Ip(IpAddr),
}

/// When a certificate is valid: both ends inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// From when.
    pub from: UnixTime,
    /// Until when.
    pub until: UnixTime,
}

impl Validity {
    /// Whether a certificate is valid then.
    #[must_use]
    pub fn covers(&self, now: UnixTime) -> bool {
        self.from <= now && now <= self.until
    }
}

/// What is read from an end entity's certificate beside its path.
pub(super) struct Facts {
    pub(super) names: CertificateNames,
    pub(super) validity: Validity,
    /// RFC 4945 §5.1.3.2: the key may sign, or is not restricted.
    pub(super) may_sign: bool,
}

impl Facts {
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = certificate.tbs_certificate();
        let subject = tbs.subject().to_der().ok()?;
        let usage = tbs.get_extension::<KeyUsage>().ok()?;
        let alternatives = tbs.get_extension::<SubjectAltName>().ok()?;
        let validity = tbs.validity();
        Some(Self {
            names: CertificateNames {
                subject: DistinguishedName::from_der(&subject).ok(),
                alternatives: alternatives
                    .iter()
                    .flat_map(|(_, names)| names.0.iter())
                    .filter_map(alternative)
                    .take(ALTERNATIVES_MAX)
                    .collect(),
            },
            validity: Validity {
                from: UnixTime(validity.not_before.to_unix_duration().as_secs()),
                until: UnixTime(validity.not_after.to_unix_duration().as_secs()),
            },
            may_sign: usage
                .is_none_or(|(_, usage)| usage.digital_signature() || usage.non_repudiation()),
        })
    }
}

fn alternative(name: &GeneralName) -> Option<AlternativeName> {
    match name {
        GeneralName::DnsName(name) => Some(AlternativeName::Dns(name.as_str().into())),
        GeneralName::Rfc822Name(name) => Some(AlternativeName::Email(name.as_str().into())),
        GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(AlternativeName::Ip),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(octets)))
}
