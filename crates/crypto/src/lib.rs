//! The only room that names a cipher crate: AEAD, CBC with HMAC, PRF, key exchange, signatures and
//! certificates.
//!
//! Keys are zeroized when dropped and have no `Debug`. Every operation is selected once, when a
//! key is built; a packet only follows that choice.
//!
//! | to | use |
//! |---|---|
//! | protect ESP packets and IKE's Encrypted payload | [`SealingKey`], [`OpeningKey`] |
//! | protect IKEv1 messages | [`cbc_encrypt`], [`cbc_decrypt`] |
//! | derive keys | [`prf()`], [`prf_plus`] |
//! | prove to ourselves what we said before | [`PrfKey`] |
//! | agree on a shared secret | [`KeyPair`] |
//! | believe and be believed by certificates | [`TrustAnchors`], [`Credential`] |
//! | hash public data, compare secrets | [`sha1()`], [`sha256`], [`equal`] |
#![forbid(unsafe_code)]

mod aead;
mod algorithm;
mod associated;
mod cbc;
mod cbc_hmac;
mod certificate;
#[cfg(target_arch = "x86_64")]
mod chain;
#[cfg(feature = "copy-cipher-for-benches")]
mod copy;
mod entropy;
mod exchange;
#[cfg(target_arch = "x86_64")]
mod gcm;
mod hash;
mod hmac_key;
mod library;
mod prf;
mod protection;
mod secret;
mod suite;
mod together;

/// Whether the usual provider encrypts. A build with the feature `copy-cipher-for-benches` copies instead
/// wherever an AEAD is asked for, and whoever ships a program says so.
pub const ENCRYPTS: bool = cfg!(not(feature = "copy-cipher-for-benches"));

pub use aead::Provider;
pub use algorithm::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
pub use cbc::{cbc_decrypt, cbc_encrypt};
pub use certificate::{
    AlternativeName, Attribute, BadSignature, CertificateNames, Credential, CredentialError,
    DistinguishedName, NotADistinguishedName, PeerCertificate, PeerSignature, Revocation,
    SignatureHash, TrustAnchorError, TrustAnchors, UnixTime, Untrusted, Validity,
    VerifiedCertificate,
};
pub use entropy::Entropy;
pub use exchange::{InvalidPublicValue, KeyPair};
pub use hash::{digest, equal, sha1, sha256};
pub use prf::{PRF_PLUS_ROUNDS_MAX, PrfKey, prf, prf_plus};
pub use protection::{IcvMismatch, OpeningKey, SealingKey};
pub use secret::Secret;
pub use suite::ProtectionSuite;
pub use together::{Waiting, seal_together};
