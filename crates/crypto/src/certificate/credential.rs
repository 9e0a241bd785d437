use core::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PSS_SHA256, RsaKeyPair,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use webpki::EndEntityCert;
use zeroize::Zeroize;

use super::names::Facts;
use super::signature::{self, ecdsa_der, identifier};
use super::{CertificateNames, PeerSignature, SignatureHash, Validity};

/// Our own certificate, what leads from it to an authority, and its private key.
pub struct Credential {
    chain: Vec<CertificateDer<'static>>,
    names: CertificateNames,
    validity: Validity,
    key: SigningKey,
}

/// Why a certificate and a key are of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialError {
    /// There is no certificate.
    NoCertificate,
    /// The certificate cannot be read.
    BadCertificate,
    /// There is no private key in PEM form: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    NoKey,
    /// The private key is of a kind that is not known, or damaged.
    BadKey,
    /// The key is not that of the certificate.
    Mismatch,
    /// The certificate is not for signatures (RFC 4945 §5.1.3.2).
    MayNotSign,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "there is no certificate in PEM form in it",
            Self::BadCertificate => "the certificate cannot be read",
            Self::NoKey => "there is no private key in PEM form in it, or it is encrypted",
            Self::BadKey => {
                "the private key is damaged, or none of RSA (2048 to 8192 bits), ECDSA on P-256 or P-384, Ed25519"
            }
            Self::Mismatch => "the private key does not belong to the certificate",
            Self::MayNotSign => "the key usage of the certificate does not allow signatures",
        })
    }
}

impl std::error::Error for CredentialError {}

/// A private key. The library overwrites it when it is dropped.
enum SigningKey {
    EcdsaP256(EcdsaKeyPair),
    EcdsaP384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Credential {
    /// Reads our certificate, the first in `chain`, those that lead to an authority, and its key.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CredentialError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| CredentialError::BadCertificate)?;
        let own = chain.first().ok_or(CredentialError::NoCertificate)?;
        let facts = Facts::read(own).ok_or(CredentialError::BadCertificate)?;
        if !facts.may_sign {
            return Err(CredentialError::MayNotSign);
        }
        let mut der = PrivateKeyDer::from_pem_slice(key).map_err(|_| CredentialError::NoKey)?;
        let key = SigningKey::read(&der);
        der.zeroize();
        let credential = Self {
            names: facts.names,
            validity: facts.validity,
            key: key.ok_or(CredentialError::BadKey)?,
            chain,
        };
        credential.check_key()?;
        Ok(credential)
    }

    /// What the key signs must verify with the certificate.
    fn check_key(&self) -> Result<(), CredentialError> {
        let own = self.chain.first().ok_or(CredentialError::NoCertificate)?;
        let own = EndEntityCert::try_from(own).map_err(|_| CredentialError::BadCertificate)?;
        let probe = b"a key and its certificate";
        let signed = self.sign_identified(probe).ok_or(CredentialError::BadKey)?;
        signature::verify(&own, PeerSignature::Identified(&signed), probe)
            .map_err(|_| CredentialError::Mismatch)
    }

    /// The certificates to be sent, our own first, in DER.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.iter().map(AsRef::as_ref)
    }

    /// Whom our certificate speaks for.
    #[must_use]
    pub fn names(&self) -> &CertificateNames {
        &self.names
    }

    /// When our certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The hash that our signatures are made over.
    #[must_use]
    pub fn hash(&self) -> SignatureHash {
        match self.key {
            SigningKey::EcdsaP256(_) | SigningKey::Rsa(_) => SignatureHash::Sha256,
            SigningKey::EcdsaP384(_) => SignatureHash::Sha384,
            SigningKey::Ed25519(_) => SignatureHash::Identity,
        }
    }

    /// The data of an AUTH payload of method 14 (RFC 7427 §3): RSA signs with PSS (RFC 8247 §3.2).
    /// Takes 15 µs with ECDSA on P-256 and several hundred with RSA. ECDSA and PSS draw from the
    /// library's random source.
    ///
    /// `None` when the library has no memory.
    #[must_use]
    pub fn sign_identified(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (name, signature) = match &self.key {
            SigningKey::EcdsaP256(key) => (
                identifier::ECDSA_SHA256,
                ecdsa_der(&fixed(key, message)?, 32)?,
            ),
            SigningKey::EcdsaP384(key) => (
                identifier::ECDSA_SHA384,
                ecdsa_der(&fixed(key, message)?, 48)?,
            ),
            SigningKey::Ed25519(key) => {
                let signature = key.try_sign(message).ok()?;
                (identifier::ED25519, signature.as_ref().to_vec())
            }
            SigningKey::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PSS_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .ok()?;
                (identifier::PSS_SHA256, signature)
            }
        };
        let length = u8::try_from(name.len()).ok()?;
        Some([&[length], name, &signature].concat())
    }

    /// Number of the older method of authentication that the key has (RFC 4754 §3: 9 for P-256, 10
    /// for P-384), and its data; for a peer that does not know RFC 7427. RSA has none without SHA-1.
    #[must_use]
    pub fn sign_bare(&self, message: &[u8]) -> Option<(u8, Vec<u8>)> {
        match &self.key {
            SigningKey::EcdsaP256(key) => Some((9, fixed(key, message)?)),
            SigningKey::EcdsaP384(key) => Some((10, fixed(key, message)?)),
            SigningKey::Ed25519(_) | SigningKey::Rsa(_) => None,
        }
    }
}

fn fixed(key: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let signature = key.sign(&SystemRandom::new(), message).ok()?;
    Some(signature.as_ref().to_vec())
}

impl SigningKey {
    fn read(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let octets = der.secret_der();
        let ecdsa = |algorithm| EcdsaKeyPair::from_private_key_der(algorithm, octets).ok();
        let rsa = || match der {
            PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(octets).ok(),
            PrivateKeyDer::Pkcs8(_) => RsaKeyPair::from_pkcs8(octets).ok(),
            _ => None,
        };
        let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(octets).ok();
        None.or_else(|| ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::EcdsaP256))
            .or_else(|| ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Self::EcdsaP384))
            .or_else(|| rsa().map(Self::Rsa))
            .or_else(|| ed25519().map(Self::Ed25519))
    }
}
