//! Signatures as AUTH payloads carry them: with the algorithm in front (RFC 7427), or as the bare
//! ECDSA of RFC 4754. SHA-1 is neither made nor accepted (RFC 8247 §3.2).

use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::EndEntityCert;
use webpki::aws_lc_rs as algorithm;

/// A hash that a signature is made over, as SIGNATURE_HASH_ALGORITHMS numbers them (RFC 7427 §7,
/// RFC 8420 §2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureHash {
    /// SHA2-256.
    Sha256,
    /// SHA2-384.
    Sha384,
    /// SHA2-512.
    Sha512,
    /// The message itself is signed.
    Identity,
}

impl SignatureHash {
    /// All that we know, the most common first.
    pub const ALL: [Self; 4] = [Self::Sha256, Self::Sha384, Self::Sha512, Self::Identity];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Sha256 => 2,
            Self::Sha384 => 3,
            Self::Sha512 => 4,
            Self::Identity => 5,
        }
    }
}

/// The data of a peer's AUTH payload.
#[derive(Clone, Copy)]
pub enum PeerSignature<'a> {
    /// Method 14: the length of an AlgorithmIdentifier, the AlgorithmIdentifier, the signature.
    Identified(&'a [u8]),
    /// Method 9: ECDSA with SHA-256 on P-256, r and s.
    EcdsaP256(&'a [u8]),
    /// Method 10: ECDSA with SHA-384 on P-384, r and s.
    EcdsaP384(&'a [u8]),
}

/// A signature is wrong, or of a kind that is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSignature;

/// AlgorithmIdentifiers (RFC 7427 appendix A, RFC 8420 appendix A).
pub(super) mod identifier {
    pub(in crate::certificate) const ECDSA_SHA256: &[u8] =
        &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    pub(in crate::certificate) const ECDSA_SHA384: &[u8] =
        &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    pub(super) const ECDSA_SHA512: &[u8] =
        &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];
    pub(in crate::certificate) const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
    pub(super) const RSA_SHA256: &[u8] = &rsa_pkcs1(0x0b);
    pub(super) const RSA_SHA384: &[u8] = &rsa_pkcs1(0x0c);
    pub(super) const RSA_SHA512: &[u8] = &rsa_pkcs1(0x0d);
    pub(in crate::certificate) const PSS_SHA256: &[u8] = &pss(1, 32);
    pub(super) const PSS_SHA384: &[u8] = &pss(2, 48);
    pub(super) const PSS_SHA512: &[u8] = &pss(3, 64);
    /// The same without the trailer field, which has its default value and so is left out in DER.
    pub(super) const PSS_SHA256_DER: &[u8] = &pss_der(1, 32);
    pub(super) const PSS_SHA384_DER: &[u8] = &pss_der(2, 48);
    pub(super) const PSS_SHA512_DER: &[u8] = &pss_der(3, 64);

    const fn rsa_pkcs1(number: u8) -> [u8; 15] {
        [
            0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, number, 5, 0,
        ]
    }

    /// RFC 7427 §A.4.3: hash and mask generation with the same hash, a salt of its length.
    const fn pss(hash: u8, salt: u8) -> [u8; 72] {
        [
            0x30, 0x46, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0a, 0x30, 0x39, 0xa0,
            0x0f, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0, 0xa1, 0x1c,
            0x30, 0x1a, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8, 0x30, 0x0d, 6, 9, 0x60,
            0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0, 0xa2, 3, 2, 1, salt, 0xa3, 3, 2, 1, 1,
        ]
    }

    const fn pss_der(hash: u8, salt: u8) -> [u8; 67] {
        [
            0x30, 0x41, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0a, 0x30, 0x34, 0xa0,
            0x0f, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0, 0xa1, 0x1c,
            0x30, 0x1a, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8, 0x30, 0x0d, 6, 9, 0x60,
            0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0, 0xa2, 3, 2, 1, salt,
        ]
    }
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

/// What an AlgorithmIdentifier stands for: one algorithm for each kind of key that it fits.
fn identified(name: &[u8]) -> Option<Algorithms> {
    use identifier as id;
    static ECDSA_SHA256: [&dyn SignatureVerificationAlgorithm; 3] = [
        algorithm::ECDSA_P256_SHA256,
        algorithm::ECDSA_P384_SHA256,
        algorithm::ECDSA_P521_SHA256,
    ];
    static ECDSA_SHA384: [&dyn SignatureVerificationAlgorithm; 3] = [
        algorithm::ECDSA_P384_SHA384,
        algorithm::ECDSA_P256_SHA384,
        algorithm::ECDSA_P521_SHA384,
    ];
    static ECDSA_SHA512: [&dyn SignatureVerificationAlgorithm; 3] = [
        algorithm::ECDSA_P521_SHA512,
        algorithm::ECDSA_P384_SHA512,
        algorithm::ECDSA_P256_SHA512,
    ];
    static ED25519: [&dyn SignatureVerificationAlgorithm; 1] = [algorithm::ED25519];
    static RSA_SHA256: [&dyn SignatureVerificationAlgorithm; 1] =
        [algorithm::RSA_PKCS1_2048_8192_SHA256];
    static RSA_SHA384: [&dyn SignatureVerificationAlgorithm; 1] =
        [algorithm::RSA_PKCS1_2048_8192_SHA384];
    static RSA_SHA512: [&dyn SignatureVerificationAlgorithm; 1] =
        [algorithm::RSA_PKCS1_2048_8192_SHA512];
    static PSS_SHA256: [&dyn SignatureVerificationAlgorithm; 1] =
        [algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY];
    static PSS_SHA384: [&dyn SignatureVerificationAlgorithm; 1] =
        [algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY];
    static PSS_SHA512: [&dyn SignatureVerificationAlgorithm; 1] =
        [algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY];
    let known: [(&[u8], Algorithms); 13] = [
        (id::ECDSA_SHA256, &ECDSA_SHA256),
        (id::ECDSA_SHA384, &ECDSA_SHA384),
        (id::ECDSA_SHA512, &ECDSA_SHA512),
        (id::ED25519, &ED25519),
        (id::RSA_SHA256, &RSA_SHA256),
        (id::RSA_SHA384, &RSA_SHA384),
        (id::RSA_SHA512, &RSA_SHA512),
        (id::PSS_SHA256, &PSS_SHA256),
        (id::PSS_SHA384, &PSS_SHA384),
        (id::PSS_SHA512, &PSS_SHA512),
        (id::PSS_SHA256_DER, &PSS_SHA256),
        (id::PSS_SHA384_DER, &PSS_SHA384),
        (id::PSS_SHA512_DER, &PSS_SHA512),
    ];
    let found = known
        .into_iter()
        .find(|(identifier, _)| *identifier == name);
    found.map(|(_, algorithms)| algorithms)
}

/// Checks what a peer signed with the key of its certificate.
pub(super) fn verify(
    certificate: &EndEntityCert<'_>,
    signature: PeerSignature<'_>,
    message: &[u8],
) -> Result<(), BadSignature> {
    let der;
    let (p256, p384) = (
        [algorithm::ECDSA_P256_SHA256],
        [algorithm::ECDSA_P384_SHA384],
    );
    let (algorithms, signature): (&[&dyn SignatureVerificationAlgorithm], &[u8]) = match signature {
        PeerSignature::Identified(data) => {
            let (length, rest) = data.split_first().ok_or(BadSignature)?;
            let (name, signature) = rest
                .split_at_checked(usize::from(*length))
                .ok_or(BadSignature)?;
            (identified(name).ok_or(BadSignature)?, signature)
        }
        PeerSignature::EcdsaP256(raw) => {
            der = ecdsa_der(raw, 32).ok_or(BadSignature)?;
            (&p256, &der)
        }
        PeerSignature::EcdsaP384(raw) => {
            der = ecdsa_der(raw, 48).ok_or(BadSignature)?;
            (&p384, &der)
        }
    };
    // An algorithm for another kind of key is refused before anything is computed.
    let good = |algorithm: &&dyn SignatureVerificationAlgorithm| {
        certificate
            .verify_signature(*algorithm, message, signature)
            .is_ok()
    };
    if algorithms.iter().any(good) {
        Ok(())
    } else {
        Err(BadSignature)
    }
}

/// r and s of `len` octets each (RFC 4754 §7) as `SEQUENCE { INTEGER, INTEGER }`, which RFC 7427
/// §A.3 and the library want.
pub(super) fn ecdsa_der(raw: &[u8], len: usize) -> Option<Vec<u8>> {
    if raw.len() != 2 * len {
        return None;
    }
    let (r, s) = raw.split_at_checked(len)?;
    let (r, s) = (integer(r), integer(s));
    // Two integers of at most 49 octets: every length fits a single octet.
    let mut der = vec![0x30, u8::try_from(r.len() + s.len()).ok()?];
    der.extend(r);
    der.extend(s);
    Some(der)
}

fn integer(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let digits = octets.get(zeros..).unwrap_or_default();
    // A leading one bit would make it negative, and zero has one octet too.
    let pad = digits.first().is_none_or(|first| first & 0x80 != 0);
    let length = digits.len() + usize::from(pad);
    let mut der = vec![2, u8::try_from(length).unwrap_or(u8::MAX)];
    der.extend(core::iter::repeat_n(0, usize::from(pad)));
    der.extend(digits);
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(
            ecdsa_der(&[0, 1, 0xff, 2], 2).unwrap(),
            [0x30, 8, 2, 1, 1, 2, 3, 0, 0xff, 2].as_slice()[..]
        );
        assert_eq!(ecdsa_der(&[1, 2, 3], 2), None);
    }

    #[test]
    fn identifiers_are_those_of_the_rfc() {
        // RFC 7427 §A.3.2, §A.1.2, §A.4.3.
        let pss = "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a86\
                   4886f70d010108300d06096086480165030402010500a203020120a303020101";
        assert_eq!(hex::encode(identifier::PSS_SHA256), pss);
        assert_eq!(
            hex::encode(identifier::RSA_SHA256),
            "300d06092a864886f70d01010b0500"
        );
        assert_eq!(
            hex::encode(identifier::ECDSA_SHA256),
            "300a06082a8648ce3d040302"
        );
        // SHA-1 and empty parameters, which mean SHA-1 (§A.1.1, §A.4.1).
        let weak = [
            "300d06092a864886f70d0101050500",
            "300d06092a864886f70d01010a3000",
        ];
        for weak in weak {
            assert!(identified(&hex::decode(weak).unwrap()).is_none());
        }
    }
}
