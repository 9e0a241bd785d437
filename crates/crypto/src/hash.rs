use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// SHA-1 over the concatenation of `parts`.
///
/// For NAT detection (RFC 7296 §2.23) and CERTREQ only: neither relies on collision resistance.
#[must_use]
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    digest::<Sha1>(parts).into()
}

/// SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    digest::<Sha256>(parts).into()
}

/// Compares in a time that depends on the lengths alone.
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

fn digest<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize()
}

#[cfg(test)]
mod tests {
    use super::{equal, sha1, sha256};

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
