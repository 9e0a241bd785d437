//! A certificate authority for tests and load: keys, certificates and revocation lists in PEM, made
//! when they are needed, so that no test depends on a file that expires.
#![forbid(unsafe_code)]

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    RevokedCertParams, RsaKeySize, SanType, SerialNumber, date_time_ymd,
};
use std::net::IpAddr;

/// What kind of key is certified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyKind {
    /// ECDSA on P-256.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa2048,
}

impl KeyKind {
    fn generate(self) -> Result<KeyPair, Error> {
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        }
    }
}

/// What a certificate is wanted for.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// The kind of its key.
    pub key: KeyKind,
    /// A key in PEM form that is to be certified, instead of a new one.
    pub key_of: Option<&'a str>,
    /// Common name: the subject is `C=CH, O=Palisade, CN=…`.
    pub name: &'a str,
    /// Domain names that it speaks for.
    pub dns: &'a [&'a str],
    /// E-mail addresses that it speaks for.
    pub emails: &'a [&'a str],
    /// Addresses that it speaks for.
    pub addresses: &'a [IpAddr],
    /// The year in which it expires, on the first of January; 2090 without.
    pub expires: Option<i32>,
    /// Its key may encipher keys and not sign.
    pub encipher_only: bool,
    /// It is for signing code and for nothing else.
    pub code_signing: bool,
    /// Its serial number, for revocation.
    pub serial: Option<u64>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key, in PKCS #8.
    pub key: String,
}

/// An authority, at the root or below.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "CH");
    subject.push(DnType::OrganizationName, "Palisade");
    subject.push(DnType::CommonName, name);
    subject
}

fn of_authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2095, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

impl Authority {
    /// A root.
    ///
    /// # Errors
    /// The library makes no key.
    pub fn root(name: &str, key: KeyKind) -> Result<Self, Error> {
        let (params, key) = (of_authority(name), key.generate()?);
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// One that exists: its certificate and its private key (PKCS #8), both in PEM.
    ///
    /// # Errors
    /// The library cannot read them.
    pub fn existing(certificate: &str, key: &str) -> Result<Self, Error> {
        Ok(Self {
            issuer: Issuer::from_ca_cert_pem(certificate, KeyPair::from_pem(key)?)?,
            certificate: certificate.to_owned(),
        })
    }

    /// An authority below this one.
    ///
    /// # Errors
    /// As [`Authority::root`].
    pub fn below(&self, name: &str, key: KeyKind) -> Result<Self, Error> {
        let (params, key) = (of_authority(name), key.generate()?);
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its private key in PEM (PKCS #8).
    #[must_use]
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Issues a certificate, with a new key unless one is given.
    ///
    /// # Errors
    /// The library makes no key or reads none, or a name is no name.
    pub fn issue(&self, wanted: &Wanted<'_>) -> Result<Issued, Error> {
        let mut names = Vec::new();
        for name in wanted.dns {
            names.push(SanType::DnsName((*name).try_into()?));
        }
        for name in wanted.emails {
            names.push(SanType::Rfc822Name((*name).try_into()?));
        }
        names.extend(wanted.addresses.iter().copied().map(SanType::IpAddress));
        let usage = if wanted.encipher_only {
            KeyUsagePurpose::KeyEncipherment
        } else {
            KeyUsagePurpose::DigitalSignature
        };
        let purposes = wanted
            .code_signing
            .then_some(ExtendedKeyUsagePurpose::CodeSigning);
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(wanted.name);
        params.subject_alt_names = names;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(wanted.expires.unwrap_or(2090), 1, 1);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![usage];
        params.extended_key_usages = purposes.into_iter().collect();
        params.serial_number = wanted.serial.map(SerialNumber::from);
        params.use_authority_key_identifier_extension = true;
        let key = match wanted.key_of {
            Some(pem) => KeyPair::from_pem(pem)?,
            None => wanted.key.generate()?,
        };
        Ok(Issued {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A list that revokes the certificates with these serial numbers, in PEM.
    ///
    /// # Errors
    /// The library cannot sign.
    pub fn revoke(&self, serials: &[u64]) -> Result<String, Error> {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2094, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer)?.pem()
    }
}
