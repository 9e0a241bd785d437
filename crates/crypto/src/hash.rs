use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use crate::PrfAlgorithm;

/// SHA-1 over the concatenation of `parts`.
///
/// For NAT detection (RFC 7296 §2.23) and CERTREQ only: neither relies on collision resistance.
#[must_use]
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    hash::<Sha1>(parts).into()
}

/// SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    hash::<Sha256>(parts).into()
}

/// The hash under the HMAC of a pseudorandom function, over the concatenation of `parts`: what RFC 2409
/// calls the negotiated hash.
#[must_use]
pub fn digest(algorithm: PrfAlgorithm, parts: &[&[u8]]) -> Vec<u8> {
    match algorithm {
        PrfAlgorithm::HmacSha1 => hash::<Sha1>(parts).to_vec(),
        PrfAlgorithm::HmacSha256 => hash::<Sha256>(parts).to_vec(),
        PrfAlgorithm::HmacSha384 => hash::<Sha384>(parts).to_vec(),
        PrfAlgorithm::HmacSha512 => hash::<Sha512>(parts).to_vec(),
    }
}

/// Compares in a time that depends on the lengths alone.
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

fn hash<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize()
}

#[cfg(test)]
mod tests {
    use super::{digest, equal, sha1, sha256};
    use crate::PrfAlgorithm;

    /// FIPS 180-4 examples, cut into parts at different places.
    #[test]
    fn digests_of_abc() {
        let sha1_abc = hex::decode("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        let sha256_abc =
            hex::decode("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
                .unwrap();
        for parts in [&[&b"abc"[..]][..], &[b"a", b"", b"bc"]] {
            assert_eq!(sha1(parts).as_slice(), sha1_abc);
            assert_eq!(sha256(parts).as_slice(), sha256_abc);
            assert_eq!(digest(PrfAlgorithm::HmacSha1, parts), sha1_abc);
            assert_eq!(digest(PrfAlgorithm::HmacSha256, parts), sha256_abc);
            assert_eq!(
                digest(PrfAlgorithm::HmacSha384, parts),
                hex::decode(
                    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                     8086072ba1e7cc2358baeca134c825a7"
                )
                .unwrap()
            );
            assert_eq!(
                digest(PrfAlgorithm::HmacSha512, parts),
                hex::decode(
                    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                     2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
                )
                .unwrap()
            );
        }
    }

    #[test]
    fn equal_means_equal() {
        assert!(equal(b"icv", b"icv"));
        assert!(!equal(b"icv", b"icw"));
        assert!(!equal(b"icv", b"icv0"));
        assert!(equal(b"", b""));
    }
}
